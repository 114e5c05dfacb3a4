"""Clients that take their time: each is a socket that a test opens, feeds and watches."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


def connect(address: str, source: str = "127.0.0.1", *, window: int = 0) -> socket.socket:
    """A connection to the host and port of `address` from another address of this machine."""
    where = urlsplit(address)
    client = socket.socket()
    if window:  # has to be said before the connection is made
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    client.bind((source, 0))
    client.settimeout(30)
    client.connect((where.hostname, where.port))
    return client


def closed_after(client: socket.socket, patience: float, drip: bytes = b"") -> tuple[float, bytes]:
    """Seconds until the other side closed, `drip` sent four times a second meanwhile, and what it had said."""
    started, said = time.monotonic(), b""
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - started < patience:
            if drip:
                client.send(drip)
            if select.select([client], [], [], 0.25)[0]:
                piece = client.recv(65536)
                said += piece
                if not piece:
                    return time.monotonic() - started, said
        raise AssertionError(f"still open after {patience:.0f} s")
    return time.monotonic() - started, said


@dataclass
class Crowd:
    """Connections that are kept up: one that is closed is opened anew."""

    opened: int = 0
    over: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def crowd(address: str, count: int, beginnings: list[bytes], source: str, wrap: object = None) -> Iterator[Crowd]:
    """`count` slow connections at a time, with these beginnings in turn, each dripping a byte a second."""
    kept = Crowd()
    clients: list[socket.socket] = []

    def open_one() -> None:
        client = connect(address, source)
        if wrap is not None:
            client = wrap(client)  # type: ignore[operator]
        client.sendall(beginnings[kept.opened % len(beginnings)])
        kept.opened += 1
        clients.append(client)

    def keep_up() -> None:
        while not kept.over.wait(1.0):
            for client in list(clients):
                try:
                    client.send(b"a")
                    if select.select([client], [], [], 0)[0] and not client.recv(65536):
                        raise ConnectionError
                except OSError:
                    client.close()
                    clients.remove(client)
            while len(clients) < count and not kept.over.is_set():
                try:
                    open_one()
                except OSError:
                    break

    for _ in range(count):
        open_one()
    thread = threading.Thread(target=keep_up)
    thread.start()
    try:
        yield kept
    finally:
        kept.over.set()
        thread.join()
        for client in clients:
            client.close()
