"""Asking the sandbox for what only a sandbox does, over its own addresses: this package shares no code with it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from django.conf import settings

from portal.environment import is_loopback

HEADER = "Fivetran-Sandbox"
_PATIENCE = 10  # seconds
DIRECT = requests.Session()
DIRECT.trust_env = False  # the environment's proxy knows nothing of us


def is_sandbox(root: str) -> bool:
    """Whether the server at the API root is on this machine and calls itself the sandbox."""
    if not is_loopback(root):
        return False
    try:
        return HEADER in DIRECT.get(f"{root}/", timeout=_PATIENCE).headers
    except requests.RequestException:
        return False


def tell(method: str, path: str, body: Any = None) -> Any:
    """One call to `path` below /_sandbox/; returns the answer's JSON."""
    answer = DIRECT.request(method, f"{settings.FIVETRAN_BASE_URL}/_sandbox/{path}", json=body, timeout=_PATIENCE)
    answer.raise_for_status()
    return answer.json()


@contextmanager
def changed_settings(**values: Any) -> Iterator[None]:
    before = tell("GET", "settings")
    tell("POST", "settings", values)
    try:
        yield
    finally:
        tell("POST", "settings", {name: before[name] for name in values})


def fill_card(uri: str, form: Mapping[str, str]) -> None:
    """Enter credentials on a Connect Card, as its source owner does in a browser, without following it back."""
    DIRECT.post(uri, form, timeout=_PATIENCE, allow_redirects=False).raise_for_status()
