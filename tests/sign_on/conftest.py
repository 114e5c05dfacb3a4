"""A real OpenID Connect provider, and a person who goes there and comes back."""

import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.test import Client

from tests import processes


class Provider:
    """The provider's side: who is in its directory, and with which claims."""

    def __init__(self, url: str) -> None:
        self.url = url

    def has(self, subject: str, **claims: Any) -> None:
        answer = requests.put(f"{self.url}/users/{subject}", json=claims, timeout=10)
        assert answer.status_code == 204, answer.text

    def answers(self, address: str, subject: str, action: str = "") -> str:
        """Where the provider leads a browser that came by `address` and logged in as `subject`."""
        answer = requests.post(address, data={"sub": subject, "action": action}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


@pytest.fixture(scope="session")
def oidc_process() -> Iterator[Provider]:
    port = processes.free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with processes.running("provider", command) as process:
        process.wait_until(lambda: processes.answers(url))
        yield Provider(url)


@pytest.fixture
def provider(oidc_process: Provider, settings: Any, db: None, groups: None) -> Provider:
    """The company's provider, which the portal uses."""
    configure(settings, oidc_process.url)
    return oidc_process


def configure(settings: Any, issuer: str) -> None:
    settings.OIDC_ISSUER = issuer
    settings.OIDC_NAME = "Example"
    app = {"provider_id": "company", "name": "Example", "client_id": "portal", "secret": "provider-secret"}
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            **settings.SOCIALACCOUNT_PROVIDERS["openid_connect"],
            "APPS": [{**app, "settings": {"server_url": issuer}}],
        }
    }


@pytest.fixture
def log_in(provider: Provider) -> Callable[..., Any]:
    """`log_in(client, "subject")` goes to the provider and back; returns the portal's answer."""

    def go(client: Client, subject: str, *, wanted: str = "", action: str = "") -> Any:
        begun = client.get("/accounts/oidc/login/", {"next": wanted} if wanted else {})
        assert begun.status_code == 302, begun.content.decode()
        back = urlsplit(provider.answers(begun["Location"], subject, action))
        return client.get(f"{back.path}?{back.query}")

    return go
