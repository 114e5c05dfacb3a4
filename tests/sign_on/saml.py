"""A SAML identity provider as a process, and a person who goes there and comes back."""

import base64
import contextlib
import html
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from django.contrib.auth.models import Group
from django.test import Client

from portal.sign_on.models import DirectoryRole
from tests import processes

PROGRAM = processes.ROOT / "tests" / "sign_on" / "saml_provider.py"


def role(directory_group: str, group: str) -> DirectoryRole:
    return DirectoryRole.objects.create(directory_group=directory_group, group=Group.objects.get(name=group))


class SamlProvider:
    """The provider's side: who is in its directory, and what it answers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def knows(self, portal: str) -> None:
        """Read in the portal's own metadata, as its administrators do."""
        assert requests.put(f"{self.url}/portal", data=portal.encode(), timeout=10).status_code == 200

    def has(self, name: str, **person: Any) -> None:
        assert requests.put(f"{self.url}/users/{name}", json=person, timeout=10).status_code == 200

    def answers(self, address: str, name: str) -> str:
        """The SAMLResponse that it has a browser post which came by `address`."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
        page = requests.post(f"{self.url}/sso", data={**asked, "user": name}, timeout=10)
        found = re.search(r'name="SAMLResponse" value="([^"]+)"', page.text)
        assert found, page.text
        return html.unescape(found[1])

    def log_in(self, client: Client, name: str, wanted: str = "", **edits: str) -> Any:
        """Go there and come back; `edits` replaces texts in the answer's XML. Returns the portal's last answer."""
        return come_back(client, edited(self.answers(begin(client, wanted), name), **edits))


def begin(client: Client, wanted: str = "") -> str:
    begun = client.get("/accounts/saml/login/", {"next": wanted} if wanted else {})
    assert begun.status_code == 302, begun.content.decode()
    return str(begun["Location"])


def edited(answer: str, **edits: str) -> str:
    xml = base64.b64decode(answer).decode()
    for old, new in edits.items():
        assert old in xml, xml
        xml = xml.replace(old, new)
    return base64.b64encode(xml.encode()).decode()


def post(client: Client, answer: str) -> Any:
    """As the provider's page has the browser do it: from another site, so without the portal's session."""
    stranger = Client(enforce_csrf_checks=True, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    received = stranger.post(
        "/accounts/saml/acs/", {"SAMLResponse": answer, "RelayState": "https://elsewhere.example/"}
    )
    client.cookies.update(stranger.cookies)
    return received


def come_back(client: Client, answer: str) -> Any:
    received = post(client, answer)
    if received.status_code != 302:
        return received
    assert received["Location"] == "/accounts/saml/finish/"
    return client.get(received["Location"], headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})


@contextlib.contextmanager
def provider() -> Iterator[SamlProvider]:
    """The provider as a process of its own. Raises Missing."""
    if not find_spec("saml2") or not shutil.which("xmlsec1"):
        raise processes.Missing(
            "There is no SAML provider on this machine (PyPI: pysaml2 of requirements-dev.txt; Debian: xmlsec1)."
        )
    if not find_spec("onelogin"):
        raise processes.Missing("The packages of SAML are not installed (requirements-saml.txt).")
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="portal-test-") as folder:
        command = [sys.executable, str(PROGRAM), str(port), folder]
        with processes.running("SAML provider", command) as process:
            process.wait_until(lambda: processes.listens(port))
            yield SamlProvider(url)
