"""An approved change reaches Fivetran once in effect, whatever the answers, and every ending has its words."""

import html
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client

from connections import notifications, worker, workflow
from connections.fivetran.errors import Unauthorized
from connections.models import (
    BreakerReason,
    ChangeKind,
    CircuitBreaker,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    EventKind,
    Notice,
    StaleRow,
)
from connections.queue import circuit_breaker
from connections.queue.retry import MAX_ATTEMPTS
from connections.states import ChangeStatus
from connections.worker import account, changes
from tests import factories
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
Asked = Callable[..., ConnectionChange]
PATH = "/v1/connections/*"


@pytest.fixture
def asked(approve: Approve) -> Asked:
    """`asked("pause")` is an approved change of a connection that exists at the stand-in."""

    def make(kind: str = "pause", conn_request: ConnectionRequest | None = None, **more: Any) -> ConnectionChange:
        if conn_request is None:
            conn_request = approve(f"changed_{kind}")
            worker.run("submit", conn_request.pk)
            conn_request.refresh_from_db()
        change = workflow.ask_for_change(
            by=conn_request.requester, conn_request=conn_request, kind=ChangeKind(kind), reason="Month's end", **more
        )
        workflow.approve_change(by=factories.person("approver"), change=change, digest=change.digest)
        return change

    return make


def apply(change: ConnectionChange) -> ConnectionChange:
    worker.run("apply_change", change.pk)
    change.refresh_from_db()
    return change


def sent(fivetran: Fivetran, method: str = "PATCH") -> list[dict[str, Any]]:
    return [entry for entry in fivetran.call("journal") if entry["method"] == method]


def kinds(change: ConnectionChange) -> list[str]:
    return list(change.request.events.values_list("kind", flat=True))


def answer(status: int, code: str = "", message: str = "No", **more: Any) -> dict[str, Any]:
    body = {"code": code, "message": message} if code else "<html>"
    return {"path": PATH, "method": "PATCH", "status": status, "body": body, **more}


def gate_opens() -> None:
    CircuitBreaker.objects.update(reason=BreakerReason.CLOSED, not_before=None, unclear_in_a_row=0)


# --- the plain way ---------------------------------------------------------------------------------------------------
def test_pausing_sends_exactly_the_approved_body_and_runs_no_tests(fivetran: Fivetran, asked: Asked) -> None:
    change = apply(asked("pause"))
    assert change.state is ChangeStatus.DONE
    [patch] = sent(fivetran)
    assert patch["body"] == change.body == {"paused": True, "run_setup_tests": False}
    assert fivetran.connections()[0]["paused"] is True
    assert Connection.objects.get().fivetran_status["sync_state"] == "paused"
    assert workflow.present_values(change.request)["paused"] is True
    assert kinds(change)[:4] == ["change_applied", "change_started", "change_approved", "change_asked"]
    assert change.request.attempts.filter(call="change", ending="answered").count() == 1
    apply(change)
    assert len(sent(fivetran)) == 1


def test_pause_then_unpause_and_a_schedule_make_up_what_is_approved_now(fivetran: Fivetran, asked: Asked) -> None:
    conn_request = apply(asked("pause")).request
    apply(asked("unpause", conn_request))
    daily = {"sync_frequency": 1440, "daily_sync_time": "05:00", "schedule_type": "auto"}
    change = apply(asked("schedule", conn_request, values=daily))
    assert change.before == {"sync_frequency": 360, "schedule_type": "auto"}
    approved = workflow.approved_values(conn_request)
    assert (approved["paused"], approved["daily_sync_time"], approved["run_setup_tests"]) == (False, "05:00", True)
    live = fivetran.connections()[0]
    assert all(live[path] == approved[path] for path in daily) and live["paused"] is False
    reader = Client()
    reader.force_login(conn_request.requester)
    taken_along = reader.get(f"/requests/{conn_request.pk}/connection.json").json()
    assert all(taken_along[path] == approved[path] for path in daily)


def test_what_was_changed_by_request_is_no_drift(fivetran: Fivetran, asked: Asked) -> None:
    conn_request = apply(asked("pause")).request
    worker.run("observe")
    assert Connection.objects.get().drift == []
    assert EventKind.DRIFT_FOUND not in conn_request.events.values_list("kind", flat=True)


def test_deleting_marks_the_connection_as_gone_and_frees_its_name(fivetran: Fivetran, asked: Asked) -> None:
    change = apply(asked("delete"))
    assert change.state is ChangeStatus.DONE
    assert fivetran.connections() == []
    change.request.refresh_from_db()
    assert change.request.deleted_at_fivetran_at
    assert kinds(change)[:2] == [EventKind.GONE, EventKind.CHANGE_APPLIED]
    assert not ConnectionRequest.objects.holding(change.request.group_id, change.request.schema).exists()


def test_what_is_gone_already_needs_no_second_deletion(fivetran: Fivetran, asked: Asked) -> None:
    change = asked("delete")
    fivetran.call("connections", method="DELETE")
    assert apply(change).state is ChangeStatus.DONE
    assert kinds(change).count(EventKind.GONE) == 1


def test_everybody_concerned_is_told_of_the_end(fivetran: Fivetran, asked: Asked) -> None:
    change = apply(asked("pause"))
    told = Notice.objects.filter(dedup_key=change.pk).values_list("kind", "recipient")
    assert ("change_ended", change.requester_id) in told
    assert ("change_decided", change.requester_id) in told


# --- every other ending ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "said",
    [answer(429, "TooManyRequests", headers={"Retry-After": "1"}), answer(401, "AuthFailed")],
    ids=["429", "401"],
)
def test_where_nothing_happened_it_waits_and_the_attempt_does_not_count(
    fivetran: Fivetran, asked: Asked, said: dict[str, Any]
) -> None:
    change = asked()
    fivetran.next(said)
    apply(change)
    assert (change.state, change.attempts_used) == (ChangeStatus.APPROVED, 0)
    assert change.note and kinds(change)[0] == EventKind.CHANGE_WAITS
    before = len(sent(fivetran))
    apply(change)
    assert len(sent(fivetran)) == before  # the circuit breaker is open
    gate_opens()
    assert apply(change).state is ChangeStatus.DONE


@pytest.mark.parametrize("effect", [True, False], ids=["with effect", "without effect"])
@pytest.mark.parametrize(
    "how",
    [{"delivery": "silent"}, {"delivery": "drop"}, {"status": 502, "body": "<html>"}, {"status": 409, "body": "x"}],
    ids=["timeout", "drop", "502", "409"],
)
def test_an_unclear_ending_is_tried_again(fivetran: Fivetran, asked: Asked, how: dict[str, Any], effect: bool) -> None:
    fivetran.settings(hold_seconds=0.3)  # how long a silent answer keeps the line
    change = asked()
    fivetran.next({"path": PATH, "method": "PATCH", "effect": effect, **how})
    apply(change)
    assert (change.state, change.attempts_used) == (ChangeStatus.APPROVED, 1)
    assert worker.sweep()["apply_change"] == [change.pk]
    assert apply(change).state is ChangeStatus.DONE
    assert fivetran.connections()[0]["paused"] is True
    assert kinds(change).count(EventKind.CHANGE_APPLIED) == 1


def test_an_account_that_fivetran_does_not_tell_costs_no_attempt(
    fivetran: Fivetran, approve: Approve, asked: Asked
) -> None:
    change = asked()
    account._known.clear()  # as in a process that was started since
    fivetran.next({"path": "/v1/account/info", "method": "GET", "status": 500, "times": 3 * (MAX_ATTEMPTS + 1)})
    for _ in range(MAX_ATTEMPTS + 1):
        apply(change)
        CircuitBreaker.objects.update(reason=BreakerReason.CLOSED, unclear_in_a_row=0, not_before=None)
    assert (change.state, change.attempts_used) == (ChangeStatus.APPROVED, 0) and "nothing was sent" in change.note
    fivetran.settings(next_answers=[])
    assert apply(change).state is ChangeStatus.DONE


@pytest.mark.parametrize(("effect", "end"), [(True, ChangeStatus.DONE), (False, ChangeStatus.FAILED)])
def test_after_the_last_try_what_fivetran_shows_decides(
    fivetran: Fivetran, asked: Asked, effect: bool, end: ChangeStatus
) -> None:
    change = asked()
    fivetran.next(answer(500, effect=effect, times=MAX_ATTEMPTS))
    for _ in range(MAX_ATTEMPTS):
        gate_opens()
        assert apply(change).state is ChangeStatus.APPROVED
    gate_opens()
    assert apply(change).state is end
    assert len(sent(fivetran)) == MAX_ATTEMPTS
    assert bool(change.failure_message) is (end is ChangeStatus.FAILED)


def test_what_fivetran_leaves_open_does_not_contradict(fivetran: Fivetran, asked: Asked) -> None:
    change = asked("schedule", values={"schedule_type": "manual", "sync_frequency": 1440})
    ConnectionChange.objects.update(attempts_used=MAX_ATTEMPTS)
    there = {**fivetran.connections()[0], "schedule_type": "manual", "sync_frequency": None}
    fivetran.next({"path": PATH, "method": "GET", "status": 200, "body": {"code": "Success", "data": there}})
    assert apply(change).state is ChangeStatus.DONE


def test_what_is_under_way_is_nobodys_change_outside_the_portal(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()
    fivetran.next(answer(502, effect=True))
    assert apply(change).state is ChangeStatus.APPROVED
    Connection.objects.update(check_due_at=Now())
    gate_opens()
    worker.run("check", change.request_id)
    connection = Connection.objects.get()
    assert connection.is_paused and connection.drift == [] and EventKind.DRIFT_FOUND not in kinds(change)


def test_a_deletion_without_clear_answers_is_settled_by_looking(fivetran: Fivetran, asked: Asked) -> None:
    change = asked("delete")
    fivetran.next({"path": PATH, "method": "DELETE", "status": 500, "effect": True})
    ConnectionChange.objects.update(attempts_used=MAX_ATTEMPTS - 1)
    assert apply(change).state is ChangeStatus.APPROVED
    assert apply(change).state is ChangeStatus.DONE
    assert len(sent(fivetran, "DELETE")) == 1


def test_looking_ends_too(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()
    fivetran.next({"path": PATH, "method": "GET", "status": 500, "body": "x", "times": 30})
    ConnectionChange.objects.update(attempts_used=MAX_ATTEMPTS)
    for _ in range(changes.MAX_LOOKUPS):
        assert change.state is ChangeStatus.APPROVED
        gate_opens()
        apply(change)
    assert (change.state, change.failure_code) == (ChangeStatus.FAILED, "no_clear_answer")
    assert sent(fivetran) == []
    client = Client()
    client.force_login(change.requester)
    page = client.get(f"/changes/{change.pk}/").content.decode()
    assert "Nobody knows whether the change was made" in page and ">Not known</span>" in page
    assert "was not made" not in page
    mail.outbox.clear()
    notifications.send_due()
    assert "nobody knows whether the change was made" in mail.outbox[-1].body


@pytest.mark.parametrize(("status", "code"), [(400, "InvalidInput"), (403, "Forbidden"), (422, "Unprocessable")])
def test_a_refusal_is_the_end_and_says_why(fivetran: Fivetran, asked: Asked, status: int, code: str) -> None:
    change = asked()
    fivetran.next(answer(status, code, "Paused by your plan"))
    apply(change)
    assert (change.state, change.failure_code) == (ChangeStatus.FAILED, code)
    assert change.failure_message == "Paused by your plan"
    assert kinds(change)[0] == EventKind.CHANGE_FAILED
    asked("pause", change.request)  # and another one may be asked for


@pytest.mark.parametrize(
    ("status", "code", "stored", "act"),
    [
        (403, "Forbidden", "Forbidden", "may not change or delete this connection"),
        (403, "SomethingNew", "Forbidden", "may not change or delete this connection"),
        (405, "Odd", "MethodNotAllowed", "FIVETRAN_BASE_URL"),
        (400, "NotFound_Group", "NotFound_Group", "no longer has what the change speaks of"),
    ],
)
def test_what_operators_mend_is_their_turn(
    fivetran: Fivetran, asked: Asked, status: int, code: str, stored: str, act: str
) -> None:
    change, operator = asked(), factories.person("operator")
    mail.outbox.clear()
    notifications.send_due()
    mail.outbox.clear()
    fivetran.next(answer(status, code))
    assert apply(change).failure_code == stored
    pages = {person: read_by(person, change) for person in (operator, change.requester)}
    assert "Turn: <strong>yours</strong>" in pages[operator] and act in html.unescape(pages[operator])
    assert "Turn: <strong>an operator</strong>" in pages[change.requester] and "look at it" in pages[change.requester]
    assert act not in html.unescape(pages[change.requester])
    notifications.send_due()
    told = {message.to[0]: str(message.body) for message in mail.outbox}
    assert act in " ".join(told[operator.email].split())
    assert "a reason that is not yours" in " ".join(told[change.requester.email].split())


def test_a_change_that_waits_for_a_good_key_is_the_operators_turn(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()
    circuit_breaker.record_failure(Unauthorized("No"))
    assert "Turn: <strong>an operator</strong>" in read_by(change.requester, change)
    gate_opens()
    assert "Turn: <strong>the portal</strong>" in read_by(change.requester, change)


def read_by(person: User, change: ConnectionChange) -> str:
    client = Client()
    client.force_login(person)
    return client.get(f"/changes/{change.pk}/").content.decode()


def test_a_connection_that_is_gone_cannot_be_paused(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()
    fivetran.call("connections", method="DELETE")
    assert apply(change).state is ChangeStatus.FAILED
    change.request.refresh_from_db()
    assert change.request.deleted_at_fivetran_at and kinds(change)[:2] == [EventKind.CHANGE_FAILED, EventKind.GONE]


# --- what must not be sent -------------------------------------------------------------------------------------------
def test_a_body_that_is_not_the_approved_one_is_not_sent(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()
    ConnectionChange.objects.update(body={"paused": False})
    assert apply(change).failure_code == "body_changed"
    assert sent(fivetran) == []


def test_it_is_not_sent_to_another_account(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()
    ConnectionChange.objects.update(approved_account="https://api.fivetran.com another")
    assert apply(change).failure_code == "other_account"
    assert sent(fivetran) == []


def test_a_closed_gate_keeps_it(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()
    CircuitBreaker.objects.update(paused_at=Now())
    assert apply(change).state is ChangeStatus.APPROVED
    assert worker.sweep()["apply_change"] == []
    assert sent(fivetran) == []


@pytest.mark.parametrize("message", ["1", None, 0, 10**9])
def test_a_message_for_nothing_does_nothing(fivetran: Fivetran, message: Any) -> None:
    worker.run("apply_change", message)


# --- workers that die, and two at once -------------------------------------------------------------------------------
def test_what_a_dead_worker_held_is_due_again(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()
    changes.claim_row(ConnectionChange.objects.get(pk=change.pk))
    assert worker.sweep()["apply_change"] == []
    ConnectionChange.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert worker.sweep()["apply_change"] == [change.pk]
    assert apply(change).state is ChangeStatus.DONE


def test_a_worker_that_slept_through_its_lease_cannot_write(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()
    late = changes.claim_row(ConnectionChange.objects.get(pk=change.pk))
    ConnectionChange.objects.update(lease_until=Now() - timedelta(seconds=1))
    worker.sweep()
    apply(change)
    with pytest.raises(StaleRow):
        late.failed("late", "Too late")
    change.refresh_from_db()
    assert change.state is ChangeStatus.DONE


def test_a_worker_that_slept_before_the_call_does_not_make_it(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()
    claim = changes.claim_row(ConnectionChange.objects.get(pk=change.pk))
    changes.send(changes.Claim(claim.row, claim.token, claim.started - 2 * changes.START_SECONDS))
    assert sent(fivetran) == []
    change.refresh_from_db()
    assert (change.state, change.attempts_used) == (ChangeStatus.APPROVED, 0)


def test_two_workers_send_once(fivetran: Fivetran, asked: Asked) -> None:
    change = asked()

    def work(_: int) -> None:
        try:
            worker.run("apply_change", change.pk)
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    change.refresh_from_db()
    assert change.state is ChangeStatus.DONE
    assert len(sent(fivetran)) == 1
