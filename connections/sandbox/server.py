"""HTTP/1.1 over sockets of our own: reading calls, sending answers, noting the phases of both in the journal."""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import packages
from .app import Sandbox
from .calls import ApiError, Call
from .journal import Entry
from .wire import Answer, Gone, Wire

LARGEST_BODY = 1024 * 1024
LARGEST_UPLOAD = 64 * 1024 * 1024  # a package of the connector SDK, of which a digest is kept
JOURNALED = ("/v1/", "/public/", "/connect-card/", "/_sandbox/elsewhere")


class Server(ThreadingHTTPServer):
    """The sandbox on a loopback port; one thread a connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, app: Sandbox, port: int = 0) -> None:
        """Port 0 takes a free port. OSError when the port is in use."""
        self.app = app
        super().__init__(("127.0.0.1", port), Handler)
        app.root = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that leaves is no error, and one of our own was answered already


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 300
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.accepted = time.monotonic()
        super().setup()

    def serve(self) -> None:
        app = self.server.app
        entry = app.journal.open(self.accepted) if self.path.startswith(JOURNALED) else Entry(0, self.accepted)
        entry.facts |= {"method": self.command, "path": self.path.partition("?")[0]}
        wire = Wire(self.connection)
        try:
            app.holds.reached("headers", entry, app.settings.hold_seconds)
            try:
                raw = self._body()
                call = Call(app, self.command, self.path, self.headers, raw, entry)
                call.reached("body")
                answer = app.answer(call)
            except ApiError as error:
                answer = error.answer()
            self._send(wire, answer, entry)
        except (Gone, OSError):
            entry.note("gone")
            self.close_connection = True
        self.accepted = time.monotonic()

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = serve  # noqa: N815

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length") or "0"
        self.close_connection = self.close_connection or "Transfer-Encoding" in self.headers
        if "Transfer-Encoding" in self.headers:
            raise ApiError(411, "LengthRequired", "HTTP 411 Length Required")
        if not (length.isascii() and length.isdigit()):
            raise ApiError(400, "BadRequest", "Bad Content-Length")
        is_upload = (self.headers.get("Content-Type") or "").startswith(packages.UPLOAD)
        if int(length) > (LARGEST_UPLOAD if is_upload else LARGEST_BODY):
            self.close_connection = True
            raise ApiError(413, "PayloadTooLarge", "HTTP 413 Payload Too Large")
        # Fewer bytes than announced: the client left in the middle of its request.
        raw = self.rfile.read(int(length))
        if len(raw) < int(length):
            raise Gone
        return raw

    def _send(self, wire: Wire, answer: Answer, entry: Entry) -> None:
        app = self.server.app
        if answer.deliver:
            self.close_connection = True
            answer.deliver(wire, answer, entry.note)
            return
        if self.close_connection:
            answer.headers.setdefault("Connection", "close")
        message = answer.head() + (b"" if self.command == "HEAD" else answer.body)
        if app.holds.is_held("half", entry):
            half = len(message) // 2
            wire.send(message[:half])
            app.holds.reached("half", entry, app.settings.hold_seconds)
            message = message[half:]
        wire.send(message)
        for chunk in answer.stream or ():
            wire.send(chunk)
        app.holds.reached("answered", entry, app.settings.hold_seconds)

    def log_message(self, format: str, *args: Any) -> None:
        pass  # the journal has it all
