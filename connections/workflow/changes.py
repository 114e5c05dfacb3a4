"""Changes of a connection: pause, unpause, another schedule, delete; each asked for and approved."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q

from connections import limits, notifications, permissions, tasks
from connections.models import (
    ChangeKind,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    IllegalTransition,
    NoticeKind,
    StaleRow,
    open_change,
    transition_change,
)
from connections.spec import drift, payloads
from connections.states import Actor, ChangeStatus
from connections.workflow.decisions import approval, decision, seen

_PLAIN_SCHEDULE = ("sync_frequency", "daily_sync_time")  # null at Fivetran where a schedule has no single cadence


def approved_values(conn_request: ConnectionRequest) -> dict[str, Any]:
    """The approved body of this connection: that of its creation, with the changes that were made."""
    return payloads.overlaid(conn_request.payload or {}, conn_request.changes.bodies())


def present_values(conn_request: ConnectionRequest) -> dict[str, Any]:
    """What can be changed, as Fivetran last said, else as approved."""
    connection = Connection.objects.filter(request=conn_request).first()
    live = connection.live if connection is not None else {}
    told = {path: live[path] for path in payloads.SCHEDULE if live.get(path) not in (None, "")}
    if str(told.get("sync_frequency", "")).isdigit():
        told["sync_frequency"] = int(told["sync_frequency"])
    values = approved_values(conn_request) | told
    if live.get(drift.SCHEDULE) and live.get("sync_frequency", 0) is None and live.get("schedule_type") != "manual":
        values = {path: value for path, value in values.items() if path not in _PLAIN_SCHEDULE}
    paused = connection.is_paused if connection is not None else None
    return values if paused is None else values | {"paused": paused}


def ask_for_change(
    *, by: User, conn_request: ConnectionRequest, kind: ChangeKind, reason: str, values: Mapping[str, Any] | None = None
) -> ConnectionChange:
    """`values` (path -> typed value) are those of a schedule. Raises Denied, TooMany, StaleRow where another change is
    open, IllegalTransition where nothing would change or the reason is missing.
    """
    permissions.check_can_ask_for_change(by, conn_request)
    into = permissions.Into.of(conn_request)
    approvers = permissions.approvers_for(by, conn_request.preset, into=into)
    # Who looks after the connection of somebody else need not be let in to ask for one.
    own = permissions.continues(by, conn_request)
    permissions.check_can_file(by, conn_request.preset, approvers, into, looks_after=not own)
    before, body = _before_and_body(conn_request, kind, values or {})
    try:
        with transaction.atomic():
            limits.check_change(by)
            change = open_change(
                conn_request=conn_request,
                requester=by,
                actor=actor_of(by, conn_request),
                kind=kind,
                reason=reason.strip(),
                body=body,
                digest=payloads.digest(body),
                before=before,
            )
            _tell(change, NoticeKind.CHANGE_SUBMITTED, *approvers)
    except IntegrityError:
        if not conn_request.changes.open().exists():
            raise
        raise StaleRow("Another change of this connection is open already.") from None
    return change


def _before_and_body(
    conn_request: ConnectionRequest, kind: ChangeKind, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The present values of what changes, and the exact body; both empty for a deletion."""
    present = present_values(conn_request)
    match kind:
        case ChangeKind.PAUSE | ChangeKind.UNPAUSE:
            paused, pausing = bool(present.get("paused")), kind == ChangeKind.PAUSE
            if paused == pausing:
                raise IllegalTransition("It is paused already." if paused else "It is not paused.")
            return {"paused": paused}, payloads.pause_body(paused=pausing)
        case ChangeKind.SCHEDULE:
            wanted = payloads.schedule_body(values)
            # Where Fivetran tells no plain schedule nobody knows it: a default is not what is there.
            now = payloads.schedule_body(present) if payloads.tells_schedule(present) else {}
            if now == wanted:
                raise IllegalTransition("This is its schedule already.")
            time, as_often = now.get("daily_sync_time"), wanted.get("sync_frequency") == now.get("sync_frequency")
            daily = as_often and wanted.get("schedule_type") != "manual"
            if time and daily and "daily_sync_time" not in wanted:
                raise IllegalTransition(f"Choose the time of day: Fivetran keeps {time} where none is sent.")
            return {path: value for path, value in now.items() if path in payloads.SCHEDULE}, wanted
    return {}, {}


def withdraw_change(*, by: User, change: ConnectionChange, reason: str = "") -> None:
    """Take back a change that no worker has claimed."""
    permissions.check_can_withdraw_change(by, change)
    actor = actor_of(by, change.request)
    transition_change(change, ChangeStatus.WITHDRAWN, actor=actor, by=by, reason=reason, next_try_at=None)


def approve_change(*, by: User, change: ConnectionChange, digest: str) -> None:
    """Approve exactly the body with this digest, for the present Fivetran account. Raises StaleRow."""
    permissions.check_standing(by)
    with transaction.atomic():
        permissions.check_can_approve_change(permissions.as_stored(by, change.request), change)
        columns = {**approval(by, digest), "detail": {"seen": seen(digest, change.version)}}
        transition_change(change, ChangeStatus.APPROVED, actor=Actor.APPROVER, by=by, guard=Q(digest=digest), **columns)
        permissions.check_not_handed_to(by, change.request)
        _tell(change, NoticeKind.CHANGE_DECIDED, change.requester, change.request.requester)
        tasks.enqueue_on_commit("apply_change", change.pk)


def reject_change(*, by: User, change: ConnectionChange, reason: str) -> None:
    permissions.check_standing(by)
    with transaction.atomic():
        permissions.check_can_decide_change(permissions.as_stored(by, change.request), change)
        columns = {**decision(by, reason), "detail": {"seen": seen(change.digest, change.version)}}
        transition_change(change, ChangeStatus.REJECTED, actor=Actor.APPROVER, by=by, reason=reason, **columns)
        _tell(change, NoticeKind.CHANGE_DECIDED, change.requester)


def actor_of(by: User, conn_request: ConnectionRequest) -> Actor:
    if permissions.continues(by, conn_request):
        return Actor.REQUESTER
    return Actor.OPERATOR if permissions.is_operator(by) else Actor.APPROVER


def _tell(change: ConnectionChange, kind: NoticeKind, *people: User) -> None:
    notifications.notify(change.request, kind, *people, dedup_key=change.pk)
    tasks.enqueue_on_commit("notify")
