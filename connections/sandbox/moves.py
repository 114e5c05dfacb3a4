"""Moving a connection to another destination; the move is done as soon as it is asked for."""

import uuid

from .calls import ApiError, Call, invalid, not_found, success
from .clock import now
from .connections import existing
from .validation import name_taken
from .wire import Answer


def move(call: Call, connection_id: str) -> Answer:
    """Body: destination_group_id, and sync_behavior and force_move, which change nothing here."""
    doc, group_id = existing(call, connection_id), call.json().get("destination_group_id")
    if not isinstance(group_id, str) or not group_id:
        raise invalid("Field 'destination_group_id' is required")
    if call.app.group(group_id) is None:
        raise not_found("Group", group_id)
    if group_id == doc["group_id"]:
        raise ApiError(400, "IllegalState", f"The connection is in group '{group_id}' already")
    if call.app.settings.unique_names and call.app.state.list_connections(group_id=group_id, schema=doc["schema"]):
        raise name_taken(call.app, doc["schema"])
    done = {"id": str(uuid.uuid4()), "connection_id": connection_id, "status": "COMPLETED", "created_at": now(call.app)}
    call.app.state.alter_connection(connection_id, lambda found: found.update(group_id=group_id))
    call.app.state.save_item("moves", done, f"connections/{connection_id}")
    call.entry.facts["effect"] = connection_id
    return success({**done, "job_id": done["id"]}, "The connection is being moved")


def job(call: Call, connection_id: str, job_id: str) -> Answer:
    found = call.app.state.item("moves", job_id, f"connections/{connection_id}")
    if found is None:
        raise not_found("Job", job_id)
    return success({**found, "job_id": job_id})
