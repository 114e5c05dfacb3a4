"""Calls to the company's provider, for which a thread and a person wait."""

import socket
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Generic, TypeVar

import requests
import urllib3
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

PATIENCE = 5.0  # seconds for a call, its answer to the last byte included; and as many for a handshake of TLS
ASKED_EVERY = 5  # seconds, while somebody does not answer
LONGEST = 4 * 1024 * 1024  # bytes of an answer
T = TypeVar("T")


class Bounded(requests.Session):
    """Whatever the provider does, a call ends in time, follows no redirect and takes nothing from the environment; it
    goes by the proxy of SIGN_ON_PROXY_URL, where there is one.

    Raises requests.RequestException.
    """

    def __init__(self, certificates: str = "", patience: float = PATIENCE) -> None:
        super().__init__()
        self.trust_env = False  # neither a proxy nor a .netrc
        self.verify = certificates or True
        if settings.SIGN_ON_PROXY_URL:
            self.proxies = dict.fromkeys(("https", "http"), settings.SIGN_ON_PROXY_URL)
        self._patience = patience
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter())

    def request(self, method: str | bytes, url: str | bytes, *arguments: Any, **more: Any) -> requests.Response:
        until = time.monotonic() + self._patience
        timeout = urllib3.Timeout(total=self._patience)  # to connect, and for each part of the answer
        more |= {"timeout": timeout, "stream": True, "allow_redirects": False}
        try:
            answer = super().request(method, url, *arguments, **more)
            with answer, _cut_off(answer.raw.shutdown, until - time.monotonic()):
                found = _body(answer, until)
        except Exception as error:  # of requests, of urllib3, of sockets, of what cannot be sent
            if time.monotonic() > until:  # it was cut off here
                raise requests.ReadTimeout(f"no whole answer within {self._patience:g} seconds") from None
            if isinstance(error, requests.RequestException):
                raise
            raise requests.ConnectionError(error) from None  # as `content` would say it
        answer._content, answer._content_consumed = found, True  # type: ignore[attr-defined]  # as `content` stores it
        return answer


def _body(answer: requests.Response, until: float) -> bytes:
    found, part = b"", b" "
    while part:
        # `read1` returns with what has come; `content` would wait until its part is full.
        part = answer.raw.read1(64 * 1024, decode_content=True)
        found += part
        if len(found) > LONGEST:
            raise requests.ConnectionError(f"the answer is longer than {LONGEST} bytes")
        if time.monotonic() > until:  # also where it ended because it was cut off
            raise requests.ReadTimeout("the answer takes too long")
    return found


@contextmanager
def _cut_off(shutdown: Callable[[], None], seconds: float) -> Iterator[None]:
    """Where the block takes longer, its connection ends: a timeout alone begins anew with each byte that comes."""

    def end() -> None:
        with suppress(OSError, RuntimeError, ValueError):  # it has ended meanwhile
            shutdown()

    alarm = threading.Timer(max(seconds, 0), end)
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


class _Plain(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        with _cut_off(partial(self.sock.shutdown, socket.SHUT_RDWR), self.timeout or PATIENCE):
            return super().getresponse()


class _Tls(_Plain, HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        link: Any = self.sock
        if not hasattr(link, "shutdown"):  # by a proxy of https:// it is TLS within TLS
            link.shutdown = link.socket.shutdown


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Tls


_POOLS: dict[str, type[urllib3.HTTPConnectionPool]] = {"http": _PlainPool, "https": _TlsPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **more: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **more)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class Outage:
    """Remembers for some seconds that somebody does not answer, so that not every thread waits for it."""

    def __init__(self, seconds: float = ASKED_EVERY) -> None:
        self._seconds = seconds
        self._of: Hashable = None
        self._until = 0.0
        self._error: Exception = OSError()

    def check(self, whom: Hashable) -> None:
        """Raises the error with which it began."""
        if whom == self._of and time.monotonic() < self._until:
            raise self._error.with_traceback(None)

    def begins(self, whom: Hashable, error: Exception) -> None:
        # Not `error` itself: its frames hold the request and the session of whoever came upon it.
        self._error = type(error).__new__(type(error))
        self._error.args = (str(error),)
        self._error.__dict__.update(vars(error))
        self._until, self._of = time.monotonic() + self._seconds, whom


class Kept(Generic[T]):
    """What a provider says of itself, for some time: one thread asks anew, and while that fails the old one serves."""

    def __init__(self, seconds: float, asked_every: float = ASKED_EVERY) -> None:
        self._seconds, self._outage, self._lock = seconds, Outage(asked_every), threading.Lock()
        self.clear()

    def clear(self) -> None:
        self._source: Hashable = None
        self._found: T | None = None
        self._until = 0.0

    def get(self, source: Hashable, ask: Callable[[], T], fits: Callable[[T], bool] = lambda _found: True) -> T:
        """What `ask` returns for `source`, or raises; what does not fit is asked for at once."""
        known = self._found if source == self._source else None
        # Who comes while another one asks takes what is known; without that, there is something to wait for.
        if known is None or not fits(known):
            self._lock.acquire()
        elif not self._lock.acquire(blocking=False):
            return known
        try:
            return self._latest(source, ask, fits)
        finally:
            self._lock.release()

    def _latest(self, source: Hashable, ask: Callable[[], T], fits: Callable[[T], bool]) -> T:
        if source != self._source:
            self.clear()
        known = self._found
        if known is not None and fits(known) and time.monotonic() < self._until:
            return known
        try:
            self._outage.check(source)
            known = self._ask(source, ask)
        except Exception:
            if known is None or not fits(known):
                raise
        return known

    def _ask(self, source: Hashable, ask: Callable[[], T]) -> T:
        try:
            found = ask()
        except Exception as error:
            self._outage.begins(source, error)
            raise
        self._source, self._found, self._until = source, found, time.monotonic() + self._seconds
        return found
