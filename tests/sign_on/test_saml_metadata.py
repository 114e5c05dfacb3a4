"""The SAML provider's description of itself: where it comes from, how long it holds, and what is said without it."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import time_machine
import trustme
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from portal import environment as read
from portal.sign_on.accounts import Away, Refused
from portal.sign_on.apps import SignOnConfig
from tests import processes
from tests.sign_on.saml import SamlProvider, begin
from tests.sign_on.test_saml import MIA, is_logged_in

pytestmark = pytest.mark.database
AWAY = "does not answer just now"


def asked() -> tuple[int, str, float]:
    """Status, page and seconds of the way to the provider."""
    began = time.monotonic()
    answer = Client().get("/accounts/saml/login/")
    return answer.status_code, answer.content.decode(), time.monotonic() - began


@contextmanager
def serving(document: bytes | bytearray, tls: ssl.SSLContext | None = None, pause: float = 0) -> Iterator[str]:
    """An address at which `document` lies; a byte at a time with `pause` seconds between two."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = bytes(document)  # whoever has read it may change what is served next
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            for part in [content] if not pause else [content[i : i + 1] for i in range(len(content))]:
                try:
                    self.wfile.write(part)
                except OSError:
                    return
                time.sleep(pause)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/metadata"
    server.shutdown()
    server.server_close()


def new_description(**times: float) -> Any:
    from portal.sign_on.saml_metadata import Description  # its packages are there where `saml` is

    return Description(**times)


def document(saml: SamlProvider) -> str:
    return requests.get(f"{saml.url}/metadata", timeout=10).text


def test_a_provider_that_is_down_is_told_at_once(saml: SamlProvider, settings: Any, caplog: Any) -> None:
    settings.SAML_METADATA_URL = f"http://127.0.0.1:{processes.free_port()}/metadata"
    status, page, seconds = asked()
    assert status == 503 and AWAY in page and seconds < 2
    assert "it does not answer: SAML_METADATA_URL: ConnectionError" in caplog.text


def test_a_provider_that_hangs_holds_a_thread_for_five_seconds_and_the_next_one_not(
    saml: SamlProvider, settings: Any, caplog: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.SAML_METADATA_URL = f"http://127.0.0.1:{silent.getsockname()[1]}/metadata"
        assert asked()[0] == 503 and "ReadTimeout" in caplog.text
        status, page, seconds = asked()
        assert status == 503 and AWAY in page and seconds < 1


def test_a_provider_that_drips_is_left(saml: SamlProvider, settings: Any, caplog: Any) -> None:
    with serving(document(saml).encode(), pause=0.1) as settings.SAML_METADATA_URL:
        status, _page, seconds = asked()
        assert status == 503 and seconds < 8 and "Timeout" in caplog.text


@pytest.mark.parametrize("ends", [datetime(2020, 1, 2, tzinfo=UTC), None])
def test_the_certificate_of_the_address_is_checked(
    saml: SamlProvider, settings: Any, caplog: Any, tmp_path: Path, ends: datetime | None
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    settings.SAML_CA_BUNDLE = str(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=ends).configure_cert(context)
    with serving(document(saml).encode(), context) as settings.SAML_METADATA_URL:
        assert asked()[0] == (503 if ends else 302)
    assert not ends or "certificate has expired" in caplog.text


def test_a_signing_certificate_that_ran_out_is_told(saml: SamlProvider, caplog: Any) -> None:
    with time_machine.travel(time.time() + timedelta(days=40).total_seconds()):
        status, page, _seconds = asked()
    assert status == 403 and "not set up rightly" in page
    assert "no certificate in the SAML metadata holds now (they end on: 20" in caplog.text


@pytest.mark.parametrize("end", ["2020-01-02T00:00:00Z", "2020-01-02T00:00:00"])
def test_metadata_that_ran_out_is_told(saml: SamlProvider, settings: Any, caplog: Any, end: str) -> None:
    ended = document(saml).replace("EntityDescriptor ", f'EntityDescriptor validUntil="{end}" ', 1)
    settings.SAML_METADATA_URL, settings.SAML_METADATA = "", ended
    assert asked()[0] == 403 and "the SAML metadata ran out on 2020-01-02" in caplog.text


@pytest.mark.parametrize(
    ("old", "new"),
    [("X509Certificate>", "X509Certificate>AAAA"), ("EntityDescriptor ", 'EntityDescriptor validUntil="tomorrow" ')],
)
def test_metadata_that_is_not_usable_is_told(
    saml: SamlProvider, settings: Any, caplog: Any, old: str, new: str
) -> None:
    with serving(document(saml).replace(old, new, 1).encode()) as settings.SAML_METADATA_URL:
        assert asked()[0] == 403 and "of the SAML metadata cannot be read" in caplog.text


def test_an_address_that_the_library_does_not_take_is_told(saml: SamlProvider, settings: Any, caplog: Any) -> None:
    odd = re.sub(r'(SingleSignOnService [^>]*Location=")[^"]*', r"\g<1>https://münchen.example/sso", document(saml))
    with serving(odd.encode()) as settings.SAML_METADATA_URL:
        assert asked()[0] == 403 and "the description of the provider, or PUBLIC_URL, cannot be used" in caplog.text


def test_a_file_serves_as_well(saml: SamlProvider, settings: Any) -> None:
    settings.SAML_METADATA_URL, settings.SAML_METADATA = "", document(saml)
    saml.has("mia", **MIA)
    client = Client()
    assert saml.log_in(client, "mia").status_code == 302 and is_logged_in(client)


def test_keys_of_another_provider_do_not_fit(saml: SamlProvider, settings: Any, caplog: Any) -> None:
    saml.has("mia", **MIA)
    client = Client()
    answer = saml.answers(begin(client), "mia")
    certificate = trustme.CA().cert_pem.bytes().decode().strip().splitlines()[1:-1]
    other = re.sub(r"(X509Certificate>)[^<]+", r"\g<1>" + "".join(certificate), document(saml))
    settings.SAML_METADATA_URL, settings.SAML_METADATA = "", other
    from tests.sign_on.saml import come_back

    assert come_back(client, answer).status_code == 403 and "Signature validation failed" in caplog.text


def test_what_was_known_serves_while_the_provider_is_away(saml: SamlProvider, settings: Any, caplog: Any) -> None:
    kept = new_description(kept_for=0)
    with serving(document(saml).encode()) as settings.SAML_METADATA_URL:
        found = kept.get()
    assert kept.get() == found
    with pytest.raises(Away, match="ConnectionError"):
        new_description().get()


@pytest.mark.parametrize("wrong", [b"<html>We are back soon.</html>", b"", b"\xff\xfe"])
def test_a_page_for_maintenance_leaves_what_was_known_in_force(saml: SamlProvider, settings: Any, wrong: bytes) -> None:
    served = bytearray(document(saml).encode())
    kept = new_description(kept_for=0, asked_every=0)
    with serving(served) as settings.SAML_METADATA_URL:
        found, right = kept.get(), bytes(served)
        served[:] = wrong
        with pytest.raises(Refused):
            new_description().get()
        assert kept.get() == found
        served[:] = right.replace(b'entityID="', b'entityID="new-', 1)
        assert kept.get()["idp"]["entityId"] == f"new-{found['idp']['entityId']}", "it is asked for again"


def test_while_one_asks_again_others_go_on_with_what_was_known(saml: SamlProvider, settings: Any) -> None:
    kept = new_description(kept_for=0)
    with serving(document(saml).encode()) as settings.SAML_METADATA_URL:
        found = kept.get()
    port = urlsplit(settings.SAML_METADATA_URL).port or 0
    with socket.create_server(("127.0.0.1", port)) as silent, ThreadPoolExecutor(1) as pool:
        asking = pool.submit(kept.get)
        asked_for, _address = silent.accept()
        began = time.monotonic()
        assert kept.get() == found and time.monotonic() - began < 1 and not asking.done()
        asked_for.close()
        assert asking.result() == found


def test_the_portals_own_description_does_not_run_out(saml: SamlProvider) -> None:
    own = Client().get("/accounts/saml/metadata/").content.decode()
    assert "EntityDescriptor" in own and "validUntil" not in own and "cacheDuration" not in own


# --- at start --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "no XML", "<a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"],
)
def test_a_file_that_describes_no_provider_is_refused_at_start(settings: Any, text: str) -> None:
    pytest.importorskip("onelogin")
    settings.SAML_METADATA = text or "<md:EntityDescriptor xmlns:md='urn:oasis:names:tc:SAML:2.0:metadata'/>"
    with pytest.raises(
        ImproperlyConfigured, match="SAML_METADATA is not usable: the SAML metadata .* SAML_METADATA_FILE"
    ):
        SignOnConfig.create("portal.sign_on").ready()


@pytest.mark.parametrize(
    "address", ["http://login.example.com/m", "file:///etc/passwd", "https://u:p@example.com/", "x"]
)
def test_an_address_without_https_is_refused_at_start(monkeypatch: Any, address: str) -> None:
    monkeypatch.setenv("SAML_METADATA_URL", address)
    with pytest.raises(ImproperlyConfigured, match="with https"):
        read.document_url("SAML_METADATA_URL")


def test_an_address_may_have_a_query(monkeypatch: Any) -> None:
    monkeypatch.setenv("SAML_METADATA_URL", address := "https://login.microsoftonline.com/t/metadata.xml?appid=4711")
    assert read.document_url("SAML_METADATA_URL") == address


def test_without_its_packages_saml_is_refused_at_start() -> None:
    with pytest.raises(ImproperlyConfigured, match="'no_such_package' is not installed.*requirements-saml.txt"):
        read.with_packages("SAML_METADATA_URL", ("no_such_package",), "requirements-saml.txt")
    assert read.with_packages("", ("no_such_package",), "requirements-saml.txt") is False
