"""Every move of a request and of a change: one conditional UPDATE of the version that was read, and one event."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import models
from django.db import transaction as database_transaction
from django.db.models import Q
from django.db.models.functions import Now

from connections.models.change import ConnectionChange
from connections.models.event import Event, EventKind
from connections.models.request import ConnectionRequest
from connections.models.state_columns import move
from connections.models.step import store_turn
from connections.next_step import next_step
from connections.states import CHANGE, CHANGE_OPEN, REQUEST, Actor, ChangeStatus, Machine, Status

_EVENTS = {
    ChangeStatus.PENDING: EventKind.CHANGE_ASKED,
    ChangeStatus.APPROVED: EventKind.CHANGE_APPROVED,
    ChangeStatus.RUNNING: EventKind.CHANGE_STARTED,
    ChangeStatus.DONE: EventKind.CHANGE_APPLIED,
    ChangeStatus.FAILED: EventKind.CHANGE_FAILED,
    ChangeStatus.REJECTED: EventKind.CHANGE_REJECTED,
    ChangeStatus.WITHDRAWN: EventKind.CHANGE_WITHDRAWN,
    ChangeStatus.EXPIRED: EventKind.CHANGE_EXPIRED,
}


class StaleRow(Exception):
    """The row is no longer as the caller read it. Nothing was changed."""


# --- beginning -------------------------------------------------------------------------------------------------------
def open_request(
    *,
    status: Status,
    requester: User,
    actor: Actor = Actor.REQUESTER,
    by: User | None = None,
    why: str = "",
    detail: dict[str, Any] | None = None,
    **columns: Any,
) -> ConnectionRequest:
    """Insert a new request with its first event, in one transaction. A created one is adopted by an operator (`by`).
    Raises IllegalTransition, IntegrityError.
    """
    REQUEST.check(None, status, actor, why)
    with database_transaction.atomic():
        turn = next_step(status).owner.value
        conn_request = ConnectionRequest.objects.create(status=status, requester=requester, turn=turn, **columns)
        _note_move(conn_request, None, status, 1, actor, by or requester, why, detail)
    conn_request.refresh_from_db()
    return conn_request


def open_change(*, conn_request: ConnectionRequest, requester: User, actor: Actor, **columns: Any) -> ConnectionChange:
    """Insert a new change that waits for approval, with its event, in one transaction. Raises IllegalTransition, and
    IntegrityError for a second open change.
    """
    reason, status = str(columns.get("reason", "")).strip(), ChangeStatus.PENDING
    CHANGE.check(None, status, actor, reason)
    with database_transaction.atomic():
        change = ConnectionChange.objects.create(request=conn_request, requester=requester, status=status, **columns)
        _note_change(change, None, status, actor, requester, reason)
        store_turn(conn_request.pk)
    change.refresh_from_db()
    return change


# --- moving ----------------------------------------------------------------------------------------------------------
def transition(
    conn_request: ConnectionRequest,
    target: Status,
    *,
    actor: Actor,
    by: User | None = None,
    reason: str = "",
    guard: Q | None = None,
    detail: dict[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Move the request from the status it was read with to `target`; see `_move`.

    `changes`, and `columns` for names that are parameters here, are written too.
    """
    source = conn_request.state

    def event(version: int) -> None:
        _note_move(conn_request, source, target, version, actor, by, reason, detail)

    written = {**changes, **(columns or {})}
    code = written.get("failure_code", conn_request.failure_code)
    written["turn"] = next_step(target, failure_code=code).owner.value  # of a created one until its connection is known
    _move(REQUEST, conn_request, source, target, actor, reason, guard, written, event)


def transition_change(
    change: ConnectionChange,
    target: ChangeStatus,
    *,
    actor: Actor,
    by: User | None = None,
    reason: str = "",
    why: str = "",
    guard: Q | None = None,
    **columns: Any,
) -> None:
    """Move `change` in the same way; the timeline shows `reason` or `why`."""
    source = change.state

    def event(_version: int) -> None:
        _note_change(change, source, target, actor, by, reason.strip() or why)
        store_turn(change.request_id)

    _move(CHANGE, change, source, target, actor, reason, guard, columns, event)


def _move(
    machine: Machine[Any],
    row: ConnectionRequest | ConnectionChange,
    source: Status | ChangeStatus,
    target: Status | ChangeStatus,
    actor: Actor,
    reason: str,
    guard: Q | None,
    columns: Mapping[str, Any],
    event: Callable[[int], None],
) -> None:
    """One conditional UPDATE and, by `event`, one event. `guard` narrows the UPDATE (a token, a digest, a lease by
    `Now()`). Raises, with nothing written, IllegalTransition, StaleRow (not exactly one row matched), IntegrityError
    (the caller's transaction is lost too).
    """
    machine.check(source, target, actor, reason)
    # The row must have the version that was read. Afterwards `row` has what was written.
    version = row.version + 1
    written = {"status_since": Now(), **columns, "version": version}
    seen = type(row)._default_manager.filter(guard or Q(), pk=row.pk, version=row.version)
    if move(seen, target, actor=actor, source=source, event=partial(event, version), **written) != 1:
        raise StaleRow(f"{machine.name.capitalize()} {row.pk} is no longer {source}, or no longer as it was seen.")
    for column, value in {"status": str(target), **written}.items():
        _take_over(row, column, value)


def _take_over(row: models.Model, name: str, value: Any) -> None:
    """Give `row` a column as it was written, or have Django read an expression when it is asked for."""
    column: Any = row._meta.get_field(name)
    if hasattr(value, "resolve_expression") or isinstance(column, models.JSONField):
        row.__dict__.pop(column.attname, None)
    else:
        setattr(row, name, value)


# --- events ----------------------------------------------------------------------------------------------------------
def _note_move(
    conn_request: ConnectionRequest,
    source: Status | None,
    target: Status,
    version: int,
    actor: Actor,
    by: User | None,
    reason: str,
    detail: dict[str, Any] | None,
) -> None:
    Event.objects.create(
        request=conn_request,
        kind=EventKind.MOVED,
        source=source or "",
        target=target,
        actor=actor,
        by=by,
        reason=reason.strip(),
        detail=detail or {},
        version=version,
    )


def _note_change(
    change: ConnectionChange,
    source: ChangeStatus | None,
    target: ChangeStatus,
    actor: Actor,
    by: User | None,
    said: str,
) -> None:
    waits = source is ChangeStatus.RUNNING and target in CHANGE_OPEN
    words = f"{change.get_kind_display()} (change #{change.pk})"
    Event.objects.note(
        change.request,
        EventKind.CHANGE_WAITS if waits else _EVENTS[target],
        actor=actor,
        by=by,
        reason=f"{words}: {said}" if said else words,
        detail={"change": change.pk, "status": str(target)},
    )
