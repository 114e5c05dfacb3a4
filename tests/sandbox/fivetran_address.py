"""api.fivetran.com on this machine, for programs that know no other address: a proxy that they find in their
environment (HTTPS_PROXY) leads that one name to the sandbox, under a certificate of its own, and no other anywhere.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import trustme

HOST = "api.fivetran.com"


@dataclass
class Address:
    """What a program is told by its environment, and which other hosts it asked for in vain."""

    environment: Mapping[str, str]
    refused: list[str] = field(default_factory=list)


@contextlib.contextmanager
def fivetran_address(sandbox: str, folder: Path) -> Iterator[Address]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(tls)
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy, authorities = f"http://127.0.0.1:{server.getsockname()[1]}", str(folder / "authority.pem")
        told = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), proxy)
        found = Address(told | dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), authorities))
        threading.Thread(target=_serve, args=(server, tls, sandbox, found.refused), daemon=True).start()
        yield found
        server.shutdown(socket.SHUT_RDWR)  # closing alone would leave the thread waiting


def _serve(server: socket.socket, tls: ssl.SSLContext, sandbox: str, refused: list[str]) -> None:
    while True:
        try:
            caller, _ = server.accept()
        except OSError:  # closed: the test is over
            return
        threading.Thread(target=_answer, args=(caller, tls, sandbox, refused), daemon=True).start()


def _answer(caller: socket.socket, tls: ssl.SSLContext, sandbox: str, refused: list[str]) -> None:
    with contextlib.suppress(OSError), caller:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (byte := caller.recv(1)):
            head += byte
        asked = head.partition(b"\r\n")[0].decode(errors="replace")
        if not asked.startswith(f"CONNECT {HOST}:443 "):
            refused.append(asked)
            caller.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        caller.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        place = urlsplit(sandbox)
        with (
            tls.wrap_socket(caller, server_side=True) as inner,
            socket.create_connection((place.hostname or "", place.port or 80)) as outer,
        ):
            back = threading.Thread(target=_copy, args=(outer, inner), daemon=True)
            back.start()
            _copy(inner, outer)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Until that side says no more, which the other side is told."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(65_536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
