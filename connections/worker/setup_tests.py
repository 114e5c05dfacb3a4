"""Running the setup tests of a created connection. Fivetran lets them be repeated, so a lost run is due again."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection as database
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from connections import catalog, notifications
from connections.fivetran import configured
from connections.fivetran.client import Answer
from connections.fivetran.errors import FivetranError, Refused
from connections.models import (
    Attempt,
    Connection,
    ConnectionRequest,
    Event,
    EventKind,
    SetupTestsState,
    move,
    store_run,
    store_turn,
)
from connections.models.connection import DUE_NOW
from connections.queue import call, rate_budget, retry
from connections.queue.claim import Claim, Queue
from connections.states import Actor
from connections.worker import connection_status

_COLUMNS = ("tests_next_try_at", "tests_token", "tests_lease_until", "tests_attempts", "tests_note")
QUEUE = Queue(Connection, SetupTestsState.DUE, SetupTestsState.RUNNING, *_COLUMNS)
DUE = Q(connection_status.THERE, tests=SetupTestsState.DUE, tests_next_try_at__lte=Now())
due = Connection.objects.filter(DUE).all


def gave_up() -> QuerySet[Connection]:
    there = Connection.objects.filter(tests=SetupTestsState.STORED, request__deleted_at_fivetran_at=None)
    return there.filter(tests_attempts__gte=retry.MAX_ATTEMPTS).exclude(tests_note="").select_related("request")


def again(connection: Connection, by: User) -> None:
    mine, actor = Connection.objects.filter(pk=connection.pk), Actor.OPERATOR
    asked = partial(Event.objects.note, connection.request, EventKind.TESTS_REQUESTED, actor=actor, by=by)
    move(mine, SetupTestsState.DUE, actor=actor, event=asked, **DUE_NOW)
    store_turn(connection.request_id)


def run_tests(request_id: int) -> None:
    """Run the tests of the request's connection if they are due, nobody else runs them and calls are let through."""

    def mine() -> QuerySet[Connection]:
        return due().filter(request_id=request_id)

    permit = rate_budget.acquire(mine, "run_tests")
    if not permit.taken:
        if permit.wait_until is not None:
            mine().update(tests_next_try_at=permit.wait_until)
        return
    held = None
    try:
        held = QUEUE.claim(Q(request_id=request_id) & DUE, timedelta(seconds=settings.SUBMIT_DEADLINE * 1.1))
    finally:
        if held is None:
            rate_budget.release(permit)
    if held is None:
        return
    rate_budget.extend(permit)
    if _run(held):
        catalog.learn_group(request_id)


def _run(held: Claim[Connection]) -> bool:
    """Returns whether a test asks for something, or may do so."""
    conn_request = held.row.request
    body = conn_request.payload or {}

    def ask() -> Answer:
        database.close()  # the tests may last for minutes
        return configured.client().run_setup_tests(
            str(conn_request.connection_id),
            trust_certificates=bool(body.get("trust_certificates")),
            trust_fingerprints=bool(body.get("trust_fingerprints")),
        )

    return call.recorded(conn_request, Attempt.Call.TESTS, ask, partial(_store, held)) is not False


def _store(held: Claim[Connection], result: Answer | FivetranError) -> bool:
    conn_request = held.row.request
    if isinstance(result, FivetranError):
        _not_run(held, result)
        return False
    if QUEUE.holding(held).update(tests_token=None, tests_lease_until=None) != 1:
        return False  # another run took over; this one's result is in the attempts
    connection_status.record_status(held.row, result.data)
    last = conn_request.events.filter(kind__in=[EventKind.TESTS_REQUESTED, EventKind.TESTS_STORED]).first()
    asked_by_id = last.by_id if last is not None else None
    asks = store(conn_request, held.row, result.data, asked_by_id)
    Event.objects.note(conn_request, EventKind.TESTS_STORED, actor=Actor.WORKER)
    return asks


def store(
    conn_request: ConnectionRequest, connection: Connection, data: Mapping[str, Any], asked_by_id: int | None = None
) -> bool:
    """Store the run in an answer's `data`, in a transaction. Returns whether a test asks for something."""
    asks = store_run(connection, data, asked_by_id)
    store_turn(conn_request.pk)
    notifications.tell_of_trust(conn_request, connection)
    return asks


def _not_run(held: Claim[Connection], error: FivetranError) -> None:
    """Try again later; after a refusal, or the last try, say why and leave it to the button."""
    if retry.is_final(error, held.row.tests_attempts):
        move(QUEUE.holding(held), SetupTestsState.STORED, actor=Actor.WORKER, **QUEUE.ended(error.message))
    else:
        QUEUE.put_back(held, error)
    store_turn(held.row.request_id)
    if isinstance(error, Refused):
        connection_status.heed_refusal(held.row.request, error)
