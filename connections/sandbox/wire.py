"""How an answer leaves the socket: whole, or in one of the ways in which answers fail."""

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

# Tells a caller that this is no Fivetran, wherever its address points: nobody's data is at stake here.
OWN_NAME = {"Fivetran-Sandbox": "1"}


class Gone(Exception):
    """The client has closed the connection."""


class Wire:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def wait_until_gone(self, seconds: float) -> bool:
        """True as soon as the client closes, False after `seconds`."""
        deadline = time.monotonic() + seconds
        # A closed connection is readable and yields no byte. In steps of half a second, so that errors are seen too.
        while (left := deadline - time.monotonic()) > 0:
            try:
                readable, _, _ = select.select([self.sock], [], [], min(left, 0.5))
                if readable and not self.sock.recv(1, socket.MSG_PEEK):
                    return True
            except OSError:
                return True
            if readable:
                time.sleep(0.05)  # bytes of a further request: nobody reads them, so do not spin on them
        return False

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        with suppress(OSError):
            # Lingering for 0 seconds makes close() send RST.
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()

    def hang_up(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


Note = Callable[[str], None]
Delivery = Callable[["Wire", "Answer", Note], None]


@dataclass
class Answer:
    """One HTTP answer and the way it leaves."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    deliver: Delivery | None = None  # None: whole, connection kept alive
    stream: Iterator[bytes] | None = None  # sent after `body`, whose length the headers must then tell

    def head(self) -> bytes:
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        usual = {"Content-Type": "application/json", "Content-Length": str(len(self.body)), **OWN_NAME}
        headers = usual | self.headers
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items() if value)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def silence(seconds: float) -> Delivery:
    """Never answer; keep the socket until the client closes it or `seconds` are over."""

    def deliver(wire: Wire, answer: Answer, note: Note) -> None:
        note("gone" if wire.wait_until_gone(seconds) else "gave up")
        wire.hang_up()

    return deliver


def hang_up(wire: Wire, answer: Answer, note: Note) -> None:
    wire.hang_up()


def reset(wire: Wire, answer: Answer, note: Note) -> None:
    wire.reset()


def cut(wire: Wire, answer: Answer, note: Note) -> None:
    """Half of a JSON text under a Content-Length that fits the half, and a clean end."""
    half = answer.body[: len(answer.body) // 2]
    wire.send(Answer(answer.status, half, {**answer.headers, "Connection": "close"}).head() + half)
    note("half")
    wire.hang_up()


def short(wire: Wire, answer: Answer, note: Note) -> None:
    """Half of the announced bytes."""
    wire.send(answer.head() + answer.body[: len(answer.body) // 2])
    note("half")
    wire.hang_up()


def drip(pause: float, longest: float) -> Delivery:
    """Headers and body, a byte each `pause` seconds, for `longest` seconds at most."""

    def deliver(wire: Wire, answer: Answer, note: Note) -> None:
        deadline = time.monotonic() + longest
        for byte in answer.head() + answer.body:
            wire.send(bytes([byte]))
            if time.monotonic() > deadline or wire.wait_until_gone(pause):
                raise Gone
        wire.hang_up()

    return deliver


def raw(data: bytes) -> Delivery:
    def deliver(wire: Wire, answer: Answer, note: Note) -> None:
        wire.send(data)
        wire.hang_up()

    return deliver
