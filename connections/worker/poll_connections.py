"""Reading all connections with one list."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any

from django.db.models.functions import Now

from connections.fivetran import configured
from connections.fivetran.errors import FivetranError
from connections.models import Connection, Observation, status_columns, store_turn
from connections.queue import circuit_breaker, rate_budget
from connections.queue.job import Message
from connections.spec import drift
from connections.states import Status
from connections.worker import account, connection_status, outcome

# Fivetran allows 20,000 calls an hour to the whole account, all tools together: 10,000 connections are 20 pages of a
# list, so every five minutes they cost 240 calls an hour.
log = logging.getLogger(__name__)
CHUNK = 200  # changed connections that are stored in one transaction
# Absent connections that are asked for after one list. A key that may not list what it may read would otherwise make
# each list thousands of calls.
MOST_ABSENT = 100
_COMPARED = ["setup_state", "sync_state", "succeeded_at", "failed_at", "fivetran_status", "live"]
_APPROVED = "request__approved_account"
_ALSO_READ = [
    "pk",
    "request_id",
    "request__connection_id",
    _APPROVED,
    "first_data_at",
    "drift",
    "baseline",
]


def observe() -> list[Message]:
    """Store what changed in Fivetran's list; then the connections that are not in it are asked for one by one."""
    started = Observation.objects.begin()
    if started is None:
        return []
    complete = False
    try:
        client = configured.client()
        listed = {item["id"]: item for item in client.list_connections() if isinstance(item.get("id"), str)}
        _name_twins(listed)
        # Without those that were asked for after the list began.
        known = Connection.objects.filter(
            request__status=Status.CREATED, request__deleted_at_fivetran_at=None, seen_at__lte=started
        )
        stored = known.order_by("seen_at").values(*_ALSO_READ, *_COMPARED)
        is_ours = cache(partial(account.same, client))  # of another account all connections are absent from this list
        rows = [row for row in stored if not row[_APPROVED] or is_ours(row[_APPROVED])]
        _store([row for row in rows if row["request__connection_id"] in listed], listed, started)
        rate_budget.record_rate_limit(circuit_breaker.current())
        complete = True
    except FivetranError as error:
        circuit_breaker.record_failure(error, read=True)
        log.warning("Fivetran's list of connections could not be read: %s", type(error).__name__)
        return []
    finally:
        Observation.objects.end(complete=complete)
    # Only the answer for one connection tells that it is deleted; those first that were not seen for longest.
    absent = [row for row in rows if row["request__connection_id"] not in listed][:MOST_ABSENT]
    if absent:
        keys = [row["pk"] for row in absent]
        Connection.objects.filter(pk__in=keys, check_due_at=None).update(check_due_at=Now())
    return [("check", row["request_id"]) for row in absent]


def _name_twins(listed: Mapping[str, dict[str, Any]]) -> None:
    """Note at each item which others have its name in its destination: there should be none."""
    named: dict[tuple[Any, Any], list[str]] = {}
    for key, item in listed.items():
        named.setdefault((item.get("group_id"), item.get("schema")), []).append(key)
    for (_group, schema), keys in named.items():
        for key in keys:
            listed[key][drift.TWINS] = ", ".join(other for other in keys if other != key) if schema else ""


def _store(rows: Iterable[dict[str, Any]], listed: Mapping[str, dict[str, Any]], started: datetime) -> None:
    changed = {row["pk"]: item for row in rows if _differs(row, item := listed[row["request__connection_id"]])}
    keys = list(changed)
    for at in range(0, len(keys), CHUNK):
        with outcome.atomic():
            # Read again under the lock: an answer for one of them that came after the list began is the newer one.
            fresh = list(connection_status.locked().filter(pk__in=keys[at : at + CHUNK], seen_at__lte=started))
            for connection in fresh:
                connection_status.note(connection, connection_status.apply_status(connection, changed[connection.pk]))
            Connection.objects.bulk_update(fresh, connection_status.TAKEN)
            Connection.objects.filter(pk__in=[connection.pk for connection in fresh]).update(seen_at=Now())
            store_turn(*(connection.request_id for connection in fresh))


def _differs(row: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether storing `item` would change anything. A drift is always compared again: the approval may have changed."""
    told = status_columns(item) | {"live": drift.merged(row["live"], item, row["baseline"])}
    first = row["first_data_at"] is None and told.get("succeeded_at") is not None
    return first or bool(row["drift"]) or any(row[column] != value for column, value in told.items())
