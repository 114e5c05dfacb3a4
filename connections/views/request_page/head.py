"""The top of a request's page: its status, whose turn it is, and what to know before anything else."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from connections import permissions
from connections.models import Attempt, ConnectionRequest, step_of
from connections.next_step import NextStep
from connections.people import display_name
from connections.permissions import Person
from connections.spec.refusals import refusal_of
from connections.states import Owner, Status
from connections.views.request_page.polling import Waiting
from connections.views.request_page.queries import connection_of, handover_of, source_owner
from connections.views.request_page.sections import Section

_LOOKED_AT = "It is being looked at: the operators were told."


@dataclass(frozen=True)
class Wrote:
    author: str
    reason: str


@dataclass(frozen=True)
class Refused:
    code: str
    message: str
    x_request_id: str
    act: str


@dataclass(frozen=True)
class Head:
    turn: str
    next: str
    notices: list[Section]


def head(
    user: Person,
    conn_request: ConnectionRequest,
    step: NextStep,
    *,
    waiting: Waiting | None,
    newest: Attempt | None,
    edited: bool,
) -> Head:
    """`newest` is the last call to Fivetran; `edited` says that the page shows an older body."""
    acts, mine = may_act(user, conn_request, step), conn_request.requester_id == user.pk
    sentence = step.said_to(acts=acts, is_requester=mine).format(days=settings.EXPIRE_DAYS)
    return Head(
        turn="yours" if acts else turn(conn_request, step),
        next=f"{sentence}{more_of(conn_request, step)}",
        notices=[*stranded(conn_request, acts=acts), *notices(conn_request, step, waiting, newest, edited=edited)],
    )


def stranded(conn_request: ConnectionRequest, *, acts: bool) -> Iterator[Section]:
    # A reader who can decide is somebody who can: no query.
    if conn_request.state is Status.PENDING and not acts and (words := permissions.nobody_decides(conn_request)):
        yield Section("note", words)


def more_of(conn_request: ConnectionRequest, step: NextStep) -> str:
    connection = connection_of(conn_request)
    awaited = step is NextStep.CONNECTED and connection is not None and not connection.first_data_at
    return " Its first data has not arrived yet." if awaited else ""


def present_step(conn_request: ConnectionRequest) -> NextStep:
    connection = connection_of(conn_request)
    drifted, paused = (connection.drift, connection.is_paused) if connection else (False, False)
    return step_of(conn_request, drifted=bool(drifted), paused=bool(paused))


def notices(
    conn_request: ConnectionRequest, step: NextStep, waiting: Waiting | None, newest: Attempt | None, *, edited: bool
) -> Iterator[Section]:
    if edited:
        yield Section("edited", True)
    if waiting:
        yield Section("waiting", waiting)
    if conn_request.state is Status.FAILED:
        yield Section("refused", refused(conn_request, step, newest))
    if conn_request.state is Status.ATTENTION and conn_request.note:
        yield Section("note", conn_request.note)
    if conn_request.decision_reason:
        by = conn_request.decided_by
        yield Section("wrote", Wrote(display_name(by) if by else "The approver", conn_request.decision_reason))


def refused(conn_request: ConnectionRequest, step: NextStep, newest: Attempt | None) -> Refused:
    act = _LOOKED_AT if step is NextStep.REFUSED_FOR_OPERATORS else refusal_of(conn_request.failure_code).act
    return Refused(conn_request.failure_code, conn_request.failure_message, newest.x_request_id if newest else "", act)


def turn(conn_request: ConnectionRequest, step: NextStep) -> str:
    who = {Owner.REQUESTER: display_name(conn_request.requester), Owner.SOURCE_OWNER: source_owner(conn_request)}
    return f"{who[step.owner]}, {step.owner.label}" if step.owner in who else step.owner.label


def may_act(user: Person, conn_request: ConnectionRequest, step: NextStep) -> bool:
    match step:
        case NextStep.PENDING:
            return permissions.can_decide(user, conn_request)
        case NextStep.TRUST:
            return permissions.can_trust(user, conn_request)
        case NextStep.CHANGE_PENDING:
            return permissions.changes_waiting_for(user).filter(request=conn_request).exists()
    match step.owner:
        case Owner.REQUESTER:
            # A colleague can go on with it at any time, and has to once the requester has left.
            left = not conn_request.requester.is_active and permissions.continues(user, conn_request)
            return conn_request.requester_id == user.pk or left
        case Owner.SOURCE_OWNER:
            return has_credentials(user, conn_request)
        case Owner.OPERATOR:
            return permissions.is_operator(user)
    return False


def has_credentials(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether `user` is the source owner: whom the hand-over waits for, else whom the request names."""
    if (handover := handover_of(conn_request)) is not None:
        return handover.owner_id is not None and handover.owner_id == user.pk
    named = conn_request.source_owner
    return (
        named.lower() in (user.get_username().lower(), getattr(user, "email", "").lower())
        if named
        else (conn_request.requester_id == user.pk)
    )
