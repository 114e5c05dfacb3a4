"""The client of Fivetran's REST API (https://fivetran.com/docs/rest-api), a method for each call the portal makes.

Every method returns a usable answer or raises one of the five errors of `errors.py`; ValueError and TypeError come before
anything is sent and mean that the caller asked for nonsense. Callers whose tracebacks are shown to somebody should be
`sensitive_variables()`: arguments are in the frames.
"""

import base64
import ipaddress
import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from .answers import Answer, Usable, judge_failure, judge_reply
from .errors import FivetranError, NotSent, Unauthorized, Unknown
from .transport import Timing, Wire, boottime, exchange

__all__ = ["Answer", "FivetranClient", "boottime"]

IDENTIFIER = re.compile(r"[A-Za-z0-9_]+")
SERVICE = re.compile(r"[a-z0-9_]+")

# A created connection with all its setup tests takes some 10 KB.
POST_BODY_CAP = 1024 * 1024
# A page of a list is larger by nature: 16 KB for each of 500 items, and yet little memory should it be hostile.
GET_BODY_CAP = 8 * 1024 * 1024
PAGE_SIZE = 500
MAX_PAGES = 200
GET_TRIES = 3
GET_REPEATED_STATUSES = frozenset({500, 502, 503, 504})
CURSOR_LENGTH = 4_096


class FivetranClient:
    """Calls Fivetran's API under `base_url` (without /v1) with the key pair that `credentials()` gives at each call.

    All times in seconds: `connect_timeout` and `read_timeout` (between two bytes) for every call, `get_deadline` for a
    GET with its repetitions and for a short POST as a whole; `create_read_timeout` and `create_deadline` for the two
    calls that run setup tests, which may take over ten minutes. `proxy_url` is used for https only: through plain http
    the proxy would see the key. `ca_bundle` is a file or folder of certificates to trust instead of certifi's. Nothing
    is taken from the environment, neither proxies nor .netrc. An instance may be shared by threads and survives a fork.

    Raises ValueError for an address that the key must not be sent to.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Callable[[], tuple[str, str]],
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        create_read_timeout: float = 900.0,
        create_deadline: float = 930.0,
        get_deadline: float = 60.0,
        proxy_url: str = "",
        ca_bundle: str = "",
    ) -> None:
        self.base_url = _checked_root(base_url)
        self._credentials = credentials
        self._timing = Timing(connect_timeout, read_timeout, get_deadline)
        self._slow = Timing(connect_timeout, create_read_timeout, create_deadline)
        self._proxies = {"https": _checked_proxy(proxy_url)} if proxy_url else {}
        if ca_bundle and not Path(ca_bundle).exists():
            raise ValueError(f"There is no file with certificates at {ca_bundle}.")
        self._verify: bool | str = ca_bundle or True
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"<FivetranClient {self.base_url}>"

    # --- connections

    def create_connection(self, body: Mapping[str, Any], *, give_up_at: float | None = None) -> Answer:
        """POST /v1/connections, sent at most once on a connection of its own.

        Not sent at all (NotSent) when `boottime()` is past `give_up_at` at the moment before the first byte. The
        answer's `data["id"]` is a usable id; an answer without one is Unknown. Failed setup tests are an Answer like any other.
        """
        timing = Timing(self._slow.connect, self._slow.read, self._slow.total, give_up_at)
        return self._post("/connections", body, lambda data: _is_identifier(data.get("id")), timing)

    def run_setup_tests(
        self, connection_id: str, *, trust_certificates: bool = False, trust_fingerprints: bool = False
    ) -> Answer:
        """POST /v1/connections/{id}/test; lasts as long as the tests do. May be repeated, but is not by this client."""
        body = {"trust_certificates": bool(trust_certificates), "trust_fingerprints": bool(trust_fingerprints)}
        path = f"/connections/{_identifier(connection_id)}/test"
        return self._post(path, body, lambda data: data.get("id", connection_id) == connection_id, self._slow)

    def find_connections(self, group_id: str, schema: str) -> list[dict[str, Any]]:
        """Every connection of that exact name in the group (GET /v1/connections), as the server filtered them."""
        if not group_id or not schema:
            raise ValueError("Without a group and a name the list would be that of all connections.")
        return self._items("/connections", {"group_id": group_id, "schema": schema})

    def get_connection(self, connection_id: str) -> Answer:
        """GET /v1/connections/{id}; Refused with status 404 when it is gone."""
        path = f"/connections/{_identifier(connection_id)}"
        return self._get(path, {}, lambda data: data.get("id") == connection_id)

    def mint_connect_card(self, connection_id: str, redirect_uri: str, hide_setup_guide: bool = False) -> Answer:
        """POST /v1/connections/{id}/connect-card; `data["connect_card"]["uri"]` is a credential that lives one day."""
        config = {"redirect_uri": redirect_uri, "hide_setup_guide": bool(hide_setup_guide)}
        path = f"/connections/{_identifier(connection_id)}/connect-card"
        return self._post(path, {"connect_card_config": config}, _has_card, self._timing)

    def list_certificates(self, connection_id: str) -> list[dict[str, Any]]:
        """GET /v1/connections/{id}/certificates: those approved."""
        return self._items(f"/connections/{_identifier(connection_id)}/certificates")

    def approve_certificate(self, connection_id: str, hash: str, encoded_cert: str) -> Answer:
        """POST /v1/connections/{id}/certificates, with the two values from the details of the failed setup test."""
        path = f"/connections/{_identifier(connection_id)}/certificates"
        return self._post(path, {"hash": hash, "encoded_cert": encoded_cert}, _anything, self._timing)

    def list_fingerprints(self, connection_id: str) -> list[dict[str, Any]]:
        """GET /v1/connections/{id}/fingerprints: those approved."""
        return self._items(f"/connections/{_identifier(connection_id)}/fingerprints")

    def approve_fingerprint(self, connection_id: str, hash: str, public_key: str) -> Answer:
        """POST /v1/connections/{id}/fingerprints, with the two values from the details of the failed setup test."""
        path = f"/connections/{_identifier(connection_id)}/fingerprints"
        return self._post(path, {"hash": hash, "public_key": public_key}, _anything, self._timing)

    # --- the account and what it offers

    def get_account(self) -> Answer:
        """GET /v1/account/info; `data["account_id"]` is text."""
        return self._get(
            "/account/info", {}, lambda data: bool(data.get("account_id")) and _is_text(data["account_id"])
        )

    def probe(self) -> None:
        """Asks for one group, to learn whether Fivetran answers and takes the key."""
        self._get("/groups", {"limit": "1"}, _has_items)

    def list_groups(self) -> list[dict[str, Any]]:
        """GET /v1/groups."""
        return self._items("/groups")

    def list_destinations(self) -> list[dict[str, Any]]:
        """GET /v1/destinations."""
        return self._items("/destinations")

    def list_private_links(self) -> list[dict[str, Any]]:
        """GET /v1/private-links."""
        return self._items("/private-links")

    def list_proxies(self) -> list[dict[str, Any]]:
        """GET /v1/proxy: the proxy agents."""
        return self._items("/proxy")

    def list_hybrid_agents(self) -> list[dict[str, Any]]:
        """GET /v1/hybrid-deployment-agents."""
        return self._items("/hybrid-deployment-agents")

    def list_connector_types(self) -> list[dict[str, Any]]:
        """GET /v1/metadata/connector-types: every service, without its configuration."""
        return self._items("/metadata/connector-types")

    def get_connector_type(self, service: str) -> Answer:
        """GET /v1/metadata/connector-types/{service}: one service with its configuration."""
        if not SERVICE.fullmatch(service):
            raise ValueError("Not the name of a service.")
        return self._get(f"/metadata/connector-types/{service}", {}, _anything)

    # --- one call

    def _post(self, path: str, body: Mapping[str, Any], usable: Usable, timing: Timing) -> Answer:
        # Encoded here, so that a value that is not JSON is the caller's TypeError or ValueError, not an open outcome.
        content = json.dumps(body, allow_nan=False).encode()
        request = requests.Request(
            "POST", f"{self.base_url}/v1{path}", data=content, headers={"Content-Type": "application/json"}
        )
        # A kept connection that the server drops just now fails like one dropped after reading: hence a fresh one.
        with Wire() as wire:
            ending = self._ending(wire, request, usable, timing, POST_BODY_CAP)
        if isinstance(ending, FivetranError):
            raise ending
        return ending

    def _get(self, path: str, params: Mapping[str, str], usable: Usable) -> Answer:
        # Not urllib3's Retry: between two tries that reads the whole body of a 5xx into memory, however long it is.
        until = boottime() + self._timing.total
        for repeats_left in reversed(range(GET_TRIES)):
            timing = Timing(self._timing.connect, self._timing.read, max(until - boottime(), 0.001))
            request = requests.Request("GET", f"{self.base_url}/v1{path}", params=dict(params))
            ending = self._ending(self._wire(), request, usable, timing, GET_BODY_CAP)
            if not isinstance(ending, FivetranError):
                return ending
            pause = random.uniform(0.1, 0.5) * 2 ** (GET_TRIES - 1 - repeats_left)  # noqa: S311
            if not repeats_left or not _worth_repeating(ending) or boottime() + pause >= until:
                raise ending
            time.sleep(pause)
        raise AssertionError("unreachable: the last try returns or raises")

    def _items(self, path: str, params: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """All items of a list, or an error: never a part of it."""
        items: list[dict[str, Any]] = []
        cursors: set[str] = set()
        query = {**(params or {}), "limit": str(PAGE_SIZE)}
        while True:
            answer = self._get(path, query, _has_items)
            items += answer.data["items"]
            cursor = answer.data.get("next_cursor")
            if not cursor:
                return items
            if cursor in cursors or len(cursors) + 1 >= MAX_PAGES:
                raise Unknown(
                    "The list does not end.",
                    status=answer.status,
                    request_id=answer.request_id,
                    duration_ms=answer.duration_ms,
                )
            cursors.add(cursor)
            query["cursor"] = cursor

    def _ending(
        self, wire: Wire, request: requests.Request, usable: Usable, timing: Timing, cap: int
    ) -> Answer | FivetranError:
        """How the call ended. Returned and not raised, so that no traceback leads to frames that hold the key."""
        started = boottime()
        try:
            key, secret = self._credentials()
            token = base64.b64encode(f"{key}:{secret}".encode()).decode()
        except Exception as failure:  # noqa: BLE001
            return Unauthorized(f"The API key could not be read ({type(failure).__name__}).")
        if not (key and secret):
            return Unauthorized("There is no API key.")
        secrets = (token, secret, key)
        request.headers = {
            **request.headers,
            "Accept": "application/json;version=2",
            "Accept-Encoding": "identity",
            "Authorization": f"Basic {token}",
        }
        try:
            reply = exchange(wire, request, timing, cap=cap, proxies=self._proxies, verify=self._verify)
        # Whatever goes wrong from here on, the request may be at Fivetran: only a proven cause says that it is not.
        except Exception as failure:  # noqa: BLE001
            return judge_failure(
                failure, secrets=secrets, expired=wire.deadline.passed, duration_ms=_milliseconds(started)
            )
        return judge_reply(
            reply, usable, secrets=secrets, expired=wire.deadline.passed, duration_ms=_milliseconds(started)
        )

    def _wire(self) -> Wire:
        """This thread's kept session; a new one after a fork, whose sockets would be shared with the parent."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.wire, self._local.pid = Wire(), os.getpid()
        wire: Wire = self._local.wire
        return wire


def _milliseconds(started: float) -> int:
    return round((boottime() - started) * 1000)


def _worth_repeating(error: FivetranError) -> bool:
    if isinstance(error, NotSent):
        return not error.certificate
    return isinstance(error, Unknown) and (error.status is None or error.status in GET_REPEATED_STATUSES)


def _identifier(value: str) -> str:
    if not _is_identifier(value):
        raise ValueError("Not an id of Fivetran's.")
    return value


def _is_identifier(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 255 and IDENTIFIER.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _anything(data: Mapping[str, Any]) -> bool:
    return True


def _has_card(data: Mapping[str, Any]) -> bool:
    card = data.get("connect_card")
    return isinstance(card, dict) and _is_text(card.get("uri"))


def _has_items(data: Mapping[str, Any]) -> bool:
    items, cursor = data.get("items"), data.get("next_cursor")
    cursor_fits = cursor is None or (isinstance(cursor, str) and len(cursor) <= CURSOR_LENGTH)
    return isinstance(items, list) and all(isinstance(item, dict) for item in items) and cursor_fits


def _checked_root(base_url: str) -> str:
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


def _checked_proxy(proxy_url: str) -> str:
    parts = urlsplit(proxy_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("The proxy must be an http(s) address.")
    return proxy_url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
