"""Looking a destination name up at Fivetran, and deciding whether a connection is the effect of our own call."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime

from connections.fivetran.client import FivetranClient
from connections.fivetran.errors import FivetranError
from connections.models import Attempt, ConnectionRequest, Ending
from connections.queue import call

SHOWN = 3  # connections that are named where several have one name
CLOCK_TOLERANCE = timedelta(minutes=5)  # between Fivetran's clock and the database's


def look_up(client: FivetranClient, conn_request: ConnectionRequest, *, note: bool = False) -> list[dict[str, Any]]:
    """The connections of exactly this name in this group. With `note`, stored as an attempt. Raises FivetranError."""
    attempt = Attempt(request=conn_request, call=Attempt.Call.LOOK_UP)
    try:
        # Fivetran filters by the whole name; checked here again, since an answer decides about sending a second time.
        found = [
            item
            for item in client.find_connections(conn_request.group_id, conn_request.schema)
            if item.get("schema") == conn_request.schema
            and item.get("group_id", conn_request.group_id) == conn_request.group_id
        ]
    except FivetranError as error:
        if note:
            call.close(attempt, error)
        raise
    if note:
        attempt.ending = Ending.ANSWERED
        attempt.message = f"{len(found)} found"
        attempt.save()
    return found


def ours(conn_request: ConnectionRequest, found: Sequence[dict[str, Any]], first_sent_at: datetime | None) -> bool:
    """Whether `found` is exactly one connection that our call can have created."""
    # Of the same service, not created before the first sending, and not held by another request.
    if len(found) != 1 or first_sent_at is None:
        return False
    [item] = found
    if item.get("service") != conn_request.service or not isinstance(item.get("id"), str):
        return False
    try:
        created_at = parse_datetime(str(item.get("created_at")))
    except ValueError:
        return False
    # By two clocks, and a difference of a few minutes between them is usual.
    if created_at is None or created_at.tzinfo is None or created_at < first_sent_at - CLOCK_TOLERANCE:
        return False
    return not ConnectionRequest.objects.filter(connection_id=item["id"]).exists()


def in_words(found: Sequence[dict[str, Any]]) -> str:
    said = [f"{item.get('id')} ({item.get('service')}, created {item.get('created_at')})" for item in found[:SHOWN]]
    return "; ".join([*said, f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else said)
