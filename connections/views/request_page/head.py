"""The top of a request's page: its status, whose turn it is, and what to know before anything else."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from connections import permissions
from connections.models import Attempt, Connection, ConnectionRequest, step_of
from connections.next_step import NextStep
from connections.permissions import Person
from connections.spec.refusals import refusal_of
from connections.states import Owner, Status
from connections.views.request_page.connection_facts import Facts
from connections.views.request_page.queries import is_paused, source_owner
from connections.views.request_page.sections import Section
from connections.views.request_page.waiting import Waiting

TURNS = {
    Owner.REQUESTER: "the requester",
    Owner.SOURCE_OWNER: "the source owner",
    Owner.APPROVER: "an approver",
    Owner.OPERATOR: "an operator",
    Owner.PORTAL: "the portal",
    Owner.NOBODY: "nobody: it is finished",
}
_LOOKED_AT = "It is being looked at: the operators were told."


@dataclass(frozen=True)
class Refused:
    code: str
    message: str
    x_request_id: str
    act: str


@dataclass(frozen=True)
class Head:
    """`tags` stand beside the status: (colour, words, attributes)."""

    tags: list[tuple[str, str, str]]
    turn: str
    next: str
    notices: list[Section]


def head(
    user: Person,
    conn_request: ConnectionRequest,
    *,
    facts: Facts | None,
    waiting: Waiting | None,
    newest: Attempt | None,
    edited: bool,
) -> Head:
    step = present_step(conn_request, facts.connection if facts else None)
    return Head(
        tags=list(facts.tags) if facts else [],
        turn=turn(user, conn_request, step),
        next=step.sentence.format(days=settings.EXPIRE_DAYS),
        notices=list(notices(conn_request, step, waiting, newest, edited=edited)),
    )


def present_step(conn_request: ConnectionRequest, connection: Connection | None) -> NextStep:
    return step_of(conn_request, drifted=bool(connection and connection.drift), paused=is_paused(connection))


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
        yield Section("decision", conn_request)


def refused(conn_request: ConnectionRequest, step: NextStep, newest: Attempt | None) -> Refused:
    act = _LOOKED_AT if step is NextStep.REFUSED_FOR_OPERATORS else refusal_of(conn_request.failure_code).act
    return Refused(conn_request.failure_code, conn_request.failure_message, newest.x_request_id if newest else "", act)


def turn(user: Person, conn_request: ConnectionRequest, step: NextStep) -> str:
    if may_act(user, conn_request, step):
        return "yours"
    who = {Owner.REQUESTER: str(conn_request.requester), Owner.SOURCE_OWNER: source_owner(conn_request)}
    return f"{who[step.owner]}, {TURNS[step.owner]}" if step.owner in who else TURNS[step.owner]


def may_act(user: Person, conn_request: ConnectionRequest, step: NextStep) -> bool:
    match step:
        case NextStep.PENDING:
            return permissions.can_decide(user, conn_request)
        case NextStep.TRUST:
            return permissions.can_trust(user, conn_request)
        case NextStep.CHANGE_PENDING:
            return permissions.changes_waiting_for(user).filter(request=conn_request).exists()
    mine = step.owner is Owner.REQUESTER and conn_request.requester_id == user.pk
    return mine or (step.owner is Owner.OPERATOR and permissions.is_operator(user))
