"""Webhook deliveries: signed as Fivetran signs them, and sent to this machine only. One try each, unlike Fivetran,
which repeats a delivery for 24 hours and then switches the webhook off.
"""

import hashlib
import hmac
import json
import queue
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from .app import Sandbox

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PATIENCE = 5.0  # seconds for the receiver
MOST_WAITING = 10_000
TRIAL = {"id": "_connection_1", "service": "google_sheets", "schema": "test", "group_id": "_group_1"}


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        pass  # the redirect is the answer: a receiver on this machine could lead anywhere


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)


class Deliveries:
    """The deliveries of one sandbox, in order, by a thread of their own: no answer waits for a receiver."""

    def __init__(self, app: "Sandbox") -> None:
        self._app = app
        self._waiting: queue.Queue[tuple[dict[str, Any], bytes]] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._started = False

    def tell(self, event: str, doc: dict[str, Any], data: dict[str, Any] | None = None, **more: Any) -> None:
        """Deliver `event` of the connection `doc` to every webhook that wants it."""
        body = payload(event, doc, data, **more)
        for hook in self._app.state.items("webhooks"):
            wanted = event in hook["events"] and hook.get("group_id", doc["group_id"]) == doc["group_id"]
            if hook["active"] and wanted and is_here(hook["url"]):
                self._start()
                with suppress(queue.Full):
                    self._waiting.put_nowait((hook, body))

    def trial(self, hook: dict[str, Any], event: str = "sync_end") -> tuple[bool, int]:
        """Deliver `event` of a connection that does not exist, now; returns whether it was taken, and the status."""
        if not is_here(hook["url"]):
            return True, 200
        status = send(hook, payload(event, TRIAL, {"status": "SUCCESSFUL"}))
        return 200 <= status < 300, status

    def _start(self) -> None:
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            send(*self._waiting.get())


def payload(event: str, doc: dict[str, Any], data: dict[str, Any] | None = None, **more: Any) -> bytes:
    """The body of a delivery, with Fivetran's keys."""
    body = {
        "event": event,
        "created": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "connector_type": doc["service"],
        "connector_id": doc["id"],
        "connector_name": doc["schema"],
        **more,
        "destination_group_id": doc["group_id"],
        "data": data or {},
    }
    return json.dumps(body).encode()


def is_here(url: str) -> bool:
    """Whether the address is on this machine; the sandbox calls no other."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.hostname in LOOPBACK
    except ValueError:
        return False


def send(hook: dict[str, Any], body: bytes) -> int:
    """POST `body` with its signature; returns the status, 0 without an answer."""
    request = urllib.request.Request(hook["url"], body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310
    if hook.get("_secret"):
        # Upper-case hexadecimal, as seen in live deliveries.
        signature = hmac.new(hook["_secret"].encode(), body, hashlib.sha256).hexdigest().upper()
        request.add_header("X-Fivetran-Signature-256", signature)
    try:
        with _DIRECT.open(request, timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0
