"""Sharing drafts with a team, and handing the requests of one person to another."""

import uuid
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from connections import notifications, permissions, tasks
from connections.models import (
    Connection,
    ConnectionRequest,
    Event,
    EventKind,
    IllegalTransition,
    NoticeKind,
    StaleRow,
    Team,
    Writer,
)
from connections.states import EDITABLE, Actor, Status
from connections.workflow.handover import follow_requester


def share_draft(*, by: User, conn_request: ConnectionRequest, team: Team | None = None) -> Team:
    """Let the colleagues in `team`, else in the only team of `by`, see and continue a draft; returns the team."""
    permissions.check_can_share(by, conn_request)
    mine = list(Team.objects.of(by.pk).select_related("group")[:2])
    chosen = team or (mine[0] if len(mine) == 1 else None)
    if chosen is None:
        raise permissions.Denied("Say with which of your teams the draft is to be shared.")
    permissions.check_in_team(by, chosen)
    _set_shared(by, conn_request, EventKind.SHARED, f"With {chosen}", shared_at=Now(), team=chosen)
    return chosen


def stop_sharing(*, by: User, conn_request: ConnectionRequest) -> None:
    """Make a shared draft private again. Who wrote in it stays on record."""
    permissions.check_can_stop_sharing(by, conn_request)
    if conn_request.shared_at is None:
        raise StaleRow("It is not shared.")
    _set_shared(by, conn_request, EventKind.UNSHARED, "", shared_at=None)


def _set_shared(by: User, conn_request: ConnectionRequest, kind: EventKind, why: str, **columns: Any) -> None:
    drafts = ConnectionRequest.objects.filter(pk=conn_request.pk, status=Status.DRAFT, requester=by)
    with transaction.atomic():
        if drafts.update(**columns) != 1:
            raise StaleRow("It is no longer a draft of yours. Look at it again.")
        conn_request.refresh_from_db()
        Event.objects.note(conn_request, kind, actor=Actor.REQUESTER, by=by, detail={"why": why} if why else {})


def reassign(*, by: User, conn_request: ConnectionRequest, to: User, reason: str) -> None:
    """Make `to` the requester, with the reason on record: by an operator. The former one can never decide on it. Raises
    Denied, StaleRow, and IllegalTransition without a reason.
    """
    if not reason.strip():
        raise IllegalTransition("Enter the reason.")
    with transaction.atomic():
        permissions.check_can_operate(permissions.as_stored(by))
        # Whoever approves what is trusted for it, or a change of it, locks this too.
        list(Connection.objects.select_for_update().filter(request=conn_request).values_list("pk"))
        former = conn_request.requester
        permissions.check_can_reassign(permissions.as_stored(to), conn_request, by)
        row = ConnectionRequest.objects.filter(_as_read(conn_request))
        if row.update(**_columns(conn_request, to)) != 1:
            raise StaleRow("The request changed in the meantime. Look at it again.")
        Writer.objects.get_or_create(request=conn_request, person=former)
        conn_request.refresh_from_db()
        why = f"From {former.get_username()} to {to.get_username()}: {reason.strip()}"
        Event.objects.note(conn_request, EventKind.REASSIGNED, actor=Actor.OPERATOR, by=by, reason=why)
        follow_requester(by=by, conn_request=conn_request, former=former)
        # As often as it comes to somebody, by another event each time.
        notifications.notify(conn_request, NoticeKind.REASSIGNED, to, former, dedup_key=conn_request.events.count())
        tasks.enqueue_on_commit("notify")


def _as_read(conn_request: ConnectionRequest) -> Q:
    read = Q(pk=conn_request.pk, requester=conn_request.requester_id, status=conn_request.status)
    # Of one that a worker holds the version is the worker's.
    return read & Q(version=conn_request.version) if conn_request.state in EDITABLE else read


def _columns(conn_request: ConnectionRequest, to: User) -> dict[str, Any]:
    teams = list(Team.objects.of(to.pk)[:2])
    mine = Team.objects.of(to.pk).filter(pk=conn_request.team_id or 0).exists()
    team_id = conn_request.team_id if mine else teams[0].pk if len(teams) == 1 else None
    one = conn_request
    words = (one.schema, one.service, one.service_name, one.group_id, one.group_name, to.get_username())
    found: dict[str, Any] = {
        "requester": to,
        "team_id": team_id,
        "idempotency_key": uuid.uuid4(),  # the form of the former requester is no longer this request's
        "search": " ".join(word for word in words if word).lower(),
    }
    if not mine:
        found["shared_at"] = None  # what was shared with one team is not shared with another
    if conn_request.state in EDITABLE:
        found["version"] = F("version") + 1  # an approver who looked at the other requester's looks again
    return found
