"""A call to the provider ends in time and in one kind of error, whatever comes back."""

import gc
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from django.test import Client

from portal.sign_on.accounts import Refused
from portal.sign_on.outgoing import Bounded, Kept
from tests.sign_on.providers import Mock, configure

START = b"HTTP/1.1 200 OK\r\n"
PATIENCE = 0.5
HANGS, CUT, DRIPS = "hangs", "cut", "drips"


@contextmanager
def answering(
    sent: bytes, then: str, tls: ssl.SSLContext | None = None, asked: list[bytes] | None = None
) -> Iterator[str]:
    """An address whose answer begins with `sent`, and then hangs, is cut, or goes on by a byte at a time.

    It is a proxy as well, for itself, whatever it is asked for; `asked` is what it is sent.
    """
    over, heard = threading.Event(), [] if asked is None else asked

    def serve(client: socket.socket) -> None:
        if client.recv(65536, socket.MSG_PEEK).startswith(b"CONNECT "):
            heard.append(client.recv(65536))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError), tls.wrap_socket(client, server_side=True) if tls else client as link:
            heard.append(link.recv(65536))
            link.sendall(sent)
            while then == DRIPS and not over.wait(0.05):
                link.sendall(b"a: a\r\n")
            if then == HANGS:
                over.wait(30)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[server.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, daemon=True).start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def behind_tls(address: str, context: ssl.SSLContext) -> Iterator[str]:
    """A proxy that speaks TLS itself and hands on to the one at `address`."""
    host, _colon, port = address.rpartition("/")[2].partition(":")

    def serve(client: socket.socket) -> None:
        with (
            suppress(OSError),
            context.wrap_socket(client, server_side=True) as outer,
            socket.create_connection((host, int(port))) as inner,
        ):
            while True:
                source = outer if outer.pending() else select.select([outer, inner], [], [])[0][0]
                if not (part := source.recv(65536)):
                    return
                (inner if source is outer else outer).sendall(part)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[server.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, daemon=True).start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


ODD = {
    "hangs": (START + b"Content-Length: 100\r\n\r\n12345", HANGS),
    "hangs without a length": (START + b"\r\n12345", HANGS),
    "is cut off": (START + b"Content-Length: 100\r\n\r\n12345", CUT),
    "has a bad part": (START + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", CUT),
    "is badly compressed": (START + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n12345", CUT),
    "drips its headers": (START, DRIPS),
    "drips its body": (START + b"\r\n", DRIPS),
}


@pytest.mark.parametrize(("sent", "then"), ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "TLS"])
def test_an_answer_that_does_not_end_well_is_one_error_in_time(
    tmp_path: Path, sent: bytes, then: str, with_tls: bool
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with answering(sent, then, context if with_tls else None) as address:
        began = time.monotonic()
        with pytest.raises(requests.RequestException), Bounded(str(tmp_path / "ca.pem"), PATIENCE) as session:
            session.get(address)
        assert time.monotonic() - began < 3 * PATIENCE


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "TLS"])
def test_the_companys_proxy_is_asked_where_there_is_one(tmp_path: Path, settings: Any, with_tls: bool) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("login.example.invalid").configure_cert(context)
    asked: list[bytes] = []
    wanted = f"http{'s' if with_tls else ''}://login.example.invalid/metadata"
    good = START + b"Content-Length: 4\r\n\r\ngood"
    with answering(good, CUT, context if with_tls else None, asked) as address:
        settings.SIGN_ON_PROXY_URL = address.replace("https:", "http:")
        with Bounded(str(tmp_path / "ca.pem"), PATIENCE) as session:
            assert session.get(wanted).content == b"good"
        assert asked[0].startswith(b"CONNECT login.example.invalid:443 " if with_tls else f"GET {wanted} ".encode())
    with answering(START, DRIPS, context if with_tls else None) as address:
        settings.SIGN_ON_PROXY_URL = address.replace("https:", "http:")
        began = time.monotonic()
        with pytest.raises(requests.ReadTimeout), Bounded(str(tmp_path / "ca.pem"), PATIENCE) as session:
            session.get(wanted)
        assert time.monotonic() - began < 3 * PATIENCE


def test_the_companys_proxy_may_speak_tls_itself(tmp_path: Path, settings: Any) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("login.example.invalid", "127.0.0.1").configure_cert(context)
    wanted, authorities = "https://login.example.invalid/metadata", str(tmp_path / "ca.pem")
    good = START + b"Content-Length: 4\r\n\r\ngood"
    with answering(good, CUT, context) as address, behind_tls(address, context) as settings.SIGN_ON_PROXY_URL:
        assert Bounded(authorities).get(wanted).content == b"good"
    for sent, then in ODD.values():
        with answering(sent, then, context) as address, behind_tls(address, context) as settings.SIGN_ON_PROXY_URL:
            began = time.monotonic()
            with pytest.raises(requests.RequestException), Bounded(authorities, PATIENCE) as session:
                session.get(wanted)
            assert time.monotonic() - began < 3 * PATIENCE


def test_what_cannot_be_sent_is_the_same_error() -> None:
    with answering(START, CUT) as address, pytest.raises(requests.RequestException), Bounded() as session:
        session.get(address, headers={"Authorization": "Bearer \u0101"})


@pytest.mark.sql
@pytest.mark.parametrize("odd", ["is cut off", "is badly compressed"])
def test_a_person_is_told_that_the_provider_does_not_answer(provider: Mock, settings: Any, odd: str) -> None:
    with answering(*ODD[odd]) as address:
        configure(settings, address)
        answer = Client().get("/accounts/oidc/login/")
    assert answer.status_code == 503 and "does not answer just now" in answer.content.decode()


class Source:
    """What `Kept` asks; `answers` are values and errors, one after the other."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self) -> Any:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


DOWN = requests.ConnectionError("down")


def test_what_is_known_is_not_asked_for_until_it_is_old() -> None:
    kept, source = Kept[str](60), Source("one")
    assert {kept.get("a", source) for _ in range(3)} == {"one"} and source.asked == 1
    assert kept.get("b", Source("of b")) == "of b", "another source has another value"


def test_an_old_one_serves_while_no_new_one_can_be_had() -> None:
    kept, source = Kept[str](0, asked_every=60), Source("one", DOWN)
    assert [kept.get("a", source) for _ in range(3)] == ["one"] * 3
    assert source.asked == 2, "once in vain, and then not for a minute"


def test_without_any_the_error_is_told_and_for_a_while_nobody_asks() -> None:
    kept, source = Kept[str](60, asked_every=0.2), Source(DOWN, "one")
    for _ in range(2):
        with pytest.raises(requests.ConnectionError, match="down"):
            kept.get("a", source)
    assert source.asked == 1
    time.sleep(0.25)
    assert kept.get("a", source) == "one"


def test_an_error_that_is_told_again_keeps_nothing_of_the_call() -> None:
    kept, held = Kept[str](60), []

    def ask() -> str:
        session = Bounded()
        held.append(weakref.ref(session))
        raise Refused("for the person", "for operators")

    with pytest.raises(Refused):
        kept.get("a", ask)
    gc.collect()
    assert held[0]() is None
    with pytest.raises(Refused, match="for the person") as told:
        kept.get("a", ask)
    assert told.value.why == "for operators" and len(held) == 1


def test_what_does_not_fit_is_asked_for_at_once() -> None:
    kept, source = Kept[str](60), Source("one", "two", DOWN)
    assert kept.get("a", source) == "one"
    assert kept.get("a", source, lambda found: found == "two") == "two"
    with pytest.raises(requests.ConnectionError):
        kept.get("a", source, lambda found: found == "three")
    assert kept.get("a", source) == "two"
