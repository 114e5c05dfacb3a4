"""Storing how a call ended: one transaction with the row, its event, its attempt and its notices."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Q
from django.db.models.functions import Now
from django.db.transaction import atomic as atomic  # the others say outcome.atomic

from connections import notifications
from connections.fivetran.errors import FivetranError, Unauthorized
from connections.models import (
    Attempt,
    Connection,
    ConnectionRequest,
    Handover,
    HandoverState,
    NoticeKind,
    SetupTest,
    SetupTestsState,
    run_in,
    status_columns,
    store_turn,
    tests_in,
    transition,
)
from connections.next_step import NextStep, next_step
from connections.spec.refusals import BAD_KEY
from connections.states import Actor, Status

log = logging.getLogger(__name__)
IN_ONE_STATEMENT = 10  # setup tests; more are rare, and each number of them is a statement of its own
# The columns of a row that no worker holds and none is to take up.
NOT_HELD: dict[str, Any] = {"token": None, "lease_until": None, "next_try_at": None}


def to_created(
    conn_request: ConnectionRequest,
    actor: Actor,
    data: Mapping[str, Any],
    *,
    guard: Q | None = None,
    adopted: bool = False,
    attempt: tuple[Attempt, Mapping[str, Any]] | None = None,
) -> bool:
    """The connection exists: store its id, Fivetran's status and the setup tests in the answer, with the `attempt` and
    how it ended. Returns whether such a test asks for something. A connection that another request holds leads to
    `unknown`.
    """
    also = [attempt] if attempt else []
    try:
        with atomic():
            return _store_created(conn_request, actor, data, guard, adopted, also)
    except IntegrityError:
        log.warning("request %s: connection id is attached to another request", conn_request.pk)
        conn_request.refresh_from_db()  # it may have been moved in memory
        note = "Fivetran answered with a connection that belongs to another request."
        to_unknown(conn_request, actor, note, guard, also)
        return False


def _store_created(
    conn_request: ConnectionRequest,
    actor: Actor,
    data: Mapping[str, Any],
    guard: Q | None,
    adopted: bool,
    also: Sequence[tuple[Attempt, Mapping[str, Any]]],
) -> bool:
    # Tests that the body asks for are owed until their result is stored; a connection that was found brings none.
    asked_for = bool((conn_request.payload or {}).get("run_setup_tests"))
    brought = asked_for and not adopted and bool(tests_in(data))
    tests = SetupTestsState.STORED if brought else SetupTestsState.DUE if asked_for else SetupTestsState.NONE
    setup_state = status_columns(data)["setup_state"]
    told = notifications.of_creation(conn_request, setup_state)
    handed_over = HandoverState.WAITING if any(isinstance(row, Handover) for row in told) else None
    step = next_step(Status.CREATED, setup_state=setup_state, handover=handed_over, tests=tests)
    connection = Connection.objects.described(
        conn_request,
        data,
        actor=actor,
        adopted=adopted,
        tests=tests,
    )
    run, results = run_in(connection, data)
    in_one = brought and len(results) <= IN_ONE_STATEMENT
    transition(
        conn_request,
        Status.CREATED,
        actor=actor,
        guard=guard,
        connection_id=data["id"],
        next_lookup_at=None,
        note="",
        turn=step.owner.value,
        insert=[connection, *told, *([run, *results] if in_one else [])],
        also=also,
        **NOT_HELD,
    )
    if brought and not in_one:
        run.save()
        SetupTest.objects.bulk_create(results)
    if asks := brought and connection.tests_open > 0:
        connection.count_trust()
        notifications.tell_of_trust(conn_request, connection)
        if connection.trust_waiting:
            store_turn(conn_request.pk)
    return asks


def to_failed(conn_request: ConnectionRequest, code: str, message: str, guard: Q) -> None:
    """Fivetran refused, and nothing exists."""
    with atomic():
        _end(conn_request, Status.FAILED, Actor.WORKER, guard, failure_code=code, failure_message=message)
        notifications.notify(conn_request, NoticeKind.FAILED, *notifications.askers(conn_request))
        # The code says whose turn it is.
        if next_step(conn_request.status, failure_code=code) is NextStep.REFUSED_FOR_OPERATORS:
            notifications.notify(conn_request, NoticeKind.ATTENTION, *notifications.operators())


def put_back(
    conn_request: ConnectionRequest, actor: Actor, why: str, guard: Q, *, pause: float = 0, **columns: Any
) -> None:
    """It goes back to the queue, due again after `pause` seconds."""
    transition(
        conn_request,
        Status.APPROVED,
        actor=actor,
        guard=guard,
        detail={"why": why},
        token=None,
        lease_until=None,
        deadline_at=None,
        next_try_at=Now() + timedelta(seconds=pause),
        **columns,
    )


def tell_of_bad_key(conn_request: ConnectionRequest, error: FivetranError) -> None:
    """Operators are told of a key that Fivetran does not accept, once per request."""
    if isinstance(error, Unauthorized):
        notifications.tell_of_refusal(conn_request, BAD_KEY)


def to_unknown(
    conn_request: ConnectionRequest,
    actor: Actor,
    why: str,
    guard: Q | None = None,
    also: Sequence[tuple[Attempt, Mapping[str, Any]]] = (),
) -> None:
    """Nobody knows whether it exists: only looking helps from now on, and the first look is due at once."""
    look: dict[str, Any] = {"unknown_at": Now(), "next_lookup_at": Now(), "lookups": 0}
    _end(conn_request, Status.UNKNOWN, actor, guard, why, also=also, **look)


def to_attention(conn_request: ConnectionRequest, actor: Actor, why: str, guard: Q | None = None) -> None:
    """An operator has to look, and is told."""
    with atomic():
        _end(conn_request, Status.ATTENTION, actor, guard, why, next_lookup_at=None)
        notifications.notify(conn_request, NoticeKind.ATTENTION, *notifications.operators())


def _end(
    conn_request: ConnectionRequest, target: Status, actor: Actor, guard: Q | None, why: str = "", **columns: Any
) -> None:
    """No worker holds it any more, and none is to send it; `why` stands in its history and beside its status."""
    columns |= {"note": why[:500], **NOT_HELD}
    transition(conn_request, target, actor=actor, guard=guard, detail={"why": why[:500]} if why else {}, **columns)
