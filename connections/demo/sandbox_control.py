"""Asking the sandbox for what only a sandbox does, over its own addresses: this package shares no code with it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

HEADER = "Fivetran-Sandbox"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PATIENCE = 10  # seconds
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the environment's proxy knows nothing of us


def is_sandbox(root: str) -> bool:
    """Whether the server at the API root is on this machine and calls itself the sandbox."""
    if urlsplit(root).hostname not in _LOOPBACK:
        return False
    try:
        with _DIRECT.open(f"{root}/", timeout=_PATIENCE) as answer:
            return answer.headers.get(HEADER) is not None
    except urllib.error.HTTPError as error:
        return error.headers.get(HEADER) is not None
    except (OSError, ValueError):
        return False


def tell(method: str, path: str, body: Any = None) -> Any:
    """One call to `path` below /_sandbox/; returns the answer's JSON."""
    url = f"{settings.FIVETRAN_BASE_URL}/_sandbox/{path}"
    data = None if body is None else json.dumps(body).encode()
    call = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    with _DIRECT.open(call, timeout=_PATIENCE) as answer:
        return json.loads(answer.read())


def change_settings(**values: Any) -> dict[str, Any]:
    """Set them; returns those before."""
    before = tell("GET", "settings")
    tell("POST", "settings", values)
    return {name: before[name] for name in values}


@contextmanager
def changed_settings(**values: Any) -> Iterator[None]:
    before = change_settings(**values)
    try:
        yield
    finally:
        tell("POST", "settings", before)


def fill_card(uri: str, form: str) -> None:
    """Enter credentials on a Connect Card, as its source owner does in a browser, without following it back."""
    data = form.encode()
    call = urllib.request.Request(uri, data, {"Content-Type": "application/x-www-form-urlencoded"})  # noqa: S310
    stays = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    try:
        stays.open(call, timeout=_PATIENCE).close()
    except urllib.error.HTTPError as answer:
        if answer.code != 303:
            raise


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
