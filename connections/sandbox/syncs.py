"""Simulated syncs: the first one some seconds after a connection was set up, others when they are requested."""

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from .clock import now

if TYPE_CHECKING:
    from .app import Sandbox

TICK = 0.25


def start(app: "Sandbox") -> None:
    """Watch for connections whose first sync is due, as long as the process lives."""
    threading.Thread(target=_watch, args=(app,), daemon=True).start()


def _watch(app: "Sandbox") -> None:
    while True:
        time.sleep(TICK)  # the clock of the pretended syncs, in a thread of its own
        if app.settings.first_sync_seconds > 0:
            for doc in app.state.list_connections():
                if waits(doc):
                    _go_on(app, doc)


def waits(doc: dict[str, Any]) -> bool:
    """Whether a connection is set up, not paused, and has never synced."""
    return doc["status"].get("setup_state") == "connected" and not doc.get("paused") and not doc.get("succeeded_at")


def _go_on(app: "Sandbox", doc: dict[str, Any]) -> None:
    seen = doc.get("_waiting_since")
    # A sync has three visible steps: scheduled, syncing from half of the time on, then done.
    if seen is None:
        app.state.alter_connection(doc["id"], lambda found: found.update(_waiting_since=time.time()))
    elif time.time() - seen >= app.settings.first_sync_seconds:
        run(app, doc["id"])
    elif doc["status"].get("sync_state") != "syncing" and time.time() - seen >= app.settings.first_sync_seconds / 2:
        app.state.alter_connection(doc["id"], lambda found: found["status"].update(sync_state="syncing"))


def run(app: "Sandbox", connection_id: str) -> None:
    """A whole sync that succeeds: no data is moved, but status, time and webhook are as after a real one."""
    doc = app.state.alter_connection(connection_id, lambda found: _done(found, now(app)))
    if doc:
        app.deliveries.tell("sync_end", doc, {"status": "SUCCESSFUL"}, sync_id=str(uuid.uuid4()))


def _done(doc: dict[str, Any], ended: str) -> None:
    doc["succeeded_at"] = ended
    doc["status"] |= {"sync_state": "paused" if doc.get("paused") else "scheduled", "is_historical_sync": False}
