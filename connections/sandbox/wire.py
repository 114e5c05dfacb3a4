"""The socket's end of things: how an answer leaves, whole or in one of the ways answers go wrong."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus


class Gone(Exception):
    """The client has closed the connection."""


class Wire:
    """The connected socket of one client."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def send(self, data: bytes) -> None:
        """Send all of `data`; Gone when the client has left."""
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def wait_until_gone(self, seconds: float) -> bool:
        """True as soon as the client closes, False after `seconds`."""
        deadline = time.monotonic() + seconds
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
        """Close with RST, without a goodbye."""
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()

    def hang_up(self) -> None:
        """Close in an orderly way, without an answer."""
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
        """Status line and headers."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        headers = {"Content-Type": "application/json", "Content-Length": str(len(self.body))} | self.headers
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items() if value)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def silence(seconds: float) -> Delivery:
    """Never answer; keep the socket until the client closes it or `seconds` are over."""

    def deliver(wire: Wire, answer: Answer, note: Note) -> None:
        note("gone" if wire.wait_until_gone(seconds) else "gave up")
        wire.hang_up()

    return deliver


def hang_up(wire: Wire, answer: Answer, note: Note) -> None:
    """Close without a byte."""
    wire.hang_up()


def reset(wire: Wire, answer: Answer, note: Note) -> None:
    """Reset without a byte."""
    wire.reset()


def cut(wire: Wire, answer: Answer, note: Note) -> None:
    """Announce a length that the body does not have: a JSON text that stops in the middle, and a clean end."""
    half = answer.body[: len(answer.body) // 2]
    wire.send(Answer(answer.status, half, {**answer.headers, "Connection": "close"}).head() + half)
    note("half")
    wire.hang_up()


def short(wire: Wire, answer: Answer, note: Note) -> None:
    """Send half of the announced bytes and close."""
    wire.send(answer.head() + answer.body[: len(answer.body) // 2])
    note("half")
    wire.hang_up()


def drip(pause: float, longest: float) -> Delivery:
    """Headers, then the body, a byte each `pause` seconds, for `longest` seconds at most."""

    def deliver(wire: Wire, answer: Answer, note: Note) -> None:
        deadline = time.monotonic() + longest
        for byte in answer.head() + answer.body:
            wire.send(bytes([byte]))
            if time.monotonic() > deadline or wire.wait_until_gone(pause):
                raise Gone
        wire.hang_up()

    return deliver


def raw(data: bytes) -> Delivery:
    """Send exactly `data`, whatever it is, and close."""

    def deliver(wire: Wire, answer: Answer, note: Note) -> None:
        wire.send(data)
        wire.hang_up()

    return deliver
