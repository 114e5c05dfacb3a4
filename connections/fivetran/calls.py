"""How a call to Fivetran is made: key, headers, timing, repetition of GETs, paging. `client.py` has the endpoints."""

import base64
import ipaddress
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from . import rate_limit
from .answers import Answer, Usable, judge_failure, judge_reply
from .errors import FivetranError, NotSent, Unauthorized, Unknown
from .exchanges import Exchange
from .transport import Reply, Timing, Wire, boottime, exchange

# A created connection with all its setup tests takes some 10 KB.
POST_BODY_CAP = 1024 * 1024
# A page of a list is larger by nature: 16 KB for each of 500 items, and yet little memory should it be hostile.
GET_BODY_CAP = 8 * 1024 * 1024
PAGE_SIZE = 500
MAX_PAGES = 200
GET_TRIES = 3
GET_REPEATED_STATUSES = frozenset({500, 502, 503, 504})
CURSOR_LENGTH = 4_096
SHORTEST_SECRET = 6  # striking a shorter one out would only garble texts


class Caller:
    """Makes calls under `base_url` (without /v1) with the key pair that `credentials()` gives at each call.

    Raises ValueError for an address that must not get the key. An instance may be shared by threads and survives a
    fork.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Callable[[], tuple[str, str]],
        *,
        connect_timeout: float = 5.0,  # seconds, like all times here
        read_timeout: float = 30.0,  # between two bytes
        create_read_timeout: float = 900.0,  # of the two calls that run setup tests: these may take over ten minutes
        create_deadline: float = 930.0,
        get_deadline: float = 60.0,  # a GET with its repetitions, or a short POST
        proxy_url: str = "",
        ca_bundle: str = "",  # a file or folder of certificates
    ) -> None:
        self.base_url = checked_root(base_url)
        self._credentials = credentials
        self._quick = Timing(connect_timeout, read_timeout, get_deadline)
        self._slow = Timing(connect_timeout, create_read_timeout, create_deadline)
        if proxy_url and not ((proxy := urlsplit(proxy_url)).scheme in ("http", "https") and proxy.hostname):
            raise ValueError("The proxy must be an http(s) address.")
        # Not for http, where the proxy would see the key. Nothing else comes from the environment, not even .netrc.
        self._proxies = {"https": proxy_url} if proxy_url else {}
        if ca_bundle and not Path(ca_bundle).exists():
            raise ValueError(f"There is no file with certificates at {ca_bundle}.")
        self._verify: bool | str = ca_bundle or True
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}>"

    @contextmanager
    def heard(self) -> Iterator[list[Exchange]]:
        """All that this thread's calls say and hear within it, for people to read."""
        exchanges: list[Exchange] = []
        self._local.heard = exchanges
        try:
            yield exchanges
        finally:
            del self._local.heard

    @contextmanager
    def ending_by(self, until: float) -> Iterator[None]:
        """All that this thread reads within it, each page and each repetition, ends by `until` (`boottime()`)."""
        self._local.until = until
        try:
            yield
        finally:
            del self._local.until

    def _by(self, own: float) -> float:
        return min(own, getattr(self._local, "until", own))

    def _until(self, until: float) -> Timing:
        end = getattr(self._local, "until", None)
        return Timing(self._quick.connect, self._quick.read, max(until - boottime(), 0.001), end)

    def _post(self, path: str, body: Mapping[str, Any], usable: Usable, timing: Timing) -> Answer:
        return self._change("POST", path, body, usable, timing)

    def _change(self, method: str, path: str, body: Mapping[str, Any] | None, usable: Usable, timing: Timing) -> Answer:
        """A call that changes something, sent at most once; without `body` it has no content."""
        request = requests.Request(method, f"{self.base_url}/v1{path}")
        if body is not None:
            # Here, so that a value that is not JSON is the caller's TypeError or ValueError, not an open outcome.
            request.data = json.dumps(body, allow_nan=False).encode()
            request.headers = {"Content-Type": "application/json"}
        # A kept connection that the server drops just now fails like one dropped after reading: hence a fresh one.
        with closing(self._wire("changing")) as wire:
            ending = self._ending(wire, request, usable, timing, POST_BODY_CAP)
        if isinstance(ending, FivetranError):
            raise ending
        return ending

    def _get(self, path: str, params: Mapping[str, str], usable: Usable) -> Answer:
        # Not urllib3's Retry: between two tries that reads the whole body of a 5xx into memory, however long it is.
        until = self._by(boottime() + self._quick.total)
        for repeats_left in reversed(range(GET_TRIES)):
            request = requests.Request("GET", f"{self.base_url}/v1{path}", params=dict(params))
            ending = self._ending(self._wire("reading"), request, usable, self._until(until), GET_BODY_CAP)
            if not isinstance(ending, FivetranError):
                return ending
            pause = random.uniform(0.1, 0.5) * 2 ** (GET_TRIES - 1 - repeats_left)  # noqa: S311
            if not repeats_left or not is_worth_repeating(ending) or boottime() + pause >= until:
                raise ending
            time.sleep(pause)  # between tries of a GET, within the deadline of the call as a whole
        raise AssertionError("unreachable: the last try returns or raises")

    def _items(
        self, path: str, params: Mapping[str, str] | None = None, *, most_pages: int = MAX_PAGES
    ) -> list[dict[str, Any]]:
        """All items of a list, or an error: never a part of the list."""
        # A cursor that comes again, or too many pages, would keep the caller busy for ever.
        items: list[dict[str, Any]] = []
        cursors: set[str] = set()
        query = {**(params or {}), "limit": str(PAGE_SIZE)}
        while True:
            answer = self._get(path, query, has_items)
            items += answer.data["items"]
            cursor = answer.data.get("next_cursor")
            if not cursor:
                return items
            if cursor in cursors or len(cursors) + 1 >= most_pages:
                raise Unknown(
                    "The list does not end.",
                    status=answer.status,
                    request_id=answer.request_id,
                    duration_ms=answer.duration_ms,
                )
            cursors.add(cursor)
            query["cursor"] = cursor

    def _ending(
        self,
        wire: Wire,
        request: requests.Request,
        usable: Usable,
        timing: Timing,
        cap: int,
        opened: Callable[[Reply], Reply] = lambda reply: reply,
    ) -> Answer | FivetranError:
        # The ending is returned and not raised, so that no traceback leads to frames that hold the key.
        started = boottime()

        def milliseconds() -> int:
            return round((boottime() - started) * 1000)

        try:
            key, secret = self._credentials()
            token = base64.b64encode(f"{key}:{secret}".encode()).decode()
        except Exception as failure:  # noqa: BLE001
            return Unauthorized(f"The API key could not be read ({type(failure).__name__}).")
        if not (key and secret):
            return Unauthorized("There is no API key.")
        secrets = tuple(text for text in (token, secret, key) if len(text) >= SHORTEST_SECRET)
        headers = {
            **request.headers,
            "Accept": "application/json;version=2",
            "Accept-Encoding": "identity",
            "User-Agent": requests.utils.default_user_agent(),
            "Authorization": f"Basic {token}",
        }
        signed = requests.Request(request.method, request.url, headers, params=request.params, data=request.data)
        try:
            reply = exchange(wire, signed, timing, cap=cap, proxies=self._proxies, verify=self._verify)
        # Whatever goes wrong from here on, the request may be at Fivetran: only a proven cause says that it is not.
        except Exception as failure:  # noqa: BLE001
            failed = judge_failure(failure, secrets=secrets, expired=wire.deadline.passed, duration_ms=milliseconds())
            self._hear(Exchange.unanswered(request, failed))
            return failed
        rate_limit.note(self.base_url, reply.headers)
        self._hear(Exchange.answered(request, reply, milliseconds(), secrets))
        return judge_reply(
            opened(reply),
            usable,
            secrets=secrets,
            expired=wire.deadline.passed,
            duration_ms=milliseconds(),
            without_data=request.method == "DELETE",
        )

    def _hear(self, exchange: Exchange) -> None:
        if (heard := getattr(self._local, "heard", None)) is not None:
            heard.append(exchange)

    def _wire(self, what: str) -> Wire:
        # Two for each thread; new ones after a fork, whose sockets would be shared with the parent.
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.wires, self._local.pid = {"reading": Wire(), "changing": Wire()}, os.getpid()
        wire: Wire = self._local.wires[what]
        return wire


def is_worth_repeating(error: FivetranError) -> bool:
    if isinstance(error, NotSent):
        return not error.certificate
    return isinstance(error, Unknown) and (error.status is None or error.status in GET_REPEATED_STATUSES)


def has_items(data: Mapping[str, Any]) -> bool:
    """Whether `data` is a page of a list: objects only, and a cursor that is text or absent."""
    items, cursor = data.get("items"), data.get("next_cursor")
    cursor_fits = cursor is None or (isinstance(cursor, str) and len(cursor) <= CURSOR_LENGTH)
    return isinstance(items, list) and all(isinstance(item, dict) for item in items) and cursor_fits


def checked_root(base_url: str) -> str:
    """`base_url` without a slash at its end; ValueError unless it is https, or http to this machine itself."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("The API root must be an http(s) address, such as https://api.fivetran.com.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("The API root must not hold a user, a password, a query or a fragment.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("The API root must be https: over http only this machine itself gets the key.")
    root = base_url.rstrip("/")
    if root.endswith("/v1"):
        raise ValueError("The API root must be given without /v1.")
    return root


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
