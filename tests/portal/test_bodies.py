"""Bodies over the limit: refused in words before they are read, at every address."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from portal.incoming import IncomingRequest, State
from tests import nginx, processes
from tests.slow import connect

LIMIT = settings.REQUEST_BODY_LIMIT
BIG = 300_000_000


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A web process and the folder where it would write what does not fit into its memory."""
    folder = tmp_path_factory.mktemp("portal")
    (folder / "tmp").mkdir()
    env = processes.environment(
        database_url=f"sqlite:///{folder}/db.sqlite3",
        redis_url="redis://127.0.0.1:1/0",
        fivetran_url="http://127.0.0.1:1",
        TMPDIR=str(folder / "tmp"),
        FIVETRAN_WEBHOOK_SECRET="w" * 32,
    )
    with processes.running("migrate", [sys.executable, "manage.py", "migrate", "-v0"], env) as migration:
        assert migration.popen.wait(120) == 0, migration.log.read_text()
    with processes.web(env) as address:
        yield address, folder / "tmp"


def resident() -> float:
    """MB of the web process."""
    found = [one for one in psutil.Process().children(recursive=True) if "gunicorn" in " ".join(one.cmdline())]
    assert found
    return sum(one.memory_info().rss for one in found) / 1e6


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/accounts/login/", "/requests/batch/", "/webhooks/fivetran/", "/no/such/page/"])
@pytest.mark.parametrize("chunked", [False, True])
def test_300_mb_are_neither_read_nor_written(portal: tuple[str, Path], path: str, chunked: bool) -> None:
    address, folder = portal
    before = resident()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n" if chunked else f"Content-Length: {BIG}\r\n\r\n"
    part = b'--b\r\nContent-Disposition: form-data; name="table"; filename="t.csv"\r\n\r\n' + b"x" * 65536
    with connect(address) as client:
        client.sendall(head.encode())
        sent = 0
        try:
            while sent < BIG:
                client.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                sent += len(part)
        except OSError:
            pass
        answer = b""
        try:
            while piece := client.recv(65536):
                answer += piece
        except ConnectionError:
            pass
    assert sent < BIG
    assert resident() - before < 30
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 10_000
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"2048 kB" in answer and b"Content-Security-Policy" in answer


@pytest.mark.slow
def test_a_refusal_does_not_wait_for_the_body(portal: tuple[str, Path]) -> None:
    with connect(portal[0]) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 300000000\r\n\r\n")
        client.settimeout(5)
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_words_for_every_server(client: Client) -> None:
    """The middleware looks at the length alone, whoever serves the portal."""
    answer = client.post("/accounts/login/", b"", "text/plain", CONTENT_LENGTH=str(LIMIT + 1))
    assert answer.status_code == 413
    assert "2048 kB" in answer.content.decode()
    assert client.post("/accounts/login/", b"", "text/plain", CONTENT_LENGTH="9" * 5000).status_code == 413


def test_no_upload_within_the_limit_goes_to_the_disk() -> None:
    assert LIMIT <= settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE < LIMIT


def test_the_documented_proxy_has_the_same_limit() -> None:
    size = re.search(r"client_max_body_size (\d+)m;", nginx.PROXY_FILE.read_text())
    assert size and int(size[1]) * 1024 * 1024 == LIMIT


# --- when a request is whole -------------------------------------------------------------------------------------
HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\n"
WHOLE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    HEAD + b"Content-Length: 5\r\n\r\nab\r\n\r",
    HEAD + b"content-length:5 \r\n\r\nabcde",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: gzip, CHUNKED\r\n\r\n3;x=y\r\n\r\n0\r\nA\r\n0000000000\r\n0\r\nT: 1\r\nU: 2\r\n\r\n",
]
WHOLE[4] = WHOLE[4].replace(b"0000000000\r\n0\r\nT", b"\r\n0\r\nT").replace(b"A\r\n\r\n", b"A\r\n0123456789\r\n")


@given(st.sampled_from(WHOLE), st.data())
def test_a_request_is_whole_with_its_last_byte_and_not_before(whole: bytes, data: st.DataObject) -> None:
    incoming = IncomingRequest(LIMIT)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1))))
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        assert incoming.state() is State.PARTIAL
        incoming.data += whole[start:end]
    assert incoming.state() is State.WHOLE
    assert bytes(incoming.data) == whole


@given(st.binary(max_size=300), st.data())
def test_no_bytes_from_outside_make_it_fail(noise: bytes, data: st.DataObject) -> None:
    begin = data.draw(st.sampled_from([b"", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", HEAD + b"Content-Length: "]))
    incoming = IncomingRequest(64, begin)
    for byte in noise:
        incoming.data.append(byte)
        if incoming.state() is not State.PARTIAL:
            break
    if incoming.state() is State.TOO_LARGE:
        assert b"\r\nConnection: close\r\n" in incoming.without_body()


@pytest.mark.parametrize("length", [b"65", b"9" * 18])
def test_a_length_over_the_limit_is_too_large_at_once(length: bytes) -> None:
    incoming = IncomingRequest(64, HEAD + b"Content-Length: " + length + b"\r\n\r\n")
    assert incoming.state() is State.TOO_LARGE
    assert incoming.without_body().endswith(b"Content-Length: " + length + b"\r\n\r\n")


@pytest.mark.parametrize("chunks", [b"41\r\n", b"40\r\n" + b"a" * 64 + b"\r\n1\r\n", b"f" * 40 + b"\r\n", b"-1\r\n"])
def test_chunks_over_the_limit_are_refused_when_they_pass_it(chunks: bytes) -> None:
    incoming = IncomingRequest(64, HEAD + b"Transfer-Encoding: chunked\r\nX: y\r\n\r\n" + chunks)
    assert incoming.state() is State.TOO_LARGE
    head = incoming.without_body()
    assert b"chunked" not in head and b"\r\nContent-Length: 65\r\n" in head and head.endswith(b"X: y\r\n\r\n")


def test_two_megabytes_in_drips_are_looked_at_once() -> None:
    """A fifth of a second or so; to search all of it for each drip would take minutes."""
    import time

    incoming = IncomingRequest(LIMIT, HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (LIMIT // 2))
    started = time.process_time()
    for _ in range(100_000):
        incoming.data += b"aaaaaaaaaa"
        assert incoming.state() is State.PARTIAL
    assert time.process_time() - started < 3
