"""The web process: gunicorn's threads, which get only whole requests and never wait for a reader."""

import errno
import io
import selectors
import socket
import struct
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from gunicorn.http import get_parser
from gunicorn.workers.gthread import TConn, ThreadWorker

from portal.incoming import IncomingRequest, State

# In gunicorn's own `gthread` a thread reads the request and writes the answer, so eight unfinished requests hold eight
# threads for as long as a stranger likes, and its main loop waits up to two seconds for a client to close. Here the
# main loop does all the waiting, for every connection at once, and nothing waits for more than SECONDS.
SECONDS = 10.0  # for a request to arrive from its first byte on, and for an answer to be taken
LINGER_SECONDS = 2.0  # for the other side to close; also what is left to everybody when the process is told to end
LINGER_BYTES = 4 * 1024 * 1024
ANSWER_KEPT = 1024 * 1024  # bytes of an answer that wait for their reader without holding a thread
ALL_KEPT = 32 * 1024 * 1024  # bytes of all requests and answers that wait
KERNEL_KEPT = 128 * 1024
PIECE = 64 * 1024

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_SLOW_TEXT = b"The request did not arrive within 10 seconds. Nothing was stored. Please try again.\n"
TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_TOO_SLOW_TEXT), _TOO_SLOW_TEXT)
)


class PatientSocket(socket.socket):
    """A connection that keeps up to ANSWER_KEPT bytes which its reader does not take yet."""

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(fileno=accepted.detach())
        self.unsent = bytearray()
        # What the kernel keeps it delivers even after a close: left alone that grows to 4 MB for a reader who stops.
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_KEPT)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Sends what goes at once and keeps the rest; waits only where more than ANSWER_KEPT is left.

        Raises ConnectionResetError where the reader does not take that within SECONDS.
        """
        self.unsent += data
        self.flush()
        # An answer may be long, but a reader of less than 100 kB a second must not hold a thread.
        if len(self.unsent) > ANSWER_KEPT:
            self._wait_for_reader(time.monotonic() + SECONDS)

    def flush(self) -> None:
        while self.unsent:
            try:
                sent = self.send(self.unsent, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            del self.unsent[:sent]

    def _wait_for_reader(self, ends_at: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_WRITE)
            while self.unsent:
                left = ends_at - time.monotonic()
                if left <= 0 or not selector.select(left):
                    self.abort()
                    raise ConnectionResetError(errno.ECONNRESET, "the reader is too slow")
                self.flush()

    def abort(self) -> None:
        """Makes the next close() drop what the reader did not take."""
        self.unsent.clear()  # and with SO_LINGER 0 the kernel does not keep it either
        with suppress(OSError):
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass(frozen=True)
class Wait:
    """What the main loop waits for at one connection, until when, and the bytes that are kept meanwhile."""

    step: Any
    ends_at: float
    kept: bytes | bytearray = b""


class BufferingWorker(ThreadWorker):
    """`worker_class` of gunicorn.conf.py. A connection receives, is handled, sends, and then is kept or closed."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        if cfg.is_ssl:
            raise SystemExit("The portal's web process does not speak TLS: put a proxy in front (docs/nginx.conf).")
        super().check_config(cfg, log)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waits: dict[TConn, Wait] = {}

    def load_wsgi(self) -> None:
        # Django reads only bodies that have a length: those that came in chunks get one.
        super().load_wsgi()
        application: Any = self.wsgi  # type: ignore[has-type]

        def with_length(environ: dict[str, Any], start_response: Any) -> Any:
            if "HTTP_TRANSFER_ENCODING" in environ:
                body = environ["wsgi.input"].read()
                environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
            return application(environ, start_response)

        self.wsgi = with_length

    # --- receiving -----------------------------------------------------------------------------------------------
    def enqueue_req(self, conn: TConn) -> None:
        """Receive the next request of `conn`, a new connection or a kept one; then let a thread handle it."""
        if not isinstance(conn.sock, PatientSocket):
            conn.sock = PatientSocket(conn.sock)
        conn.sock.setblocking(False)
        read_ahead = conn.parser.unreader.take_buffered() if conn.parser else b""
        conn.incoming = IncomingRequest(settings.REQUEST_BODY_LIMIT, read_ahead)
        self._wait(conn, selectors.EVENT_READ, self._receive, SECONDS, conn.incoming.data)
        if read_ahead:
            self._look(conn)

    def _receive(self, conn: TConn) -> None:
        piece = self._read(conn)
        if piece:
            conn.incoming.data += piece
            self._look(conn)

    def _look(self, conn: TConn) -> None:
        incoming = conn.incoming
        state = incoming.state()
        if state is State.PARTIAL:
            if incoming.waits_for_continue:
                incoming.waits_for_continue = False
                conn.sock.sendall(CONTINUE)
            return
        data = incoming.without_body() if state is State.TOO_LARGE else bytes(incoming.data)
        self._stop_waiting(conn)
        del conn.incoming
        # The parser reads these bytes, not the socket: whatever they say, no thread waits for more.
        conn.parser, conn.initialized = get_parser(self.cfg, [data], conn.client), True
        super().enqueue_req(conn)

    # --- sending -------------------------------------------------------------------------------------------------
    def finish_request(self, conn: TConn, fs: "Future[bool]") -> None:
        """Send what a thread left of its answer, then keep the connection or close it."""
        conn.handled = fs
        if conn.sock.unsent:
            self._wait(conn, selectors.EVENT_WRITE, self._send, SECONDS, conn.sock.unsent)
        else:
            self._sent(conn)

    def _send(self, conn: TConn) -> None:
        try:
            conn.sock.flush()
        except OSError:
            self._end(conn)
            return
        if not conn.sock.unsent:
            self._stop_waiting(conn)
            self._sent(conn)

    def _sent(self, conn: TConn) -> None:
        if not conn.handled.cancelled() and conn.handled.result():
            super().finish_request(conn, conn.handled)
            return
        self._linger(conn)

    def _linger(self, conn: TConn) -> None:
        # Close only the direction of the answer and read what still comes: else the other side may lose the answer
        # (RFC 9112, 9.6).
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            conn.to_discard = LINGER_BYTES
            self._wait(conn, selectors.EVENT_READ, self._discard, LINGER_SECONDS)
        except (OSError, ValueError):  # closed by the other side, or by gunicorn after an error
            self._end(conn)

    def _discard(self, conn: TConn) -> None:
        conn.to_discard -= len(self._read(conn))
        if conn.to_discard <= 0 and conn in self.waits:
            self._end(conn)

    # --- waiting -------------------------------------------------------------------------------------------------
    def _wait(self, conn: TConn, event: int, step: Any, seconds: float, kept: bytes | bytearray = b"") -> None:
        self.poller.register(conn.sock, event, lambda _socket: step(conn))
        self.waits[conn] = Wait(step, time.monotonic() + seconds, kept)

    def _stop_waiting(self, conn: TConn) -> None:
        if self.waits.pop(conn, None):
            self.poller.unregister(conn.sock)

    def _read(self, conn: TConn) -> bytes:
        try:
            piece: bytes = conn.sock.recv(PIECE)
        except BlockingIOError:
            return b""
        except OSError:
            piece = b""
        if not piece:  # the other side has closed
            self._end(conn)
        return piece

    def _end(self, conn: TConn) -> None:
        self._stop_waiting(conn)
        self.nr_conns -= 1
        conn.close()

    def _give_up(self, conn: TConn) -> None:
        step = self.waits[conn].step
        if step == self._receive and conn.incoming.data:
            self._stop_waiting(conn)
            with suppress(OSError):
                conn.sock.sendall(TOO_SLOW)
            self._linger(conn)
            return
        if step == self._send:
            conn.sock.abort()
        self._end(conn)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        # Wait no longer than until the next wait is over.
        nearest = min((wait.ends_at for wait in self.waits.values()), default=float("inf"))
        super().wait_for_and_dispatch_events(min(timeout, max(nearest - time.monotonic(), 0)))

    def murder_pending(self) -> None:
        """End the waits that are over and, where too many bytes are kept, the oldest waits."""
        # When the process is told to end, everybody has only LINGER_SECONDS left.
        now = time.monotonic() + (0 if self.alive else SECONDS - LINGER_SECONDS)
        for conn in [conn for conn, wait in self.waits.items() if wait.ends_at <= now]:
            self._give_up(conn)
        excess = sum(len(wait.kept) for wait in self.waits.values()) - ALL_KEPT
        while excess > 0:
            conn = next(iter(self.waits))
            excess -= len(self.waits[conn].kept)
            self._give_up(conn)
