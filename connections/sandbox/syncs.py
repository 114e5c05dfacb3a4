"""Simulated syncs: the first one some seconds after a connection was set up, others when they are requested."""

import random
import threading
import time
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .calls import Call, invalid
from .clock import now

if TYPE_CHECKING:
    from .app import Sandbox

TICK = 0.25
KEPT = 40  # syncs of a connection


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
    doc["_syncs"] = [*_until(doc, datetime.fromisoformat(ended)), *doc.get("_syncs", ())][:KEPT]
    if failed := [one["end"] for one in doc["_syncs"] if one["status"] == "FAILURE"]:
        doc["failed_at"] = failed[0]
    doc["succeeded_at"] = ended
    doc["status"] |= {"sync_state": "paused" if doc.get("paused") else "scheduled", "is_historical_sync": False}


def _until(doc: dict[str, Any], end: datetime) -> list[dict[str, Any]]:
    """The sync that ends now, and before it those that were due since the last one, of which some fail."""
    dice = random.Random(f"{doc['id']} {len(doc.get('_syncs', ()))}")  # noqa: S311  # no secret
    last, usual = datetime.fromisoformat(doc.get("succeeded_at") or doc["created_at"]), dice.randrange(60, 600)
    found: list[dict[str, Any]] = []
    while end > last and len(found) < (KEPT if doc.get("succeeded_at") else 1):
        start = max(last, end - timedelta(seconds=usual * dice.uniform(0.7, 1.5)))
        failed = bool(found) and dice.random() < 0.05
        times = {"start": start.isoformat(), "end": end.isoformat()}
        ended = {"status": "FAILURE", "reason": "The source did not answer."} if failed else {"status": "COMPLETED"}
        found.append({"sync_id": str(uuid.UUID(int=dice.getrandbits(128))), **times, **ended})
        end -= timedelta(minutes=doc["sync_frequency"])
    return found


def history(call: Call, doc: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that began in the span that is asked for, newest first; without `start_time` in its last hour."""
    hour, query = timedelta(hours=1), call.query
    try:
        given = {name: datetime.fromisoformat(query[name]) for name in ("start_time", "end_time") if query.get(name)}
        end = given.get("end_time") or given.get("start_time", datetime.fromisoformat(now(call.app)) - hour) + hour
        start = given.get("start_time") or end - hour
        if not start < end <= start + timedelta(days=7):
            raise invalid("Time range must be at most 7 days, and its start before its end")
        known = [(datetime.fromisoformat(one["start"]), one) for one in doc.get("_syncs", ())]
        return [{**one, "stages": {}} for began, one in known if start <= began <= end]
    except (ValueError, TypeError):
        raise invalid("Invalid time range") from None
