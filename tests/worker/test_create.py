"""An approved request becomes one POST, and every ending is written down as what it proves."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections as databases
from django.db.models import F
from django.db.models.functions import Now

from connections import worker
from connections.models import (
    Attempt,
    BreakerReason,
    CircuitBreaker,
    ConnectionRequest,
    Ending,
    Notice,
    SetupTest,
    transition,
)
from connections.queue import circuit_breaker
from connections.queue.job import Needs
from connections.spec import payloads
from connections.states import Actor, Status
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]


def fresh(conn_request: ConnectionRequest) -> ConnectionRequest:
    """The row as it is now."""
    return ConnectionRequest.objects.get(pk=conn_request.pk)


def test_a_created_connection_is_stored_with_its_status_and_tests(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("sheets_one")
    worker.run("submit", conn_request.pk)
    conn_request = fresh(conn_request)
    [there] = fivetran.connections()
    assert (conn_request.status, conn_request.connection_id) == (Status.CREATED, there["id"])
    assert conn_request.connection.setup_state == "connected"
    assert conn_request.connection.fivetran_status["sync_state"]
    tests = SetupTest.objects.filter(run__connection__request=conn_request)
    assert len(tests) >= 2 and {test.status for test in tests} == {"PASSED"}
    [attempt] = conn_request.attempts.all()
    assert (attempt.call, attempt.ending, attempt.http_status) == (Attempt.Call.CREATE, Ending.ANSWERED, 201)
    assert attempt.x_request_id and attempt.duration_ms is not None
    assert Notice.objects.filter(request=conn_request, kind="created", recipient=conn_request.requester).count() == 1


def test_exactly_the_approved_body_is_sent(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("sheets_body", sync_frequency=60, paused=True)
    worker.run("submit", conn_request.pk)
    [post] = fivetran.posts()
    assert payloads.digest(post["body"]) == conn_request.approved_digest


def test_what_was_approved_with_other_line_ends_is_sent_as_it_was_approved(
    fivetran: Fivetran, approve: Approve
) -> None:
    conn_request = approve("sheets_lines", config__note="a\r\nb")
    worker.run("submit", conn_request.pk)
    [post] = fivetran.posts()
    assert post["body"]["config"]["note"] == "a\r\nb" and payloads.digest(post["body"]) == conn_request.approved_digest


def test_a_second_message_changes_nothing(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("sheets_twice")
    for _ in range(3):
        worker.run("submit", conn_request.pk)
    assert len(fivetran.posts()) == 1


def test_ten_messages_at_once_make_one_call(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("sheets_rush")
    barrier = threading.Barrier(10)

    def enqueue() -> None:
        barrier.wait()
        try:
            worker.run("submit", conn_request.pk)
        finally:
            databases.close_all()

    threads = [threading.Thread(target=enqueue) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fivetran.posts()) == 1 and fresh(conn_request).state is Status.CREATED


@pytest.mark.parametrize("message", ["abc", None, 10**9, -1, [1], {"id": 1}, 1.5, True, 2**63, 10**30])
def test_a_forged_message_does_nothing(fivetran: Fivetran, approve: Approve, message: Any) -> None:
    for job in worker.JOBS:
        if job.rows is not None:
            worker.run(job.name, message)
    assert fivetran.posts() == []


def test_what_is_not_approved_is_never_sent(fivetran: Fivetran, group: str) -> None:
    from tests import factories

    for status in Status:
        if status not in (Status.APPROVED, Status.CLAIMED, Status.SENDING, Status.UNKNOWN):
            conn_request = factories.request_in(status, group_id=group)
            worker.run("submit", conn_request.pk)
    assert fivetran.posts() == []


def test_a_refusal_shows_code_message_and_x_request_id(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("refused_one")
    worker.run("submit", conn_request.pk)
    conn_request = fresh(conn_request)
    assert conn_request.state is Status.FAILED
    assert conn_request.failure_code == "InvalidInput" and conn_request.failure_message
    assert conn_request.attempts.get().x_request_id
    assert fivetran.connections() == []


@pytest.mark.parametrize("prefix", ["forbidden_", "gone_"])
def test_a_definite_refusal_fails_the_request_alone(fivetran: Fivetran, approve: Approve, prefix: str) -> None:
    refused, other = approve(f"{prefix}a"), approve("sheets_other")
    worker.run("submit", refused.pk)
    worker.run("submit", other.pk)
    assert fresh(refused).state is Status.FAILED
    assert fresh(other).state is Status.CREATED


def test_a_name_that_a_stranger_holds_is_refused_before_anything_is_sent(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("taken_by_a_stranger_there".removeprefix("taken_"))
    fivetran.seed(group_id=conn_request.group_id, service="google_sheets", schema=conn_request.schema)
    worker.run("submit", conn_request.pk)
    conn_request = fresh(conn_request)
    assert (conn_request.state, conn_request.failure_code) == (Status.FAILED, "name_taken")
    assert fivetran.posts() == []


def test_a_429_closes_the_gate_for_all_and_burns_no_attempt(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    settings.PROBE_SECONDS = 30
    busy, other = approve("busy_one"), approve("sheets_patient")
    worker.run("submit", busy.pk)
    busy = fresh(busy)
    assert (busy.state, busy.attempts_used, busy.first_sent_at) == (Status.APPROVED, 0, None)
    assert busy.attempts.get().ending == Ending.RATE_LIMITED
    assert circuit_breaker.current().reason == BreakerReason.RATE_LIMITED
    worker.run("submit", other.pk)
    assert fresh(other).state is Status.APPROVED
    CircuitBreaker.objects.update(not_before=Now() - timedelta(seconds=1))
    worker.run("submit", other.pk)
    assert fresh(other).state is Status.CREATED


def test_busy_twice_then_created(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("busy_again")
    for _ in range(3):
        CircuitBreaker.objects.update(not_before=Now() - timedelta(seconds=1))
        ConnectionRequest.objects.update(next_try_at=Now() - timedelta(seconds=1))
        worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.CREATED
    assert len(fivetran.posts()) == 3 and len(fivetran.connections()) == 1


def test_a_bad_key_stops_the_queue_and_a_probe_reopens_it(fivetran: Fivetran, approve: Approve) -> None:
    requests = [approve(f"sheets_{n}") for n in range(3)]
    fivetran.settings(reject_all=True)
    for conn_request in requests:
        worker.run("submit", conn_request.pk)
    assert {fresh(conn_request).state for conn_request in requests} == {Status.APPROVED}
    assert circuit_breaker.current().reason == BreakerReason.AUTH
    fivetran.settings(reject_all=False)
    worker.run("submit", requests[0].pk)
    assert fivetran.connections() == []  # the circuit breaker is open until somebody has asked
    assert ("probe",) in worker.messages(worker.sweep())
    worker.run("probe")
    assert circuit_breaker.allows(Needs.CALLING)
    for conn_request in requests:
        worker.run("submit", conn_request.pk)
    assert {fresh(conn_request).state for conn_request in requests} == {Status.CREATED}


def test_fivetran_away_sends_nothing_and_burns_no_attempt(fivetran: Fivetran, approve: Approve, settings: Any) -> None:
    conn_request = approve("sheets_away")
    settings.FIVETRAN_BASE_URL, right = "http://127.0.0.1:9", settings.FIVETRAN_BASE_URL
    ConnectionRequest.objects.update(approved_account="http://127.0.0.1:9")
    worker.run("submit", conn_request.pk)
    conn_request = fresh(conn_request)
    assert (conn_request.state, conn_request.attempts_used) == (Status.APPROVED, 0) and conn_request.note
    settings.FIVETRAN_BASE_URL = right
    ConnectionRequest.objects.update(approved_account=right)
    assert worker.sweep()["submit"] == []  # nobody else runs into it
    worker.run("probe")
    assert worker.sweep()["submit"] == [conn_request.pk]  # at once, whatever it waited for
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.CREATED


def test_a_changed_body_is_set_aside(fivetran: Fivetran, approve: Approve) -> None:
    conn_request, other = approve("sheets_changed"), approve("sheets_unchanged")
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(
        payload={**(conn_request.payload or {}), "paused": True}
    )
    worker.run("submit", conn_request.pk)
    worker.run("submit", other.pk)
    assert fresh(conn_request).state is Status.ATTENTION and "not the one that was approved" in fresh(conn_request).note
    assert fresh(other).state is Status.CREATED
    assert len(fivetran.posts()) == 1


@pytest.mark.parametrize("account", ["http://127.0.0.1:1 elsewhere", "{root} another_account"])
def test_another_account_never_gets_it(fivetran: Fivetran, approve: Approve, account: str) -> None:
    conn_request = approve("sheets_account")
    ConnectionRequest.objects.update(approved_account=account.format(root=fivetran.url))
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.ATTENTION
    assert fivetran.posts() == []


def test_used_up_attempts_need_a_person(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("sheets_tired")
    ConnectionRequest.objects.update(attempts_used=5)
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.ATTENTION
    assert Notice.objects.filter(request=conn_request, kind="attention").exists() is False  # nobody is an operator here


def test_a_poison_row_is_set_aside_and_the_others_go_on(fivetran: Fivetran, approve: Approve) -> None:
    """Its body has the digest that was approved, and is none that any code expects."""
    before, poison, *after = [approve(f"sheets_{n}") for n in range(5)]
    body: Any = ["no", "object"]
    digest = payloads.digest(body)
    rows = ConnectionRequest.objects.filter(pk=poison.pk)
    rows.update(payload=body, digest=digest, approved_digest=digest, first_sent_at=Now())
    # What was sent before, as the row says, is there: to take it on, one has to read the body.
    fivetran.seed(group_id=poison.group_id, service=poison.service, schema=poison.schema)
    for conn_request in (before, poison, *after, poison):
        worker.run("submit", conn_request.pk)
    assert fresh(poison).state is Status.ATTENTION and "could not process" in fresh(poison).note
    assert {fresh(conn_request).state for conn_request in (before, *after)} == {Status.CREATED}
    assert len(fivetran.posts()) == 4


def test_a_late_worker_cannot_write_over_another(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("sheets_late")
    transition(
        conn_request, Status.CLAIMED, actor=Actor.WORKER, token=uuid.uuid4(), lease_until=Now() - timedelta(seconds=1)
    )
    late = fresh(conn_request)
    worker.sweep()
    worker.run("submit", conn_request.pk)
    with pytest.raises(Exception, match="no longer"):
        transition(late, Status.SENDING, actor=Actor.WORKER, sent_at=Now(), first_sent_at=Now())
    assert fresh(conn_request).state is Status.CREATED and len(fivetran.posts()) == 1


def test_the_rate_budget_spreads_creations(fivetran: Fivetran, approve: Approve, settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 2, 0
    first, second = approve("sheets_slot_1"), approve("sheets_slot_2")
    worker.run("submit", first.pk)
    worker.run("submit", second.pk)
    assert (fresh(first).state, fresh(second).state) == (Status.CREATED, Status.APPROVED)
    waiting = ConnectionRequest.objects.filter(pk=second.pk, next_try_at__gt=Now() + timedelta(seconds=20))
    assert waiting.exists() and fresh(second).note
    CircuitBreaker.objects.update(next_slot_at=F("next_slot_at") - timedelta(seconds=60))
    ConnectionRequest.objects.update(next_try_at=Now())
    worker.run("submit", second.pk)
    assert fresh(second).state is Status.CREATED


@pytest.mark.parametrize(("schema", "code"), [("forbidden_one", "Forbidden"), ("gone_one", "NotFound_Group")])
def test_a_refusal_that_operators_mend_tells_them(fivetran: Fivetran, approve: Approve, schema: str, code: str) -> None:
    from tests import factories

    operator, conn_request = factories.person("operator"), approve(schema)
    worker.run("submit", conn_request.pk)
    conn_request = fresh(conn_request)
    assert (conn_request.status, conn_request.failure_code) == (Status.FAILED, code)
    assert Notice.objects.filter(request=conn_request, kind="attention", recipient=operator).count() == 1


def test_a_bad_key_tells_the_operators(fivetran: Fivetran, approve: Approve) -> None:
    from tests import factories

    operator, conn_request = factories.person("operator"), approve("unauthorized_one")
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.APPROVED
    assert Notice.objects.filter(request=conn_request, kind="attention", recipient=operator).count() == 1
