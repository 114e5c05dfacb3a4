"""The sandbox's own addresses below /_sandbox: for tests and for people, without a key, on loopback only."""

import json
from typing import Any
from urllib.parse import urlsplit

from . import creation, syncs
from .calls import ApiError, Call, invalid
from .clock import now
from .connections import existing, shown
from .creation import first_status, new_id
from .wire import Answer

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _plain(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value, ensure_ascii=False, indent=1).encode())


def guard(call: Call) -> None:
    """Refuse callers that a web page sent: a foreign Host, or a body that a form could post."""
    host = urlsplit(f"//{call.headers.get('Host') or ''}").hostname
    if host not in LOOPBACK:
        raise ApiError(403, "Forbidden", "The sandbox's own addresses answer on loopback names only")
    kind = (call.headers.get("Content-Type") or "").split(";")[0].strip().lower()
    if call.raw and kind != "application/json":
        raise ApiError(415, "UnsupportedMediaType", "Send JSON")


def journal(call: Call) -> Answer:
    """Query: since, method, path. A list, oldest first."""
    since = call.query.get("since", "0")
    if not (since.isascii() and since.isdigit()):
        raise invalid("since must be a number")
    query = call.query
    return _plain(call.app.journal.shown(since=int(since), method=query.get("method", ""), path=query.get("path", "")))


def clear_journal(call: Call) -> Answer:
    call.app.journal.clear()
    return _plain({})


def connections(call: Call) -> Answer:
    """Query: `group_id` and `schema`."""
    docs = call.app.state.list_connections(group_id=call.query.get("group_id"), schema=call.query.get("schema"))
    return _plain([shown(doc) for doc in docs])


def seed(call: Call) -> Answer:
    """A connection made by somebody else; any field may be given, group_id, service and schema must be."""
    body = call.json()
    for name in ("group_id", "service", "schema"):
        if not isinstance(body.get(name), str):
            raise invalid(f"Field '{name}' is required")
    doc: dict[str, Any] = {
        "id": new_id(call.app, body["group_id"], body["schema"]),
        "service_version": 1,
        "connected_by": "_somebody_else",
        "created_at": now(call.app),
        "paused": False,
        "pause_after_trial": False,
        "sync_frequency": 360,
        "schedule_type": "auto",
        "data_delay_sensitivity": "NORMAL",
        "data_delay_threshold": 0,
        "networking_method": "Directly",
        "destination_schema_names": "FIVETRAN_NAMING",
        "status": first_status(paused=False),
        "config": {},
        "_first_name": body["schema"].split(".")[0],
        **body,
    }
    call.app.state.add_connection(doc, unique=False)
    return _plain(shown(doc), 201)


def check(call: Call) -> Answer:
    """`{status, body}` of what POST /v1/connections would answer to this body and key; it creates nothing."""
    call.counts = False
    try:
        call.app.check_key(call)
        answer = creation.check(call)
    except ApiError as error:
        answer = error.answer()
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = answer.body.decode()
    return _plain({"status": answer.status, "body": body})


def sync(call: Call, connection_id: str) -> Answer:
    """A sync that ends well at once, whatever the state of the connection."""
    syncs.run(call.app, existing(call, connection_id)["id"])
    return _plain({})


def clear_connections(call: Call) -> Answer:
    call.app.state.clear()
    return _plain({})


def start_over(call: Call) -> Answer:
    call.app.start_over()
    return _plain({})


def settings(call: Call) -> Answer:
    return _plain(call.app.settings.public() | {"next_answers": len(call.app.canned)})


def change_settings(call: Call) -> Answer:
    """Any of the settings; `next_answers` adds to the queue, an empty list clears it."""
    body = call.json()
    queued = body.pop("next_answers", None)
    try:
        call.app.settings.change(body)
        if queued == []:
            call.app.canned.clear()
        elif queued is not None:
            call.app.canned.add(queued)
    except (ValueError, TypeError) as error:
        raise invalid(str(error)) from None
    return settings(call)


def held(call: Call) -> Answer:
    return _plain(call.app.holds.shown())


def hold(call: Call) -> Answer:
    """Body: {phase, method, path}. Stop matching calls (POST /v1/connections by default) at a phase."""
    body = call.json()
    try:
        call.app.holds.hold(body.get("phase", ""), body.get("method", "POST"), body.get("path", "/v1/connections"))
    except ValueError as error:
        raise invalid(str(error)) from None
    return held(call)


def release(call: Call) -> Answer:
    """Let waiting calls go on: those of a phase, or all."""
    call.app.holds.release(call.json().get("phase") if call.raw else None)
    return held(call)


# Where the fault redirect_ points: the journal shows who followed a redirect that nobody should follow.
def elsewhere(call: Call) -> Answer:
    return _plain({"code": "Followed", "message": "Nobody should come here"})
