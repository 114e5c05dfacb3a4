"""One HTTP exchange with a total deadline and a bounded body; it does not know what Fivetran's answers mean."""

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

CHUNK = 64 * 1024
IDLE_SECONDS = 3600.0  # how long the watchdog sleeps while nothing runs; any call wakes it


def boottime() -> float:
    """Seconds on a clock that nobody sets and that counts the time a machine is suspended, where the system has one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class TooLate(Exception):  # noqa: N818
    pass


class TunnelFailed(OSError):  # noqa: N818
    """The proxy opened no tunnel: no byte of the request was sent to Fivetran."""


# A socket's timeout bounds only the gap between two bytes: an answer that sends one byte a second never meets it. So a
# watchdog shuts down the sockets of a call that outlasts its deadline, in the handshake, the headers or the body.
class Deadline:
    """The end of one call at a time: `running()` around the call, `watch()` for each socket it opens."""

    def __init__(self) -> None:
        self.passed = False
        self.ends_at = 0.0  # by time.monotonic()
        self._give_up_at: float | None = None
        self._lock = threading.Lock()
        self._twins: list[socket.socket] = []

    @contextmanager
    def running(self, seconds: float, give_up_at: float | None = None) -> Iterator[None]:
        """Nothing is sent once `boottime()` is past `give_up_at`."""
        self.passed, self._give_up_at = False, give_up_at
        self.ends_at = time.monotonic() + seconds
        token = _current.set(self)
        _watchdog.watch(self)
        try:
            yield
        finally:
            _watchdog.leave(self)
            self._forget()
            _current.reset(token)

    def watch(self, connected: socket.socket) -> None:
        """Raises TooLate when the deadline has passed."""
        # A second descriptor of the same connection: wrapping a socket in TLS takes the first one away from its object,
        # and an object in use by the calling thread is not ours to touch.
        twin = socket.socket(fileno=os.dup(connected.fileno()))
        with self._lock:
            self._twins.append(twin)
        self.check()  # it may have passed while the socket was opened

    def check(self) -> None:
        """Raises TooLate when nothing may be sent any more."""
        if self.passed or (self._give_up_at is not None and boottime() > self._give_up_at):
            raise TooLate

    def end(self) -> None:
        with self._lock:  # the calling thread may be using the sockets: a shutdown is safe, a close is not
            self.passed = True
            for twin in self._twins:
                with suppress(OSError):  # closed by the other side already
                    twin.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        with self._lock:
            for twin in self._twins:
                twin.close()
            self._twins.clear()


# One thread for the deadlines of all calls of the process: a timer for each was a fifth of a worker's processor time,
# and half of its threads.
class _Watchdog:
    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        # In a forked child there is no thread, and nobody to release a lock that was held.
        self._running: set[Deadline] = set()
        self._changed = threading.Condition()
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None

    def watch(self, deadline: Deadline) -> None:
        with self._changed:
            self._running.add(deadline)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="fivetran-deadlines", daemon=True)
                self._thread.start()
            elif deadline.ends_at < self._wakes_at:
                self._changed.notify()

    def leave(self, deadline: Deadline) -> None:
        """Returns when `deadline` is certainly not ended any more: its next call will have new sockets."""
        with self._changed:
            self._running.discard(deadline)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for deadline in [each for each in self._running if each.ends_at <= now]:
                    self._running.discard(deadline)
                    deadline.end()
                self._wakes_at = min((each.ends_at for each in self._running), default=now + IDLE_SECONDS)
                self._changed.wait(self._wakes_at - now)


_watchdog = _Watchdog()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_watchdog.start_afresh)

# urllib3 makes its connections itself, in the thread of the call: this is how they find the deadline they are under.
_current: ContextVar[Deadline] = ContextVar("deadline")


class _Watched(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        try:
            _current.get().watch(connected)
        except Exception:
            connected.close()
            raise
        return connected

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
        except Exception as error:
            raise TunnelFailed(str(error)) from error

    def request(self, *args: Any, **kwargs: Any) -> None:
        # Connecting may have taken seconds, so the last look at the clock comes between that and the first byte.
        if self.sock is None:
            self.connect()
        _current.get().watch(self.sock)
        super().request(*args, **kwargs)


class _WatchedTLS(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLS


_POOLS = {"http": _Pool, "https": _PoolTLS}


class Wire(HTTPAdapter):
    """An adapter with a deadline. Without a session there are no redirects, cookies or settings of the environment."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self.deadline = Deadline()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


@dataclass(frozen=True)
class Timing:
    """Seconds; after `give_up_at` (`boottime()`) nothing is sent."""

    connect: float
    read: float  # between two bytes
    total: float
    give_up_at: float | None = None


@dataclass(frozen=True)
class Reply:
    """`body` is None where it was over the cap, or packed though we asked for it plain."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


def exchange(
    wire: Wire, request: requests.Request, timing: Timing, *, cap: int, proxies: dict[str, str], verify: bool | str
) -> Reply:
    """Sends `request` once and reads at most `cap` bytes of the answer.

    Raises whatever requests, urllib3 or the socket raise, and TooLate.
    """
    prepared = request.prepare()
    with wire.deadline.running(timing.total, timing.give_up_at):
        response = wire.send(
            prepared,
            stream=True,
            timeout=(timing.connect, timing.read),
            proxies=proxies,
            verify=verify,
        )
        try:
            return Reply(response.status_code, response.headers, read_body(response, cap))
        finally:
            response.close()


def read_body(response: requests.Response, cap: int) -> bytes | None:
    # Never unpacked: 200 KB of gzip can hold 200 MB.
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return None
    body = bytearray()
    while chunk := response.raw.read(CHUNK, decode_content=False):
        body += chunk
        if len(body) > cap:
            return None
    return bytes(body)
