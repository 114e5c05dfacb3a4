"""Reading connections from Fivetran. Only its answer counts, never what a webhook or a person says."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Now

from connections import notifications
from connections.fivetran import configured
from connections.fivetran.client import Answer
from connections.fivetran.errors import FivetranError, Refused
from connections.models import (
    Attempt,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Event,
    EventKind,
    Handover,
    SetupTestsState,
    move,
    status_columns,
    store_turn,
    update_one,
)
from connections.next_step import next_step
from connections.queue import call
from connections.queue.job import Message
from connections.spec import drift, payloads, refusals
from connections.states import Actor, ChangeStatus, Status
from connections.worker import account, handover

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=120)  # longer than a GET with its repetitions; a check that died is then due again
# What `apply_status` may change.
TAKEN = [
    "fivetran_status",
    "setup_state",
    "sync_state",
    "succeeded_at",
    "failed_at",
    "first_data_at",
    "syncs_due_at",
    "live",
    "drift",
]
Happening = tuple[EventKind, str]  # an event, and what the timeline says of it
# Of a row with `request_id`: its connection is at Fivetran, as far as is known.
THERE = Exists(
    ConnectionRequest.objects.filter(pk=OuterRef("request_id"), status=Status.CREATED, deleted_at_fivetran_at=None)
)
DUE = Q(THERE, check_due_at__lte=Now())
due = Connection.objects.filter(DUE).order_by("check_due_at").all


def check_connection(request_id: int) -> Sequence[Message]:
    """Ask Fivetran for the connection of this request if that is due and no other worker asks (GET, repeatable)."""
    claimed = {"check_due_at": Now() + LEASE}
    connection = update_one(Connection, Q(request_id=request_id) & DUE, columns=claimed)
    if connection is None:
        return ()
    conn_request, client = connection.request, configured.client()
    mine = Connection.objects.filter(pk=connection.pk)

    def ask() -> Answer:
        if not account.same(client, conn_request.approved_account):
            raise _OtherAccount
        return client.get_connection(str(conn_request.connection_id))

    try:
        call.recorded(conn_request, Attempt.Call.STATUS, ask, partial(_store, connection), read=True)
    except _OtherAccount:
        mine.update(check_due_at=None)  # every connection of another account is absent from this one
        return ()
    tests_due = mine.filter(tests=SetupTestsState.DUE, tests_next_try_at__lte=Now())
    return [("run_tests", request_id)] if tests_due.exists() else ()


class _OtherAccount(Exception):
    pass


def _store(connection: Connection, result: Answer | FivetranError) -> None:
    # The row while it is as the claim left it: a hint that came meanwhile made it due at once, and it stays so.
    claimed = Connection.objects.filter(pk=connection.pk, check_due_at__gt=Now())
    if isinstance(result, Answer):
        claimed.update(check_due_at=None)
        record_status(connection, result.data)
        return
    again = None if isinstance(result, Refused) else Now() + timedelta(seconds=settings.PROBE_SECONDS)
    claimed.update(check_due_at=again)  # a refusal stays one: it is not asked for again
    if says_deleted(result):
        mark_deleted(connection.request)


def heed_refusal(conn_request: ConnectionRequest, error: Refused) -> None:
    """Of another call for the connection: operators are told of what they mend, and whether it is still there is asked.

    In a transaction.
    """
    notifications.tell_of_refusal(conn_request, refusals.code_of(error.status, error.code))
    if error.status == 404:
        Connection.objects.filter(request=conn_request).update(check_due_at=Now())


def says_deleted(error: FivetranError) -> bool:
    return isinstance(error, Refused) and error.status == 404 and error.code.startswith("NotFound")


def record_status(connection: Connection, data: Mapping[str, Any]) -> None:
    """Store an answer's `data` about the connection, with an event for each thing that is new; in a transaction."""
    row = locked().get(pk=connection.pk)
    events = apply_status(row, data)
    row.save(update_fields=TAKEN)
    Connection.objects.filter(pk=row.pk).update(seen_at=Now())
    note(row, events)
    handover.conclude(row, row.setup_state)
    store_turn(row.request_id)


def locked() -> QuerySet[Connection]:
    """Connections with request and approved changes, locked where the database can: two readers write one event."""
    changes = Prefetch("request__changes", ConnectionChange.objects.agreed(), to_attr="agreed")
    return (
        Connection.objects.select_for_update(of=("self",)).select_related("request__handover").prefetch_related(changes)
    )


def apply_status(row: Connection, data: Mapping[str, Any]) -> list[Happening]:
    """Put what `data` says into the columns `TAKEN` of `row`, unsaved; returns what is new."""
    events: list[Happening] = []
    before, synced = row.setup_state, (row.succeeded_at, row.failed_at)
    for column, value in status_columns(data).items():
        setattr(row, column, value)
    if row.setup_state != before:
        why = f"{before or 'not known'} → {row.setup_state or 'not known'}"
        events.append((EventKind.SETUP_STATE_CHANGED, why))
    if row.first_data_at is None and row.succeeded_at is not None:
        row.first_data_at = row.succeeded_at
        events.append((EventKind.FIRST_DATA, f"A sync ended well at {row.succeeded_at:%Y-%m-%d %H:%M} UTC."))
    if (row.succeeded_at, row.failed_at) != synced:
        row.syncs_due_at = Now()
    row.live = drift.merged(row.live, data, row.baseline)
    if appeared := _compare(row, data):
        events.append((EventKind.DRIFT_FOUND, ", ".join(appeared)[:500]))
    return events


def _compare(row: Connection, data: Mapping[str, Any]) -> list[str]:
    """Put into `row` where Fivetran differs from what is approved; returns the fields that did not differ before."""
    known, config = row.drift, data.get("config")
    agreed: list[ConnectionChange] = row.request.agreed  # type: ignore[attr-defined]  # prefetched by locked()
    # What an approved change is about to set may be either way, and nobody changed it outside the portal.
    made = [change.body for change in agreed if change.state is ChangeStatus.DONE]
    under_way = {field for change in agreed if change.state is not ChangeStatus.DONE for field in change.body}
    if not under_way.isdisjoint(drift.OF_SCHEDULE):
        under_way.add(drift.SCHEDULE)
    approved = payloads.overlaid(row.request.payload or {}, made)
    live = {**row.live, "config": config}
    differs = drift.drift(approved, live, row.baseline, made_here=not row.made_elsewhere)
    found = [one for one in differs if one["field"] not in under_way]
    before = {one["field"] for one in known}
    if _is_handed_over(row):
        found = [one for one in found if one["field"] in {*before, drift.TWINS}]
    row.drift = found + ([] if drift.has_config(data) else [one for one in known if drift.in_config(one)])
    return [one["field"] for one in found if one["field"] not in before]


def _is_handed_over(row: Connection) -> bool:
    # Whoever enters credentials at Fivetran also corrects a host there, or saves half of it: what that comes to is
    # compared once Fivetran calls the connection connected, which ends the hand-over.
    waits: Handover | None = getattr(row.request, "handover", None)
    return waits is not None and waits.is_live and row.setup_state != "connected"


def note(row: Connection, events: Iterable[Happening]) -> None:
    for kind, why in events:
        Event.objects.note(row.request, kind, actor=Actor.RECONCILER, detail={"why": why})
        if kind == EventKind.SETUP_STATE_CHANGED:
            handover.conclude(row, row.setup_state)


def mark_deleted(conn_request: ConnectionRequest) -> None:
    """Mark the connection as deleted at Fivetran, which frees its name; in a transaction."""
    connection = Connection.objects.select_for_update().filter(request=conn_request)
    list(connection.values_list("pk"))  # locked first, as by `store_turn`
    turn = next_step(Status.CREATED, deleted=True).owner.value
    present = ConnectionRequest.objects.filter(pk=conn_request.pk, deleted_at_fivetran_at=None)
    if present.update(deleted_at_fivetran_at=Now(), turn=turn) == 1:
        # What was still to be tested never can be; a page would wait for it, and the sweeper enqueue, for ever.
        move(
            connection,
            SetupTestsState.STORED,
            actor=Actor.RECONCILER,
            tests_token=None,
            tests_lease_until=None,
            tests_note="The connection is no longer at Fivetran.",
        )
        connection.update(trust_waiting=0, trust_since=None)
        Event.objects.note(conn_request, EventKind.GONE, actor=Actor.RECONCILER)
