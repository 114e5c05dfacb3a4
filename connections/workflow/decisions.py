"""Deciding: approve, reject, ask for changes."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from connections import notifications, permissions, tasks
from connections.models import ConnectionRequest, NoticeKind, StaleRow, known_account, transition
from connections.states import Actor, Status


def decision(by: User, reason: str = "") -> dict[str, Any]:
    """The columns of a decision, the same for requests and for changes."""
    return {"decided_by": by, "decided_at": Now(), "decision_reason": reason.strip()}


def approval(by: User, digest: str) -> dict[str, Any]:
    """The columns of an approval of the body with this digest, for the present Fivetran account."""
    of_body = {"approved_by": by, "approved_at": Now(), "approved_digest": digest, "approved_account": known_account()}
    return {**of_body, **decision(by), "next_try_at": Now()}


def seen(digest: str, version: int) -> dict[str, Any]:
    """What exactly whoever decided had before them, for the record."""
    return {"digest": digest, "version": version}


def approve(*, by: User, conn_request: ConnectionRequest, digest: str, announce: bool = True) -> None:
    """Approve exactly the body with this digest, for the present Fivetran account. Raises StaleRow. Without `announce`
    the caller tells and enqueues.
    """
    permissions.check_standing(by)
    with transaction.atomic():
        _check(by, conn_request, digest)
        permissions.check_requester_asks(by, conn_request)
        transition(
            conn_request,
            Status.APPROVED,
            actor=Actor.APPROVER,
            by=by,
            guard=Q(digest=digest),
            detail={"digest": digest, "seen": seen(digest, conn_request.version)},
            note="",
            **approval(by, digest),
        )
        if announce:
            notifications.notify(conn_request, NoticeKind.APPROVED, *notifications.askers(conn_request))
            tasks.enqueue_on_commit("submit", conn_request.pk)


def reject(*, by: User, conn_request: ConnectionRequest, reason: str, digest: str | None = None) -> None:
    """With `digest` only as long as it is the body's."""
    _decide(by, conn_request, digest, Status.REJECTED, NoticeKind.REJECTED, reason)


def request_changes(*, by: User, conn_request: ConnectionRequest, reason: str, digest: str | None = None) -> None:
    """Send a request back to its requester, with what should be different."""
    _decide(by, conn_request, digest, Status.CHANGES_REQUESTED, NoticeKind.CHANGES_REQUESTED, reason)


def _check(by: User, conn_request: ConnectionRequest, digest: str | None) -> None:
    permissions.check_can_decide(permissions.as_stored(by, conn_request), conn_request)
    if digest not in (None, conn_request.digest):
        raise StaleRow("The body changed since it was shown.")


def _decide(
    by: User, conn_request: ConnectionRequest, digest: str | None, target: Status, kind: NoticeKind, reason: str
) -> None:
    permissions.check_standing(by)
    with transaction.atomic():
        _check(by, conn_request, digest)
        detail = {"seen": seen(digest or conn_request.digest, conn_request.version)}
        columns = decision(by, reason)
        transition(conn_request, target, actor=Actor.APPROVER, by=by, reason=reason, detail=detail, **columns)
        notifications.notify(conn_request, kind, *notifications.askers(conn_request))
        tasks.enqueue_on_commit("notify")
