"""Every move of a request and of a change: one conditional UPDATE of the version that was read, and one event."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import models
from django.db import transaction as database_transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from connections.models.change import ConnectionChange
from connections.models.event import Event, EventKind
from connections.models.request import ConnectionRequest
from connections.models.state_columns import move_one
from connections.models.step import store_turn
from connections.models.team import filed_for
from connections.next_step import next_step
from connections.spec.differences import changed_fields
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

_NOW = Now()


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
    team_id: int | None = None,
    **columns: Any,
) -> ConnectionRequest:
    """Insert a new request with its first event, in one transaction. A created one is adopted by an operator (`by`).
    It is that of the team with `team_id`, if `requester` is in it, else of the requester's only team. Raises
    IllegalTransition, IntegrityError.
    """
    REQUEST.check(None, status, actor, why)
    with database_transaction.atomic():
        turn = next_step(status).owner.value
        columns["team_id"] = filed_for(requester.pk, team_id)
        conn_request = ConnectionRequest.objects.create(status=status, requester=requester, turn=turn, **columns)
        _moved(conn_request.pk, None, status, 1, actor, by or requester, why, detail).save()
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
        changed = {"changed": changed_fields(change.before, change.values)}
        _note_change(change, None, status, actor, requester, reason, changed)
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
    insert: Sequence[models.Model] = (),
    also: Sequence[tuple[models.Model, Mapping[str, Any]]] = (),
    **changes: Any,
) -> None:
    """Move the request from the status it was read with to `target`; see `_move`.

    `changes`, and `columns` for names that are parameters here, are written too; for `insert` and `also` see
    `update_one`.
    """
    source = conn_request.state
    event = _moved(conn_request.pk, source, target, F("version"), actor, by, reason, detail)
    written = {**changes, **(columns or {})}
    # Of a created one until its connection is known.
    code = written.get("failure_code", conn_request.failure_code)
    written.setdefault("turn", next_step(target, failure_code=code).owner.value)
    _move(REQUEST, conn_request, source, target, actor, reason, guard, written, [event, *insert], also)


def claim(request_id: int, guard: Q, **columns: Any) -> ConnectionRequest | None:
    """Claim an approved request for a worker, without having read it; returns it as written, or None."""
    source, target, actor = Status.APPROVED, Status.CLAIMED, Actor.WORKER
    event = _moved(request_id, source, target, F("version"), actor)
    written: dict[str, Any] = {**columns, "turn": next_step(target).owner.value, "status_since": _NOW}
    written["version"] = F("version") + 1
    mine = Q(pk=request_id) & guard
    return move_one(ConnectionRequest, mine, target, actor=actor, source=source, insert=[event], **written)


def transition_change(
    change: ConnectionChange,
    target: ChangeStatus,
    *,
    actor: Actor,
    by: User | None = None,
    reason: str = "",
    why: str = "",
    guard: Q | None = None,
    detail: dict[str, Any] | None = None,
    **columns: Any,
) -> None:
    """Move `change` in the same way; the timeline shows `reason` or `why`."""
    source = change.state
    with database_transaction.atomic():
        _move(CHANGE, change, source, target, actor, reason, guard, columns)
        _note_change(change, source, target, actor, by, reason.strip() or why, detail)
        store_turn(change.request_id)


def _move(
    machine: Machine[Any],
    row: ConnectionRequest | ConnectionChange,
    source: Status | ChangeStatus,
    target: Status | ChangeStatus,
    actor: Actor,
    reason: str,
    guard: Q | None,
    columns: Mapping[str, Any],
    insert: Sequence[models.Model] = (),
    also: Sequence[tuple[models.Model, Mapping[str, Any]]] = (),
) -> None:
    """One conditional UPDATE with one event. `guard` narrows the UPDATE (a token, a digest, a lease by `Now()`).
    Raises, with nothing written, IllegalTransition, StaleRow (not exactly one row matched), IntegrityError (the
    caller's transaction is lost too).
    """
    machine.check(source, target, actor, reason)
    # The row must have the version that was read. Afterwards `row` has what was written.
    written = {"status_since": _NOW, **columns, "version": row.version + 1}
    seen = Q(pk=row.pk, version=row.version) & (guard or Q())
    together: Any = {"insert": insert, "also": also, "into": row}
    if not move_one(type(row), seen, target, actor=actor, source=source, **together, **written):
        raise StaleRow(f"{machine.name.capitalize()} {row.pk} is no longer {source}, or no longer as it was seen.")


# --- events ----------------------------------------------------------------------------------------------------------
def _moved(
    request_id: int,
    source: Status | None,
    target: Status,
    version: int | F,
    actor: Actor,
    by: User | None = None,
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> Event:
    return Event(
        request_id=request_id,
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
    detail: dict[str, Any] | None = None,
) -> None:
    waits = source is ChangeStatus.RUNNING and target in CHANGE_OPEN
    words = f"{change.get_kind_display()} (change #{change.pk})"
    Event.objects.note(
        change.request,
        EventKind.CHANGE_WAITS if waits else _EVENTS[target],
        actor=actor,
        by=by,
        reason=f"{words}: {said}" if said else words,
        detail={"change": change.pk, "status": str(target), **(detail or {})},
    )
