"""A server that says exactly the bytes it is told to, over a real socket on the loopback address."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

from connections.fivetran.client import FivetranClient

# What the server does with a connection after reading a request; True keeps the connection for the next one.
Say = Callable[[socket.socket, bytes], bool | None]


def reply(status: int, body: object = b"", *headers: str) -> bytes:
    """A whole HTTP answer; `body` as bytes or as a value to write as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Some Words", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + content


def refusal(status: int, code: str = "InvalidInput", message: str = "Some reason", *headers: str) -> bytes:
    return reply(status, {"code": code, "message": message}, *headers)


def created(**data: Any) -> bytes:
    return reply(201, {"code": "Success", "message": "Created", "data": {"id": "speak_inexpensive", **data}})


class RawServer:
    """`requests` holds what was read of each request, `connections` how many were accepted."""

    def __init__(self, say: bytes | Say, tls: ssl.SSLContext | None = None, reads: bool = True) -> None:
        self.say, self.tls, self.reads = say, tls, reads
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            if self.tls:
                connection = stack.enter_context(self.tls.wrap_socket(connection, server_side=True))
                self._open.append(connection)
            while True:
                request = self._read(connection) if self.reads else b""
                if self.reads and not request:
                    return
                self.requests.append(request)
                if isinstance(self.say, bytes):
                    connection.sendall(self.say)
                    return
                if not self.say(connection, request):
                    return

    def _read(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return data
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            more = connection.recv(65536)
            if not more:
                break
            body += more
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(5)
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)


@contextlib.contextmanager
def serving(say: bytes | Say, tls: ssl.SSLContext | None = None, reads: bool = True) -> Iterator[RawServer]:
    server = RawServer(say, tls, reads)
    try:
        yield server
    finally:
        server.close()


def reset(connection: socket.socket) -> None:
    """Ends a connection with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def client_for(url: str, **options: Any) -> FivetranClient:
    times = {"connect_timeout": 2.0, "read_timeout": 5.0, "create_read_timeout": 5.0, "create_deadline": 10.0}
    return FivetranClient(url, lambda: ("the-key-canary", "the-secret-canary"), **{**times, **options})
