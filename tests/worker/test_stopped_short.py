"""What is not sent after all, and why it neither hangs for ever nor holds others up: keys, refusals, pauses."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.models.functions import Now

from connections import permissions, tasks, worker, workflow
from connections.fivetran.errors import NotSent
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
from connections.models import webhook as webhooks
from connections.queue import circuit_breaker
from connections.states import Actor, ChangeStatus, Status
from connections.worker import account, connection_status, handover, lookup, outcome
from connections.worker import create as sending
from connections.workflow import operations
from tests import factories
from tests.queue.test_circuit_breaker import AN_HOUR, fresh, put, seconds_left
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
LOOK_UP = {"method": "GET", "path": "/v1/connections*"}
FORBIDDEN = {**LOOK_UP, "status": 403, "body": {"code": "Forbidden", "message": "Not for this key"}}


# --- a key that cannot be read --------------------------------------------------------------------------------------
def test_a_key_that_cannot_be_read_stops_the_queue_and_fails_nothing(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    created = approve("sheets_there")
    worker.submit(created.pk)
    change = workflow.ask_for_change(by=created.requester, request=fresh(created), kind=ChangeKind.PAUSE, reason="x")
    workflow.approve_change(by=factories.person("approver"), change=change, digest=change.digest)
    waiting = approve("sheets_waiting")
    assert waiting.approved_account.partition(" ")[2]

    def unreadable() -> tuple[str, str]:
        raise ImproperlyConfigured("FIVETRAN_API_KEY_FILE names a file that cannot be read")

    read, settings.FIVETRAN_CREDENTIALS = settings.FIVETRAN_CREDENTIALS, unreadable
    worker.submit(waiting.pk)
    waiting = fresh(waiting)
    assert (waiting.state, waiting.attempts_used) == (Status.APPROVED, 0)
    assert circuit_breaker.current().reason == BreakerReason.AUTH
    put(BreakerReason.CLOSED)
    worker.apply_change(change.pk)
    change.refresh_from_db()
    assert change.status == ChangeStatus.APPROVED

    settings.FIVETRAN_CREDENTIALS = read
    put(BreakerReason.AUTH)
    worker.probe()
    worker.submit(waiting.pk)
    assert fresh(waiting).state is Status.CREATED


def test_a_key_of_another_account_that_comes_while_looking_sends_nothing(
    fivetran: Fivetran, approve: Approve, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, belongs = approve("sheets_swapped"), [True, False]
    monkeypatch.setattr(account, "same", lambda *_: belongs.pop(0))
    worker.submit(request.pk)
    assert fresh(request).state is Status.ATTENTION and "another Fivetran account" in fresh(request).note
    assert fivetran.posts() == []


# --- look-ups that say nothing ------------------------------------------------------------------------------------
def submit_unseen(request: ConnectionRequest, fivetran: Fivetran) -> ConnectionRequest:
    """Submit what was sent before, with a key that may not list; the row afterwards."""
    ConnectionRequest.objects.filter(pk=request.pk, first_sent_at=None).update(first_sent_at=Now())
    fivetran.next(FORBIDDEN)
    worker.submit(request.pk)
    return fresh(request)


def test_a_refused_look_up_of_what_was_sent_before_needs_a_person_who_can_vouch(
    fivetran: Fivetran, approve: Approve
) -> None:
    request = submit_unseen(approve("sheets_hidden"), fivetran)
    assert request.state is Status.ATTENTION and "Not for this key" in request.note
    assert fivetran.posts() == []

    operations.send_again(by=factories.person("operator"), request=request, reason="Looked: it is not there")
    assert submit_unseen(request, fivetran).state is Status.CREATED and len(fivetran.posts()) == 1


def test_what_an_operator_vouched_for_counts_until_the_next_unclear_ending(
    fivetran: Fivetran, approve: Approve
) -> None:
    request = submit_unseen(approve("error_hidden"), fivetran)
    operations.send_again(by=factories.person("operator"), request=request, reason="Looked: it is not there")
    request = submit_unseen(request, fivetran)
    assert request.state is Status.UNKNOWN
    outcome.to_attention(fresh(request), Actor.RECONCILER, "Nobody could look")
    assert not sending._vouched_for(fresh(request))


def test_one_row_without_a_clear_look_up_gives_way_and_ends_with_a_person(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    settings.PROBE_SECONDS = 30
    broken, other = approve("sheets_broken"), approve("sheets_other")
    pauses = []
    for _ in range(5):
        put(BreakerReason.HALF_OPEN)
        fivetran.next({**LOOK_UP, "status": 500, "body": {}, "times": 3})
        worker.submit(broken.pk)
        assert fresh(broken).state is Status.APPROVED and circuit_breaker.current().reason == BreakerReason.OPEN
        again, now = ConnectionRequest.objects.filter(pk=broken.pk).values_list("next_try_at", Now()).get()
        pauses.append(round((again - now).total_seconds()))
        put(BreakerReason.HALF_OPEN)
        assert worker.sweep().submit == [other.pk]
        ConnectionRequest.objects.filter(pk=broken.pk).update(next_try_at=Now())
    assert pauses == [30, 60, 120, 240, 480]
    put(BreakerReason.CLOSED)
    worker.submit(broken.pk)
    assert fresh(broken).state is Status.ATTENTION and fivetran.posts() == []


def test_an_unclear_look_at_one_connection_does_not_end_a_trial(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    settings.PROBE_SECONDS = 30
    request = approve("sheets_sick")
    worker.submit(request.pk)
    Connection.objects.update(check_due_at=Now())
    put(BreakerReason.HALF_OPEN)
    fivetran.next({**LOOK_UP, "path": "/v1/connections/*", "status": 500, "body": {}, "times": 3})
    worker.check(request.pk)
    assert (
        circuit_breaker.current().reason == BreakerReason.HALF_OPEN and circuit_breaker.current().unclear_in_a_row == 1
    )


# --- closed between the claim and the call --------------------------------------------------------------------------
@pytest.mark.parametrize("reason", ["pause", BreakerReason.AUTH, BreakerReason.OPEN, BreakerReason.RATE_LIMITED])
def test_what_was_not_sent_when_the_gate_closed_waits(
    fivetran: Fivetran, approve: Approve, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    request, look_up = approve("sheets_held"), lookup.look_up

    def slow(*arguments: Any, **options: Any) -> Any:
        if reason == "pause":
            operations.pause(by=factories.person("operator"), reason="")
        else:
            put(BreakerReason(reason), due=False)
        return look_up(*arguments, **options)

    monkeypatch.setattr(lookup, "look_up", slow)
    worker.submit(request.pk)
    request = fresh(request)
    assert (request.state, request.attempts_used, request.first_sent_at) == (Status.APPROVED, 0, None)
    assert fivetran.posts() == []
    monkeypatch.undo()
    CircuitBreaker.objects.update(reason=BreakerReason.CLOSED, not_before=None, paused_at=None)
    worker.submit(request.pk)
    assert fresh(request).state is Status.CREATED


def test_the_one_on_trial_goes_on_and_is_waited_for_as_long_as_its_call_may_last(
    fivetran: Fivetran, approve: Approve, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLAIM_LEASE, settings.SUBMIT_DEADLINE = 60, AN_HOUR
    request, look_up, waits = approve("sheets_trial"), lookup.look_up, []

    def slow(*arguments: Any, **options: Any) -> Any:
        waits.append(seconds_left())
        return look_up(*arguments, **options)

    def create(*_: Any, **__: Any) -> Any:
        waits.append(seconds_left())
        raise RuntimeError

    monkeypatch.setattr(lookup, "look_up", slow)
    monkeypatch.setattr("connections.fivetran.client.FivetranClient.create_connection", create)
    put(BreakerReason.HALF_OPEN)
    worker.submit(request.pk)
    assert [round(wait, -1) for wait in waits] == [60, AN_HOUR]


def test_what_was_sent_once_is_not_withdrawn(fivetran: Fivetran, approve: Approve) -> None:
    request = approve("sheets_maybe")
    ConnectionRequest.objects.update(first_sent_at=Now())
    with pytest.raises(permissions.Denied, match="sent once"):
        workflow.withdraw(by=request.requester, request=fresh(request))
    stale = fresh(request)
    stale.first_sent_at = None
    ConnectionRequest.objects.update(version=stale.version + 1)
    with pytest.raises(StaleRow):
        workflow.withdraw(by=request.requester, request=stale)


# --- the sweeper and the operator's message -----------------------------------------------------------------------
def test_housekeeping_that_fails_does_not_keep_the_messages_from_ringing(
    fivetran: Fivetran, approve: Approve, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = approve("sheets_due")

    def locked() -> None:
        raise OperationalError("canceling statement due to lock timeout")

    monkeypatch.setattr(handover, "sweep", locked)
    monkeypatch.setattr("connections.worker.trust.release", locked)
    assert worker.sweep().submit == [request.pk]


def test_old_digests_are_forgotten_some_at_a_time(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PRUNED", 2)
    for number in range(4):
        WebhookDelivery.objects.create(digest=str(number), at=Now() - timedelta(days=9 - number))
    WebhookDelivery.objects.create(digest="new")
    for left in (["2", "3", "new"], ["new"], ["new"]):
        worker.sweep()
        assert list(WebhookDelivery.objects.order_by("at").values_list("digest", flat=True)) == left


def test_resume_is_heard_right_after_a_sweep(
    fivetran: Fivetran, approve: Approve, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueued: list[tuple[Any, ...]] = []
    monkeypatch.setattr(tasks, "enqueue_many", lambda messages: enqueued.extend(messages) or True)
    request, operator = approve("sheets_resumed"), factories.person("operator")
    operations.pause(by=operator, reason="")
    tasks.sweep()
    heard = list(Heartbeat.objects.values_list("process", "at"))
    enqueued.clear()
    operations.resume(by=operator)
    [(task, *arguments)] = enqueued
    task(*arguments)
    assert (tasks.submit, request.pk) in enqueued
    assert (
        list(Heartbeat.objects.values_list("process", "at")) == heard
    )  # a person's message is no sign of the scheduler


# --- what is gone, and what is counted once -------------------------------------------------------------------------
def test_a_run_of_tests_ends_with_its_connection(
    fivetran: Fivetran, approve: Approve, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = approve("sheets_gone")
    worker.submit(request.pk)
    Connection.objects.update(tests=SetupTestsState.DUE, tests_next_try_at=Now())

    def gone(*_: Any, **__: Any) -> Any:
        connection_status.mark_deleted(fresh(request))
        raise NotSent("the line broke")

    monkeypatch.setattr("connections.fivetran.client.FivetranClient.run_setup_tests", gone)
    worker.run_tests(request.pk)
    connection = Connection.objects.get()
    assert (connection.tests, connection.tests_token) == (SetupTestsState.STORED, None)
    Connection.objects.update(tests=SetupTestsState.DUE, tests_next_try_at=Now())  # whatever else made it due
    assert worker.sweep().run_tests == []


def test_one_unclear_call_counts_once_while_the_database_hiccups(
    fivetran: Fivetran, approve: Approve, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, close, hiccups = approve("sheets_counted"), outcome.close, [1, 1, 1]
    worker.submit(request.pk)
    Connection.objects.update(tests=SetupTestsState.DUE, tests_next_try_at=Now())

    def hiccup(*arguments: Any) -> None:
        if hiccups:
            hiccups.pop()
            raise OperationalError("the server closed the connection")
        close(*arguments)

    monkeypatch.setattr(outcome, "close", hiccup)
    monkeypatch.setattr(outcome, "PERSIST_PAUSE", 0)
    fivetran.next({"method": "POST", "path": "/v1/connections/*", "status": 500, "body": {}})
    worker.run_tests(request.pk)
    assert circuit_breaker.current().unclear_in_a_row == 1 and circuit_breaker.current().reason == BreakerReason.CLOSED
