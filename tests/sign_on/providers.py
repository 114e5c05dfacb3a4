"""Real OpenID Connect providers, each its own process on this machine."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from portal.sign_on import oidc
from tests import processes

CERTIFIED = Path(__file__).parent / "certified"


class Mock:
    """oidc-provider-mock from PyPI: takes any client, and lets everybody in by a click."""

    def __init__(self, url: str) -> None:
        self.url = url

    def has(self, subject: str, **claims: Any) -> None:
        """Put somebody into its directory, or give them other claims."""
        answer = requests.put(f"{self.url}/users/{subject}", json=claims, timeout=10)
        assert answer.status_code == 204, answer.text

    def answers(self, address: str, subject: str, action: str = "") -> str:
        """Where it leads a browser that came by `address` and logged in as `subject`."""
        answer = requests.post(address, data={"sub": subject, "action": action}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


@contextmanager
def mock() -> Iterator[Mock]:
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    with processes.running("provider", [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]) as process:
        process.wait_until(lambda: processes.answers(url))
        yield Mock(url)


class Certified:
    """oidc-provider from npm, which the OpenID Foundation has certified."""

    def __init__(self, url: str, people: Path) -> None:
        self.url = url
        self._people = people

    def has(self, subject: str, **claims: Any) -> None:
        """Put somebody into its directory, or give them other claims."""
        known = json.loads(self._people.read_text())
        self._people.write_text(json.dumps({**known, subject: claims}))


@contextmanager
def certified(redirect_uri: str) -> Iterator[Certified]:
    """Raises processes.Missing where node or the package is not installed."""
    node = shutil.which("node")
    if not node or not (CERTIFIED / "node_modules").is_dir():
        raise processes.Missing(
            "The certified provider is not installed (node, then npm ci in tests/sign_on/certified)."
        )
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="portal-test-") as folder:
        people = Path(folder) / "people.json"
        people.write_text("{}")
        command = [node, str(CERTIFIED / "server.mjs"), str(port), redirect_uri, str(people)]
        with processes.running("provider", command) as process:
            process.wait_until(lambda: processes.answers(f"{url}/.well-known/openid-configuration"))
            yield Certified(url, people)


def configure(settings: Any, issuer: str) -> None:
    """Let the portal of this process use the provider."""
    oidc.discovered.clear()
    oidc.keys.clear()
    settings.OIDC_ISSUER = issuer
    settings.OIDC_NAME = "Example"
    app = {"provider_id": "company", "name": "Example", "client_id": "portal", "secret": "provider-secret"}
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            **settings.SOCIALACCOUNT_PROVIDERS["openid_connect"],
            "APPS": [{**app, "settings": {"server_url": issuer}}],
        }
    }
