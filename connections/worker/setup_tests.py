"""Running the setup tests of a created connection. Fivetran lets them be repeated, so a lost run is due again."""

import logging
import uuid
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import connection as database
from django.db.models import F
from django.db.models.functions import Now

from connections import notifications
from connections.fivetran import configured
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
from connections.models import Attempt, Connection, Event, EventKind, SetupTestsState, move, store_turn
from connections.queue import circuit_breaker
from connections.spec import refusals
from connections.states import Actor
from connections.worker import connection_status, outcome, store_test_run

log = logging.getLogger(__name__)
MAX_ATTEMPTS = 5


def run_tests(request_id: int) -> bool:
    """Run the tests of the request's connection if they are due, no other worker runs them and calls are let through.
    Returns whether one of them asks for something, or may do so.
    """
    if not isinstance(request_id, int):
        return False
    due = Connection.objects.filter(
        request_id=request_id,
        tests=SetupTestsState.DUE,
        tests_next_try_at__lte=Now(),
        request__deleted_at_fivetran_at=None,
    )
    connection = due.select_related("request").first()
    if connection is None:
        return False
    permit = circuit_breaker.acquire(due)
    if not permit.taken:
        if permit.wait_until is not None:
            due.update(tests_next_try_at=permit.wait_until)
        return False
    token = uuid.uuid4()
    lease = timedelta(seconds=settings.SUBMIT_DEADLINE * 1.1)
    # By the row's own columns alone: `due` looks at the request too, which makes the UPDATE's condition a subquery, and
    # PostgreSQL does not ask a subquery again after it has waited for another worker's claim.
    claimed = move(
        Connection.objects.filter(pk=connection.pk, tests_token=connection.tests_token),
        SetupTestsState.RUNNING,
        actor=Actor.WORKER,
        tests_token=token,
        tests_lease_until=Now() + lease,
        tests_attempts=F("tests_attempts") + 1,
    )
    if claimed != 1:
        circuit_breaker.release(permit)
        return False
    connection.tests_attempts += 1
    circuit_breaker.extend(permit)
    return _run(connection, token)


def _run(connection: Connection, token: uuid.UUID) -> bool:
    conn_request = connection.request
    body = conn_request.payload or {}
    attempt = Attempt.objects.create(request=conn_request, call=Attempt.Call.TESTS)
    database.close()  # the tests may last for minutes
    try:
        answer = configured.client().run_setup_tests(
            str(conn_request.connection_id),
            trust_certificates=bool(body.get("trust_certificates")),
            trust_fingerprints=bool(body.get("trust_fingerprints")),
        )
    except FivetranError as error:
        outcome.retry_while_database_down(conn_request, partial(_not_run, connection, token, attempt, error))
        return False

    def store() -> bool:
        with outcome.atomic():
            outcome.close(attempt, answer)
            mine = Connection.objects.filter(pk=connection.pk, tests_token=token)
            if mine.update(tests_token=None, tests_lease_until=None) != 1:
                return False  # another run took over; this one's result is in the attempts
            connection_status.record_status(connection, answer.data)
            last = conn_request.events.filter(kind__in=[EventKind.TESTS_REQUESTED, EventKind.TESTS_STORED]).first()
            asked_by_id = last.by_id if last is not None else None
            asks = store_test_run.store(conn_request, connection, answer.data, asked_by_id=asked_by_id)
            Event.objects.note(conn_request, EventKind.TESTS_STORED, actor=Actor.WORKER)
        circuit_breaker.record_success()
        return asks

    return outcome.retry_while_database_down(conn_request, store) is not False


def _not_run(connection: Connection, token: uuid.UUID, attempt: Attempt, error: FivetranError) -> None:
    """Try again later; after a refusal, or MAX_ATTEMPTS, say why and leave it to the button."""
    final = isinstance(error, Refused) or connection.tests_attempts >= MAX_ATTEMPTS
    give_attempt_back = isinstance(error, (NotSent, RateLimited, Unauthorized))
    with outcome.atomic():
        circuit_breaker.record_failure(error)
        outcome.close(attempt, error)
        move(
            Connection.objects.filter(pk=connection.pk, tests_token=token),
            SetupTestsState.STORED if final and not give_attempt_back else SetupTestsState.DUE,
            actor=Actor.WORKER,
            tests_token=None,
            tests_lease_until=None,
            tests_attempts=F("tests_attempts") - (1 if give_attempt_back else 0),
            tests_next_try_at=Now() + timedelta(seconds=settings.PROBE_SECONDS),
            tests_note=error.message[:500],
        )
        store_turn(connection.request_id)
        if isinstance(error, Refused):
            notifications.tell_of_refusal(connection.request, refusals.code_of(error.status, error.code))
        if isinstance(error, Refused) and error.status == 404:
            Connection.objects.filter(pk=connection.pk).update(check_due_at=Now())  # is it still there?
