"""What is not sent after all, and why it neither hangs for ever nor holds others up: keys, refusals, pauses."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connections, transaction
from django.db.models.functions import Now

from connections import permissions, tasks, worker, workflow
from connections.models import (
    BreakerReason,
    ChangeKind,
    CircuitBreaker,
    Connection,
    ConnectionRequest,
    Heartbeat,
    SetupTestsState,
    StaleRow,
    WebhookDelivery,
)
from connections.models.webhook import PRUNED
from connections.queue import circuit_breaker
from connections.states import Actor, ChangeStatus, Status
from connections.worker import connection_status, outcome
from connections.worker import create as sending
from connections.workflow import operations
from tests import factories, statements
from tests.processes import until
from tests.queue.test_circuit_breaker import AN_HOUR, fresh, put, seconds_left
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
RUN_TESTS = {"method": "POST", "path": "/v1/connections/*"}
LOOK_UP = {"method": "GET", "path": "/v1/connections*"}
SOMEBODY_ELSE = {"code": "Success", "data": {"account_id": "another_account", "account_name": "Another"}}
FORBIDDEN = {**LOOK_UP, "status": 403, "body": {"code": "Forbidden", "message": "Not for this key"}}


# --- while a call is under way -------------------------------------------------------------------------------------
@pytest.fixture
def patient(settings: Any) -> None:
    """No call that the test holds ends by itself."""
    settings.SUBMIT_READ_TIMEOUT = settings.SUBMIT_DEADLINE = 60


@contextmanager
def held(fivetran: Fivetran, call: dict[str, str]) -> Iterator[None]:
    """The next such call is answered when the sandbox is told to."""
    fivetran.hold("headers", call["method"], call["path"])
    try:
        yield
    finally:
        fivetran.release()


@contextmanager
def begun(job: str, row: int) -> Iterator[None]:
    """`job` goes on in a thread, as in a worker; the end of the block waits for its end."""

    def run() -> None:
        try:
            worker.run(job, row)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(run)
        try:
            yield
        finally:
            done.result(60)


def messages(broker: Any, lane: str) -> list[tuple[str, list[Any]]]:
    """The tasks and arguments that wait in that lane."""
    found = [json.loads(item) for item in broker.lrange(lane, 0, -1)]
    return [(item["headers"]["task"], json.loads(base64.b64decode(item["body"]))[0]) for item in found]


# --- a key that cannot be read --------------------------------------------------------------------------------------
def test_a_key_that_cannot_be_read_stops_the_queue_and_fails_nothing(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    created = approve("sheets_there")
    worker.run("submit", created.pk)
    change = workflow.ask_for_change(
        by=created.requester, conn_request=fresh(created), kind=ChangeKind.PAUSE, reason="x"
    )
    workflow.approve_change(by=factories.person("approver"), change=change, digest=change.digest)
    waiting = approve("sheets_waiting")
    assert waiting.approved_account.partition(" ")[2]

    def unreadable() -> tuple[str, str]:
        raise ImproperlyConfigured("FIVETRAN_API_KEY_FILE names a file that cannot be read")

    read, settings.FIVETRAN_CREDENTIALS = settings.FIVETRAN_CREDENTIALS, unreadable
    worker.run("submit", waiting.pk)
    waiting = fresh(waiting)
    assert (waiting.state, waiting.attempts_used) == (Status.APPROVED, 0)
    assert circuit_breaker.current().reason == BreakerReason.AUTH
    put(BreakerReason.CLOSED)
    worker.run("apply_change", change.pk)
    change.refresh_from_db()
    assert change.status == ChangeStatus.APPROVED

    settings.FIVETRAN_CREDENTIALS = read
    put(BreakerReason.AUTH)
    worker.run("probe")
    worker.run("submit", waiting.pk)
    assert fresh(waiting).state is Status.CREATED


def test_a_key_of_another_account_that_comes_while_looking_sends_nothing(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    worker.run("submit", approve("sheets_before").pk)  # whose account it is, is known by now
    conn_request, posts, (key, secret) = approve("sheets_swapped"), fivetran.posts(), settings.FIVETRAN_CREDENTIALS()
    looks = len(fivetran.looks())

    def replaced() -> tuple[str, str]:
        return ("another-key" if len(fivetran.looks()) > looks else key, secret)

    settings.FIVETRAN_CREDENTIALS = replaced
    fivetran.next({"method": "GET", "path": "/v1/account/info", "status": 200, "body": SOMEBODY_ELSE})
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.ATTENTION and "another Fivetran account" in fresh(conn_request).note
    assert fivetran.posts() == posts


# --- look-ups that say nothing ------------------------------------------------------------------------------------
def submit_unseen(conn_request: ConnectionRequest, fivetran: Fivetran) -> ConnectionRequest:
    """Submit what was sent before, with a key that may not list; the row afterwards."""
    ConnectionRequest.objects.filter(pk=conn_request.pk, first_sent_at=None).update(first_sent_at=Now())
    fivetran.next(FORBIDDEN)
    worker.run("submit", conn_request.pk)
    return fresh(conn_request)


def test_a_refused_look_up_of_what_was_sent_before_needs_a_person_who_can_vouch(
    fivetran: Fivetran, approve: Approve
) -> None:
    conn_request = submit_unseen(approve("sheets_hidden"), fivetran)
    assert conn_request.state is Status.ATTENTION and "Not for this key" in conn_request.note
    assert fivetran.posts() == []

    operations.send_again(by=factories.person("operator"), conn_request=conn_request, reason="Looked: it is not there")
    assert submit_unseen(conn_request, fivetran).state is Status.CREATED and len(fivetran.posts()) == 1


def test_what_an_operator_vouched_for_counts_until_the_next_unclear_ending(
    fivetran: Fivetran, approve: Approve
) -> None:
    conn_request = submit_unseen(approve("error_hidden"), fivetran)
    operations.send_again(by=factories.person("operator"), conn_request=conn_request, reason="Looked: it is not there")
    conn_request = submit_unseen(conn_request, fivetran)
    assert conn_request.state is Status.UNKNOWN
    outcome.to_attention(fresh(conn_request), Actor.RECONCILER, "Nobody could look")
    assert not sending.sent_again_by_operator(fresh(conn_request))


def test_one_row_without_a_clear_look_up_gives_way_and_ends_with_a_person(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    settings.PROBE_SECONDS = 30
    broken, other = approve("sheets_broken"), approve("sheets_other")
    pauses = []
    for _ in range(5):
        put(BreakerReason.HALF_OPEN)
        fivetran.next({**LOOK_UP, "status": 500, "body": {}, "times": 3})
        worker.run("submit", broken.pk)
        assert fresh(broken).state is Status.APPROVED and circuit_breaker.current().reason == BreakerReason.OPEN
        again, now = ConnectionRequest.objects.filter(pk=broken.pk).values_list("next_try_at", Now()).get()
        pauses.append(round((again - now).total_seconds()))
        put(BreakerReason.HALF_OPEN)
        assert worker.sweep()["submit"] == [other.pk]
        ConnectionRequest.objects.filter(pk=broken.pk).update(next_try_at=Now())
    assert pauses == [30, 60, 120, 240, 480]
    put(BreakerReason.CLOSED)
    worker.run("submit", broken.pk)
    assert fresh(broken).state is Status.ATTENTION and fivetran.posts() == []


def test_an_unclear_look_at_one_connection_does_not_end_a_trial(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    settings.PROBE_SECONDS = 30
    conn_request = approve("sheets_sick")
    worker.run("submit", conn_request.pk)
    Connection.objects.update(check_due_at=Now())
    put(BreakerReason.HALF_OPEN)
    fivetran.next({**LOOK_UP, "path": "/v1/connections/*", "status": 500, "body": {}, "times": 3})
    worker.run("check", conn_request.pk)
    assert (
        circuit_breaker.current().reason == BreakerReason.HALF_OPEN and circuit_breaker.current().unclear_in_a_row == 1
    )


# --- closed between the claim and the call --------------------------------------------------------------------------
@pytest.mark.parametrize("reason", ["pause", BreakerReason.AUTH, BreakerReason.OPEN, BreakerReason.RATE_LIMITED])
def test_what_was_not_sent_when_the_gate_closed_waits(
    fivetran: Fivetran, approve: Approve, patient: None, reason: str
) -> None:
    conn_request = approve("sheets_held")
    with held(fivetran, LOOK_UP), begun("submit", conn_request.pk):
        until(fivetran.holding)
        if reason == "pause":
            operations.pause(by=factories.person("operator"), reason="")
        else:
            put(BreakerReason(reason), due=False)
        fivetran.release()
    conn_request = fresh(conn_request)
    assert (conn_request.state, conn_request.attempts_used, conn_request.first_sent_at) == (Status.APPROVED, 0, None)
    assert fivetran.posts() == []
    CircuitBreaker.objects.update(reason=BreakerReason.CLOSED, not_before=None, paused_at=None)
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.CREATED


def test_the_one_on_trial_goes_on_and_is_waited_for_as_long_as_its_call_may_last(
    fivetran: Fivetran, approve: Approve, patient: None, settings: Any
) -> None:
    settings.CLAIM_LEASE, settings.SUBMIT_DEADLINE = 60, AN_HOUR
    conn_request, waits = approve("sheets_trial"), []
    put(BreakerReason.HALF_OPEN)
    with held(fivetran, LOOK_UP), begun("submit", conn_request.pk):
        until(fivetran.holding)
        waits.append(seconds_left())
        fivetran.hold("effect")
        fivetran.release("headers")
        until(fivetran.holding)
        waits.append(seconds_left())
        fivetran.release()
    assert [round(wait, -1) for wait in waits] == [60, AN_HOUR]


def test_what_was_sent_once_is_not_withdrawn(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("sheets_maybe")
    ConnectionRequest.objects.update(first_sent_at=Now())
    with pytest.raises(permissions.Denied, match="sent once"):
        workflow.withdraw(by=conn_request.requester, conn_request=fresh(conn_request))
    stale = fresh(conn_request)
    stale.first_sent_at = None
    ConnectionRequest.objects.update(version=stale.version + 1)
    with pytest.raises(StaleRow):
        workflow.withdraw(by=conn_request.requester, conn_request=stale)


# --- the sweeper and the operator's message -----------------------------------------------------------------------
def test_housekeeping_that_fails_does_not_keep_the_messages_from_ringing(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("sheets_due")
    housekeeping = 'FROM "connections_handover"|UPDATE "connections_trust'
    with statements.before(housekeeping, statements.away, times=9) as failed:
        assert worker.sweep()["submit"] == [conn_request.pk]
    assert {re.search("handover|trust", statement)[0] for statement in failed} == {"handover", "trust"}  # type: ignore[index]


def test_the_first_probe_after_the_database_was_away_asks_for_a_sweep(db: None) -> None:
    with statements.before("connections_circuitbreaker", statements.away), pytest.raises(OperationalError):
        worker.run("probe")
    assert worker.run("probe") == [("sweep", True)]
    assert worker.run("probe") == []


def test_old_digests_are_forgotten_some_at_a_time(db: None) -> None:
    old = [WebhookDelivery(digest=str(n), at=Now() - timedelta(days=9, seconds=-n)) for n in range(PRUNED + 2)]
    WebhookDelivery.objects.bulk_create([*old, WebhookDelivery(digest="new")])
    for left in ([str(PRUNED), str(PRUNED + 1), "new"], ["new"], ["new"]):
        worker.sweep()
        assert list(WebhookDelivery.objects.order_by("at").values_list("digest", flat=True)) == left


def test_resume_is_heard_right_after_a_sweep(fivetran: Fivetran, approve: Approve, live_broker: str) -> None:
    conn_request, operator = approve("sheets_resumed"), factories.person("operator")
    operations.pause(by=operator, reason="")
    tasks.TASKS["sweep"]()
    heard = list(Heartbeat.objects.values_list("process", "at"))
    with redis.Redis.from_url(live_broker) as broker:
        broker.flushall()
        operations.resume(by=operator)
        assert messages(broker, "control") == [("sweep", [True])]
        tasks.TASKS["sweep"](True)
        assert ("submit", [conn_request.pk]) in messages(broker, "slow")
    assert (
        list(Heartbeat.objects.values_list("process", "at")) == heard
    )  # a person's message is no sign of the scheduler


# --- what is gone, and what is counted once -------------------------------------------------------------------------
def test_a_run_of_tests_ends_with_its_connection(fivetran: Fivetran, approve: Approve, patient: None) -> None:
    conn_request = approve("sheets_gone")
    worker.run("submit", conn_request.pk)
    Connection.objects.update(tests=SetupTestsState.DUE, tests_next_try_at=Now())
    fivetran.next({**RUN_TESTS, "status": 429, "body": {"code": "TooManyRequests", "message": "Too many"}})
    with held(fivetran, RUN_TESTS), begun("run_tests", conn_request.pk):
        until(fivetran.holding)
        with transaction.atomic():
            connection_status.mark_deleted(fresh(conn_request))
        fivetran.release()
    connection = Connection.objects.get()
    assert (connection.tests, connection.tests_token) == (SetupTestsState.STORED, None)
    put(BreakerReason.CLOSED)
    Connection.objects.update(tests=SetupTestsState.DUE, tests_next_try_at=Now())  # whatever else made it due
    assert worker.sweep()["run_tests"] == []


def test_one_unclear_call_counts_once_while_the_database_hiccups(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("sheets_counted")
    worker.run("submit", conn_request.pk)
    Connection.objects.update(tests=SetupTestsState.DUE, tests_next_try_at=Now())
    fivetran.next({"method": "POST", "path": "/v1/connections/*", "status": 500, "body": {}})
    with statements.before('UPDATE "connections_attempt"', statements.away, times=3) as tries:
        worker.run("run_tests", conn_request.pk)
    assert len(tries) == 4
    assert circuit_breaker.current().unclear_in_a_row == 1 and circuit_breaker.current().reason == BreakerReason.CLOSED
