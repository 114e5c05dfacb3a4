"""Deadlines: each call ends at its own, however slowly the other side speaks, and whoever forks or calls beside it."""

import contextlib
import os
import select
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from connections.fivetran.errors import FivetranError, Unknown

from .raw_server import client_for, reply, serving

BODY = {"service": "google_sheets"}


def drip(head: bytes, drop: bytes):
    """Says `head` and then one `drop` after the other until the other side hangs up."""

    def say(connection, request):
        connection.sendall(head)
        while not select.select([connection], [], [], 0.1)[0]:
            connection.sendall(drop)

    return say


SOON = 4.8  # seconds: far above a deadline of 0.6, for a machine that is busy; far below any other time-out here
DRIPS = [
    (b"HTTP/1.1 201 Created\r\n", b"X: y\r\n"),
    (b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n", b" "),
    (b"HTTP/1.1 400 Bad Request\r\nX", b"x"),
    (b"HTTP/1.1 201 Created\r\n\r\n", b" "),
    (b"HTTP/1.1 201 Created\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    (b"HTTP/1.1 429 Wait\r\nTransfer-Encoding: chunked\r\n\r\n1", b"0"),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
]
CALLS = [
    lambda client: client.create_connection({}),
    lambda client: client.run_setup_tests("abc"),
    lambda client: client.mint_connect_card("abc", "http://x/"),
    lambda client: client.probe(),
]


@pytest.mark.parametrize(
    ("call", "said"),
    [*((CALLS[0], said) for said in DRIPS), *((call, said) for call in CALLS[1:] for said in DRIPS[:2])],
)
def test_dripping_ends_at_the_deadline(call, said):
    with serving(drip(*said)) as server:
        client = client_for(server.url, create_deadline=0.6, get_deadline=0.6)
        started = time.monotonic()
        with pytest.raises(Unknown) as caught:
            call(client)
        assert 0.5 < time.monotonic() - started < SOON
    assert "time allowed had passed" in caught.value.message


def test_a_dripped_handshake_ends_at_the_deadline():
    with serving(drip(b"\x16\x03\x03\x40\x00", b"\x00"), reads=False) as server:
        started = time.monotonic()
        with pytest.raises(FivetranError):
            url = server.url.replace("http:", "https:")
            client_for(url, create_deadline=0.6, connect_timeout=30).create_connection(BODY)
        assert time.monotonic() - started < SOON


def test_a_deadline_that_is_not_met_disturbs_nothing():
    with serving(lambda connection, request: connection.sendall(reply(200, {"data": {"items": []}})) or True) as server:
        client = client_for(server.url, get_deadline=1.2)
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            client.probe()
            time.sleep(0.05)
    assert server.connections == 1


def test_calls_beside_one_another_end_each_at_its_deadline():
    """The longest begins first and the shortest last, and one thread watches them all."""
    seconds = (60.0, 1.8, 1.2, 0.6)
    with ThreadPoolExecutor(4) as pool, serving(drip(*DRIPS[0])) as server:

        def took(allowed):
            started = time.monotonic()
            with contextlib.suppress(Unknown):
                client_for(server.url, create_deadline=allowed).create_connection(BODY)
            return time.monotonic() - started

        calls = []
        for allowed in seconds:
            calls.append(pool.submit(took, allowed))
            time.sleep(0.05)  # so that they begin in this order
        watching = [thread for thread in threading.enumerate() if thread.name == "fivetran-deadlines"]
        ended = [call.result(2 * SOON) for call in calls[1:]]
        assert not calls[0].done()
    for allowed, after in zip(seconds[1:], ended, strict=True):
        assert allowed - 0.1 < after < allowed + SOON
    assert len(watching) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_keeps_its_deadlines():
    with serving(drip(*DRIPS[0])) as server:
        client = client_for(server.url, create_deadline=0.6)
        with pytest.raises(Unknown):
            client.create_connection(BODY)
        child = os.fork()
        if child == 0:
            started = time.monotonic()
            try:
                client.create_connection(BODY)
            except Unknown:
                os._exit(0 if time.monotonic() - started < SOON else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
