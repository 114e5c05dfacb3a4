"""The web process: nobody holds a thread by being slow, and nobody is cut who is not."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from django.conf import settings

from tests import processes
from tests.processes import ROOT, free_port, running
from tests.slow import closed_after, connect

LIMIT = settings.REQUEST_BODY_LIMIT
CONFIGURED: dict[str, object] = {}
exec((ROOT / "gunicorn.conf.py").read_text(), CONFIGURED)  # noqa: S102  (as gunicorn reads it)
THREADS = int(str(CONFIGURED["threads"]))
# A request is closed after 10 s; a busy machine notices some seconds later.
EARLIEST, LATEST = 9.0, 14.0


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, processes.Process]]:
    """One process of gunicorn as configured, with the plain application; its files go to `folder`."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "tests.plain_app", "--bind", address]
    env = {"WEB_CONCURRENCY": "1", "DJANGO_SETTINGS_MODULE": "tests.settings", "TMPDIR": str(folder)}
    with running("web", command, env) as process:
        process.wait_until(lambda: processes.answers(f"http://{address}/"))
        yield f"http://{address}", process


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server of this module would write what is too large for its memory."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def server(uploads: Path) -> Iterator[tuple[str, processes.Process]]:
    """A server for this module."""
    with serving(uploads) as served:
        yield served


@pytest.fixture
def address(server: tuple[str, processes.Process]) -> str:
    """Where it is."""
    return server[0]


Dial = Callable[..., socket.socket]


@pytest.fixture
def dial() -> Iterator[Dial]:
    """`dial(address)` is a connection that is closed with the test."""
    with ExitStack() as stack:
        yield lambda *where, **how: stack.enter_context(connect(*where, **how))


def ask(address: str, path: str = "/", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and text of one request."""
    client = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    try:
        client.request("GET" if body is None else "POST", path, body, headers)
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()


def seconds_of(address: str, path: str = "/") -> float:
    """How long a request takes that finds a free thread."""
    started = time.monotonic()
    assert ask(address, path)[0] == 200
    return time.monotonic() - started


POST = b"POST /length HTTP/1.1\r\nHost: x\r\n"
SLOW = {
    "nothing": (b"", b""),
    "head": (b"GET / HTTP/1.1\r\nHost: x\r\n", b""),
    "dripped head": (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a"),
    "no body": (POST + b"Content-Length: 1000\r\n\r\n", b""),
    "dripped body": (POST + b"Content-Length: 1000\r\n\r\n", b"a"),
    "dripped chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n", b"a"),
    "dripped chunk size": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "dripped trailers": (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: ", b"a"),
    "second request": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nX: ", b"a"),
}


@pytest.mark.slow
def test_each_slow_connection_is_closed_after_ten_seconds_and_none_holds_a_thread(address: str, dial: Dial) -> None:
    """More of them than there are threads, of every kind, with drips."""
    kinds = list(SLOW) * (1 + 2 * THREADS // len(SLOW))
    clients = [dial(address) for _ in kinds]
    for kind, client in zip(kinds, clients, strict=True):
        client.sendall(SLOW[kind][0])
    with ThreadPoolExecutor(len(kinds)) as pool:
        ends = [
            pool.submit(closed_after, client, 2 * LATEST, SLOW[kind][1])
            for kind, client in zip(kinds, clients, strict=True)
        ]
        meanwhile = [seconds_of(address) for _ in range(5)]
    for kind, end in zip(kinds, ends, strict=True):
        seconds, said = end.result()
        assert EARLIEST < seconds < LATEST, (kind, seconds)
        assert (b"408 Request Timeout" in said) == (kind != "nothing"), (kind, said)
    assert max(meanwhile) < 2
    assert seconds_of(address) < 2


@pytest.mark.slow
def test_slow_readers_hold_no_thread_and_are_closed(address: str, dial: Dial) -> None:
    clients = [dial(address, window=2048) for _ in range(2 * THREADS)]
    size = 900_000
    for client in clients:
        client.sendall(b"GET /large?%d HTTP/1.1\r\nHost: x\r\n\r\n" % size)
    time.sleep(1)
    assert seconds_of(address) < 2
    time.sleep(LATEST)
    for client in clients:
        assert received(client) < size


def received(client: socket.socket) -> int:
    """How many bytes come until the other side has closed."""
    total = 0
    try:
        while piece := client.recv(65536):
            total += len(piece)
    except ConnectionError:
        pass
    return total


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_a_reader_of_much_who_stops_or_drips_loses_the_thread(address: str, dial: Dial, pause: float) -> None:
    """More than the server keeps for a reader: the thread waits for it, ten seconds."""
    size = 20_000_000
    clients = [dial(address, window=2048) for _ in range(THREADS)]
    for client in clients:
        client.sendall(b"GET /large?%d HTTP/1.1\r\nHost: x\r\n\r\n" % size)
    time.sleep(0.5)
    with ThreadPoolExecutor(THREADS) as pool:
        readers = [pool.submit(sip, client, pause) for client in clients if pause]
        assert seconds_of(address) < LATEST
    assert all(reader.result() < size for reader in readers)


def sip(client: socket.socket, pause: float) -> int:
    """How many bytes come until the other side has closed, read a thousand at a time."""
    total = 0
    with suppress(ConnectionError):
        while piece := client.recv(1000):
            total += len(piece)
            time.sleep(pause)
    return total


@pytest.mark.slow
def test_what_takes_long_for_good_reasons_is_not_cut(address: str, dial: Dial) -> None:
    """An answer that takes the server twelve seconds, and one that takes its reader as long, at 200 kB a second."""
    with ThreadPoolExecutor(1) as pool:
        slept = pool.submit(ask, address, "/sleep?12")
        client = dial(address, window=64 * 1024)
        size = 8_000_000
        client.sendall(b"GET /large?%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % size)
        total, started = 0, time.monotonic()
        while piece := client.recv(64 * 1024):
            total += len(piece)
            ahead = total / 600_000 - (time.monotonic() - started)
            if ahead > 0:
                time.sleep(ahead)
        assert time.monotonic() - started > 12
        assert total > size
        assert slept.result() == (200, b"slept")


def test_a_connection_is_kept_for_the_next_request(address: str, dial: Dial) -> None:
    client = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    ports = set()
    for path, body in (("/", None), ("/length", b"x" * 100_000), ("/large?3000000", None), ("/length", b"")):
        client.request("GET" if body is None else "POST", path, body)
        answer = client.getresponse()
        text = answer.read()
        assert answer.status == 200
        assert body is None or text == str(len(body)).encode()
        ports.add(client.sock.getsockname()[1])
    client.close()
    assert len(ports) == 1


def test_requests_that_come_at_once_are_answered_in_turn(address: str, dial: Dial) -> None:
    client = dial(address)
    whole = POST + b"Content-Length: 3\r\n\r\nabc"
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nabcde\r\n2\r\nfg\r\n0\r\nX: y\r\n\r\n"
    last = POST + b"Content-Length: 1\r\nConnection: close\r\n\r\na"
    client.sendall(whole + chunked + whole + last)
    answers = b""
    while piece := client.recv(65536):
        answers += piece
    assert re.findall(rb"\r\n\r\n1\r\n(\d)\r\n0\r\n\r\n", answers) == [b"3", b"7", b"3", b"1"]


def test_a_body_that_waits_to_be_asked_for_is_asked_for_once(address: str, dial: Dial) -> None:
    client = dial(address)
    client.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n")
    assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"abcd")
    answer = b""
    while piece := client.recv(65536):
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200") and b"\r\n4\r\n" in answer and b"100 Continue" not in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 8200 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_at_once(address: str, dial: Dial, request_: bytes) -> None:
    client = dial(address)
    client.sendall(request_)
    seconds, said = closed_after(client, 30)
    assert seconds < 8  # two of them for the other side to close first
    assert not said or said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert seconds_of(address) < 2


def memory(process: processes.Process) -> float:
    """MB of all its processes."""
    parent = psutil.Process(process.popen.pid)
    return sum(one.memory_info().rss for one in [parent, *parent.children(recursive=True)]) / 1e6


def test_unfinished_bodies_together_have_a_bound(server: tuple[str, processes.Process], dial: Dial) -> None:
    """Sixty of nearly 2 MB would be 120 MB: the oldest are given up."""
    address, process = server
    before = memory(process)
    clients = [dial(address) for _ in range(60)]
    for client in clients:
        client.sendall(POST + b"Content-Length: %d\r\n\r\n" % LIMIT)
        client.sendall(b"a" * (LIMIT - 10))
    assert ask(address, "/length", b"a" * 100_000) == (200, b"100000")
    assert memory(process) - before < 100
    assert closed_after(clients[0], 5)[1].startswith(b"HTTP/1.1 408")


def test_a_stop_does_not_wait_for_slow_connections(tmp_path: Path, dial: Dial) -> None:
    with serving(tmp_path) as (address, process):
        clients = [dial(address) for _ in range(20)]
        for client in clients:
            client.sendall(POST + b"Content-Length: 1000\r\n\r\n")
        assert seconds_of(address) < 2
        started = time.monotonic()
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(30) == 0
        assert time.monotonic() - started < 8


def gunicorn(*options: str) -> subprocess.CompletedProcess[str]:
    """What gunicorn says when it is started in the project's folder with these options."""
    command = [sys.executable, "-m", "gunicorn", "portal.wsgi", *options]
    env = {**os.environ, "LOG_LEVEL": "WARNING", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    env.pop("WEB_CONCURRENCY", None)
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def test_plain_gunicorn_reads_the_configuration() -> None:
    printed = gunicorn("--print-config")
    assert printed.returncode == 0, printed.stderr
    found = dict(line.split(" = ", 1) for line in printed.stdout.splitlines() if " = " in line)
    found = {name.strip(): value.strip() for name, value in found.items()}
    assert found["worker_class"] == "portal.web.BufferingWorker"
    assert (found["workers"], found["threads"]) == ("2", str(THREADS))
    assert found["limit_request_line"] == "8190"
    assert found["control_socket_disable"] == "True"
    assert found["loglevel"] == "warning"


def test_it_does_not_pretend_to_speak_tls(tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    file.touch()
    printed = gunicorn("--certfile", str(file), "--keyfile", str(file), "--bind", f"127.0.0.1:{free_port()}")
    assert printed.returncode != 0
    assert "proxy" in printed.stderr


def test_what_strangers_and_one_person_can_ask_for_leaves_threads() -> None:
    company = 2, 2  # the company's doors, where it has any
    pairs = [settings.PASSWORDS_AT_ONCE, *settings.REQUESTS_AT_ONCE.values(), settings.PERSON_REQUESTS_AT_ONCE, company]
    together = sum(running + waiting for running, waiting in pairs)
    assert together < THREADS
    # Django's pool of database connections is as large, so that no thread waits for one.
    assert THREADS <= 20
