"""The breaker before the account: who may go, who waits and for how long, and what it takes to close and open it."""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models.functions import Now

from connections import worker
from connections.fivetran.errors import RateLimited, Unknown
from connections.models import BreakerReason, CircuitBreaker, ConnectionRequest, Heartbeat, Process
from connections.queue import circuit_breaker, rate_budget
from connections.queue.job import Needs
from connections.states import Status
from tests import factories, statements
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
AN_HOUR = 3600.0
BREAKER_WRITTEN = 'UPDATE "connections_circuitbreaker"'


def fresh(conn_request: ConnectionRequest) -> ConnectionRequest:
    """The row as it is now."""
    return ConnectionRequest.objects.get(pk=conn_request.pk)


def put(reason: BreakerReason, *, due: bool = True) -> None:
    """The circuit breaker as it is with this reason, its wait over or not."""
    moment = Now() - timedelta(seconds=1) if due else Now() + timedelta(seconds=AN_HOUR)
    circuit_breaker.current()
    CircuitBreaker.objects.update(reason=reason, not_before=moment, unclear_in_a_row=0, probes=0)


def seconds_left() -> float:
    """How long the circuit breaker waits from now on, by the database's clock."""
    until, now = CircuitBreaker.objects.values_list("not_before", Now()).get()
    return (until - now).total_seconds() if until else 0.0


def asked_to_wait(seconds: float) -> RateLimited:
    """A 429 with a Retry-After."""
    error = RateLimited("Too many requests", status=429)
    error.retry_after = seconds
    return error


# --- who is away -----------------------------------------------------------------------------------------------------
def test_a_message_that_comes_a_little_early_still_looks_for_who_is_away(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    """The scheduler's messages come every PROBE_INTERVAL, now a moment late and now a moment early."""
    settings.FIVETRAN_BASE_URL = "http://127.0.0.1:9"
    put(BreakerReason.OPEN)
    for looks in (1, 2, 3):
        circuit_breaker.probe()
        assert CircuitBreaker.objects.get().probes == looks
        time.sleep(settings.PROBE_INTERVAL - 0.3)  # the interval itself
    assert 2 * settings.PROBE_INTERVAL <= 5


# --- one alone ------------------------------------------------------------------------------------------------------
def test_a_trial_that_made_no_call_is_the_next_ones(fivetran: Fivetran, approve: Approve, settings: Any) -> None:
    settings.SUBMIT_DEADLINE = AN_HOUR
    stranger, changed, next_one = approve("sheets_stranger"), approve("sheets_changed"), approve("sheets_next")
    fivetran.seed(group_id=stranger.group_id, service="google_sheets", schema=stranger.schema)
    ConnectionRequest.objects.filter(pk=changed.pk).update(payload={"service": "google_sheets"})
    put(BreakerReason.HALF_OPEN)
    worker.run("submit", stranger.pk)
    assert fresh(stranger).state is Status.FAILED
    worker.run("submit", changed.pk)
    assert fresh(changed).state is Status.ATTENTION
    assert circuit_breaker.current().reason == BreakerReason.HALF_OPEN
    worker.run("submit", next_one.pk)
    assert fresh(next_one).state is Status.CREATED
    assert circuit_breaker.current().reason == BreakerReason.CLOSED


@pytest.mark.django_db
def test_who_comes_too_late_for_the_trial_keeps_the_moment_at_which_it_is_due(settings: Any) -> None:
    settings.SUBMIT_DEADLINE = AN_HOUR
    late = factories.approved()
    put(BreakerReason.HALF_OPEN)
    with statements.before(BREAKER_WRITTEN, partial(put, BreakerReason.HALF_OPEN, due=False)) as found:
        worker.run("submit", late.pk)  # somebody else is on the way since the row was read
    assert found and fresh(late).state is Status.APPROVED
    assert fresh(late).next_try_at == late.next_try_at


@pytest.mark.django_db
def test_a_short_wait_ends_a_trial_as_a_short_wait(settings: Any) -> None:
    settings.SUBMIT_DEADLINE = AN_HOUR
    put(BreakerReason.HALF_OPEN)
    assert rate_budget.acquire().alone
    circuit_breaker.record_failure(asked_to_wait(300))
    assert circuit_breaker.current().reason == BreakerReason.RATE_LIMITED
    assert 0 < seconds_left() < 400


@pytest.mark.django_db
def test_the_longer_of_two_waits_counts() -> None:
    circuit_breaker.record_failure(asked_to_wait(AN_HOUR))
    circuit_breaker.record_failure(asked_to_wait(2))
    assert seconds_left() > AN_HOUR - 10


# --- unclear endings ------------------------------------------------------------------------------------------------
def test_look_ups_that_are_answered_do_not_speak_for_creations(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    settings.PROBE_SECONDS = 30
    for number in range(circuit_breaker.UNCLEAR_LIMIT):
        assert circuit_breaker.allows(Needs.CALLING)
        conn_request = approve(f"error_{number}")
        worker.run("submit", conn_request.pk)
        assert fresh(conn_request).state is Status.UNKNOWN
        ConnectionRequest.objects.filter(pk=conn_request.pk).update(next_lookup_at=Now() - timedelta(seconds=1))
        worker.run("reconcile", conn_request.pk)
        assert fresh(conn_request).lookups == 1
    assert circuit_breaker.current().reason == BreakerReason.OPEN
    put(BreakerReason.HALF_OPEN)
    ConnectionRequest.objects.update(next_lookup_at=Now() - timedelta(seconds=1))
    worker.run("reconcile", conn_request.pk)
    assert circuit_breaker.current().reason == BreakerReason.HALF_OPEN


@pytest.mark.django_db
def test_unclear_endings_close_it_after_a_wait_that_is_over_too() -> None:
    put(BreakerReason.RATE_LIMITED)
    for _ in range(circuit_breaker.UNCLEAR_LIMIT):
        assert circuit_breaker.allows(Needs.CALLING)
        circuit_breaker.record_failure(Unknown("no answer"))
    assert circuit_breaker.current().reason == BreakerReason.OPEN


# --- Fivetran asks to wait ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("reason", [BreakerReason.AUTH, BreakerReason.OPEN])
def test_a_probe_that_is_asked_to_wait_waits(fivetran: Fivetran, reason: BreakerReason) -> None:
    put(reason)
    fivetran.next(
        {
            "status": 429,
            "method": "GET",
            "path": "/v1/groups*",
            "headers": {"Retry-After": "3600"},
            "body": {"code": "TooManyRequests", "message": "Too many"},
        }
    )
    worker.run("probe")
    assert circuit_breaker.current().reason == reason  # only an answer lifts it
    assert seconds_left() > AN_HOUR - 60


def test_nobody_looks_anything_up_before_the_wait_is_over(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("lost_one")
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.UNKNOWN
    put(BreakerReason.RATE_LIMITED, due=False)
    asked = len(fivetran.call("journal"))
    assert worker.sweep()["reconcile"] == []
    worker.run("reconcile", conn_request.pk)
    assert len(fivetran.call("journal")) == asked
    put(BreakerReason.RATE_LIMITED)
    assert worker.sweep()["reconcile"] == [conn_request.pk]
    worker.run("reconcile", conn_request.pk)
    assert fresh(conn_request).state is Status.CREATED


def test_who_was_asked_to_wait_keeps_its_place(fivetran: Fivetran, approve: Approve, settings: Any) -> None:
    settings.PROBE_SECONDS = 30
    first, second = approve("busy_first"), approve("sheets_second")
    worker.run("submit", first.pk)
    assert fresh(first).state is Status.APPROVED
    assert worker.sweep()["submit"] == []
    put(BreakerReason.RATE_LIMITED)
    assert worker.sweep()["submit"] == [first.pk, second.pk]


# --- the database in between ----------------------------------------------------------------------------------------
ENDINGS = {
    "busy_a": Status.APPROVED,
    "error_a": Status.UNKNOWN,
    "sheets_a": Status.CREATED,
    "refused_a": Status.FAILED,
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_result_is_written_once_though_the_gate_could_not_be_at_first(
    fivetran: Fivetran, approve: Approve, name: str
) -> None:
    conn_request = approve(name)
    with statements.before("connections_circuitbreaker", statements.away, when=lambda: bool(fivetran.posts())) as found:
        worker.run("submit", conn_request.pk)
    assert len(found) > 1 and fresh(conn_request).state is ENDINGS[name]
    moves = conn_request.events.order_by("version").values_list("version", flat=True)
    assert list(moves) == list(range(1, fresh(conn_request).version + 1))


def test_a_commit_that_only_seemed_to_fail_is_not_made_twice(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("busy_b")
    with statements.before('UPDATE "connections_attempt"', statements.lose_the_answer_to_commit) as tries:
        worker.run("submit", conn_request.pk)
    assert len(tries) == 2 and fresh(conn_request).state is Status.APPROVED


def test_what_changed_hands_is_not_set_aside(approve: Approve, settings: Any) -> None:
    conn_request = approve("sheets_hands")

    def held_up() -> tuple[str, str]:
        ConnectionRequest.objects.filter(pk=conn_request.pk).update(token="0" * 32)
        raise ValueError("this worker was held up, and another one has the row")

    settings.FIVETRAN_CREDENTIALS = held_up
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.CLAIMED


# --- clocks ---------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_of_sweeps_that_piled_up_the_first_one_is_enough(settings: Any) -> None:
    settings.SWEEP_INTERVAL = 30
    assert [worker.note_alive() for _ in range(3)] == [True, False, False]
    Heartbeat.objects.filter(process=Process.SCHEDULER).update(at=Now() - timedelta(seconds=20))
    assert worker.note_alive()
    Heartbeat.objects.filter(process=Process.WORKER).update(at=Now() - timedelta(minutes=5))
    assert not worker.note_alive()
    assert Heartbeat.objects.silent() == set()


def test_a_breaker_that_is_open_is_told_of_once_a_change(fivetran: Fivetran, caplog: pytest.LogCaptureFixture) -> None:
    def said() -> int:
        return caplog.text.count("the circuit breaker is open")

    for _ in range(3):
        circuit_breaker.record_failure(asked_to_wait(5), read=True)
    assert said() == 1
    put(BreakerReason.CLOSED)
    circuit_breaker.record_failure(asked_to_wait(5))
    assert said() == 2
