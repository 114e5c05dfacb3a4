"""docs/nginx.conf, as it stands, in front of a real web process."""

import http.client
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings

from tests import nginx, processes
from tests.portal.test_crowds import behind_proxy
from tests.slow import closed_after, connect
from tests.visitors import HOST, Visitor

pytestmark = pytest.mark.slow
LIMIT = settings.REQUEST_BODY_LIMIT
START = f"Host: {HOST}\r\n".encode()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[nginx.Proxy, str]]:
    """The portal, without anything in its database, behind nginx; and the file of the certificate's authority."""
    folder = tmp_path_factory.mktemp("proxy")
    env = processes.environment(
        database_url=f"sqlite:///{folder}/db.sqlite3",
        redis_url="redis://127.0.0.1:1/0",
        fivetran_url="http://127.0.0.1:1",
        TMPDIR=str(folder),
        FIVETRAN_WEBHOOK_SECRET="w" * 32,
    )
    with processes.running("migrate", [sys.executable, "manage.py", "migrate", "-v0"], env) as migration:
        assert migration.popen.wait(120) == 0, migration.log.read_text()
    with behind_proxy(env, folder) as served:
        yield served


@pytest.fixture
def visitor(proxy: tuple[nginx.Proxy, str]) -> Visitor:
    """Somebody there."""
    return Visitor(proxy[0].address, ca=proxy[1])


def test_http_leads_to_https(proxy: tuple[nginx.Proxy, str]) -> None:
    answer = requests.get(proxy[0].plain + "/x?y=1", headers={"Host": HOST}, allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{HOST}/x?y=1")


def test_pages_come_with_secure_cookies_and_the_log_in_works(visitor: Visitor) -> None:
    page = visitor.get("/accounts/login/")
    assert page.status_code == 200
    assert "Strict-Transport-Security" in page.headers
    assert "__Host-csrftoken" in page.headers["Set-Cookie"] and "Secure" in page.headers["Set-Cookie"]
    wrong = visitor.post("/accounts/login/", {"username": "nobody", "password": "x"})
    assert wrong.status_code == 200, "the form again, not a refusal for its origin"
    assert visitor.get("/healthz").text == "ok"


def test_neither_links_nor_queries_are_logged(proxy: tuple[nginx.Proxy, str], visitor: Visitor) -> None:
    visitor.get("/handover/secret-token/?state=secret-state")
    visitor.get("/requests/?q=secret-words")
    processes.until(lambda: "/requests/" in (proxy[0].folder / "portal.log").read_text())
    logged = (proxy[0].folder / "portal.log").read_text()
    assert "secret" not in logged
    assert "/handover/[hidden]" in logged


def test_a_long_link_passes(visitor: Visitor) -> None:
    assert visitor.get("/accounts/login/?next=/" + "a" * 7900).status_code == 200


def upload(proxy: tuple[nginx.Proxy, str], size: int, *, chunked: bool) -> tuple[int, bytes]:
    """Status and text of the answer to a POST of so many bytes."""
    where = urlsplit(proxy[0].address)
    context = ssl.create_default_context(cafile=proxy[1])
    client = http.client.HTTPSConnection(where.netloc, timeout=60, context=context)
    client.putrequest("POST", "/webhooks/fivetran/", skip_host=True)
    client.putheader("Host", HOST)
    client.putheader(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(size))))
    client.endheaders()
    sent, piece = 0, b"x" * 65536
    try:
        while sent < size:
            client.send(b"10000\r\n" + piece + b"\r\n" if chunked else piece)
            sent += len(piece)
        if chunked:
            client.send(b"0\r\n\r\n")
    except OSError:
        pass
    try:
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()


@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_too_large_is_refused_in_words(proxy: tuple[nginx.Proxy, str], chunked: bool) -> None:
    status, text = upload(proxy, 300_000_000, chunked=chunked)
    assert status == 413
    assert b"2048 kB" in text
    assert written(proxy[0].folder / "body") < 100_000


def test_a_body_in_chunks_arrives(proxy: tuple[nginx.Proxy, str]) -> None:
    assert upload(proxy, 65536, chunked=True)[0] == 403, "read, and found without a signature"
    assert upload(proxy, 131072, chunked=True)[0] == 413, "the webhook's own limit"


def written(folder: Path) -> int:
    """Bytes of the files below it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("begin", "drip"),
    [
        (b"GET / HTTP/1.1\r\n" + START + b"X: ", b"a"),
        (b"POST /accounts/login/ HTTP/1.1\r\n" + START + b"Content-Length: 1000\r\n\r\n", b""),
        (b"POST /accounts/login/ HTTP/1.1\r\n" + START + b"Content-Length: 1000\r\n\r\n", b"a"),
    ],
)
def test_slow_connections_are_closed(proxy: tuple[nginx.Proxy, str], begin: bytes, drip: bytes) -> None:
    context = ssl.create_default_context(cafile=proxy[1])
    with ExitStack() as stack:
        plain = stack.enter_context(connect(proxy[0].address, "127.0.0.9"))
        client = stack.enter_context(context.wrap_socket(plain, server_hostname=HOST))
        started = time.monotonic()
        client.sendall(begin)
        closed_after(client, 30, drip)
        assert 8 < time.monotonic() - started < 16


def test_a_flood_of_one_address_is_told_to_wait(proxy: tuple[nginx.Proxy, str]) -> None:
    flooding = Visitor(proxy[0].address, "127.0.0.8", proxy[1])
    answers = [flooding.post("/webhooks/fivetran/", {}) for _ in range(60)]
    late = [answer for answer in answers if answer.status_code == 429]
    assert late and late[0].headers["Retry-After"] == "5" and "Wait 5 seconds" in late[0].text
    assert Visitor(proxy[0].address, ca=proxy[1]).post("/webhooks/fivetran/", {}).status_code == 403


def test_words_while_the_portal_is_away(tmp_path: Path) -> None:
    import trustme

    ca = trustme.CA()
    server = ca.issue_cert("127.0.0.1")
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    with nginx.proxy("http://127.0.0.1:1", tmp_path / "both.pem", tmp_path / "both.pem") as alone:
        answer = Visitor(alone.address, ca=str(tmp_path / "ca.pem")).get("/")
    assert answer.status_code == 503
    assert "does not answer just now" in answer.text
