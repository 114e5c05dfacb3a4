"""An approved certificate or fingerprint is told to Fivetran, whatever happens on the way, and the tests run again."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from connections import permissions, tasks, worker, workflow
from connections.models import (
    BreakerReason,
    CircuitBreaker,
    Connection,
    ConnectionRequest,
    EventKind,
    Notice,
    NoticeKind,
    SetupTestsState,
    StaleRow,
    Trust,
    TrustState,
)
from connections.models.connection import store_run
from connections.permissions import Denied
from connections.spec import trust_candidates
from tests import factories
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
KINDS = {"cert_x": trust_candidates.TrustKind.CERTIFICATE, "finger_x": trust_candidates.TrustKind.FINGERPRINT}


def created(approve: Approve, schema: str = "cert_x", **changes: object) -> ConnectionRequest:
    """A request whose connection exists, with the setup tests that its name provokes."""
    conn_request = approve(schema, **changes)
    worker.run("submit", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.connection_id
    return conn_request


def asked(conn_request: ConnectionRequest) -> trust_candidates.Candidate:
    """The one candidate of the newest run."""
    run = Connection.objects.get(request=conn_request).runs.all()[0]
    [one] = [one for test in run.setup_tests.all() for one in trust_candidates.candidates(test.details)]
    return one


def approved(conn_request: ConnectionRequest, role: str = "approver") -> Trust:
    """The candidate, approved."""
    one = asked(conn_request)
    by = factories.person(role)
    workflow.approve_trust(by=by, conn_request=conn_request, kind=one.kind, hash=one.hash, shown=one.digest)
    return Trust.objects.latest("id")


def kinds(conn_request: ConnectionRequest) -> list[str]:
    """The kinds of events, newest first."""
    return list(conn_request.events.values_list("kind", flat=True))


@pytest.mark.parametrize("schema", KINDS)
@pytest.mark.parametrize("role", ["approver", "operator", "superuser"])
def test_it_is_told_and_the_tests_pass(fivetran: Fivetran, approve: Approve, schema: str, role: str) -> None:
    conn_request = created(approve, schema)
    row = approved(conn_request, role)
    assert (row.kind, row.state, row.requester_id) == (KINDS[schema].value, TrustState.DUE, conn_request.requester_id)
    assert worker.sweep()["send_trust"] == [row.pk]
    assert worker.run("send_trust", row.pk) == [("run_tests", conn_request.pk)]
    assert worker.run("send_trust", row.pk) == []
    row.refresh_from_db()
    assert (row.state, row.token, row.lease_until) == (TrustState.SENT, None, None)
    assert factories.stored_turn(conn_request.pk) == "portal"
    assert worker.sweep()["run_tests"] == [conn_request.pk]
    worker.run("run_tests", conn_request.pk)
    connection = Connection.objects.get(request=conn_request)
    assert connection.setup_state == "connected"
    assert factories.stored_turn(conn_request.pk) == "nobody"
    assert {"trust_approved", "trust_sent"} <= set(kinds(conn_request))
    [call] = conn_request.attempts.filter(call="trust")
    assert (call.ending, call.http_status) == ("answered", 201)


def test_only_what_stands_there_now_can_be_approved(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    one, by = asked(conn_request), factories.person("approver")
    wrong: list[dict[str, Any]] = [
        {"kind": trust_candidates.TrustKind.FINGERPRINT, "hash": one.hash, "shown": one.digest},
        {"kind": one.kind, "hash": "other", "shown": one.digest},
        {"kind": one.kind, "hash": one.hash, "shown": "0" * 64},
        {"kind": one.kind, "hash": one.hash, "shown": ""},
    ]
    for attempt in wrong:
        with pytest.raises(StaleRow, match="has changed"):
            workflow.approve_trust(by=by, conn_request=conn_request, **attempt)
    details = {"hash": one.hash, "encoded_cert": one.proof[:-4] + "AAAA", "name": one.name}
    store_run(conn_request.connection, {"setup_tests": [{"title": "T", "status": "FAILED", "details": details}]})
    with pytest.raises(StaleRow, match="has changed"):
        workflow.approve_trust(by=by, conn_request=conn_request, kind=one.kind, hash=one.hash, shown=one.digest)
    store_run(conn_request.connection, {"setup_tests": [{"title": "T", "status": "PASSED", "details": details}]})
    passed = trust_candidates.candidates(details)[0]
    with pytest.raises(StaleRow, match="has changed"):
        workflow.approve_trust(
            by=by, conn_request=conn_request, kind=passed.kind, hash=passed.hash, shown=passed.digest
        )
    assert not Trust.objects.exists()


@pytest.mark.parametrize("role", ["requester", "auditor", "staff"])
def test_without_the_right_nothing_is_approved(fivetran: Fivetran, approve: Approve, role: str) -> None:
    conn_request = created(approve)
    with pytest.raises(Denied, match="Only people with the right"):
        approved(conn_request, role)


@pytest.mark.parametrize("role", ["approver", "operator", "superuser"])
def test_nobody_approves_for_an_own_request_not_even_in_the_database(
    fivetran: Fivetran, approve: Approve, role: str
) -> None:
    own = factories.person(role)
    conn_request = created(approve, by=own)
    one = asked(conn_request)
    with pytest.raises(Denied, match="own request"):
        workflow.approve_trust(by=own, conn_request=conn_request, kind=one.kind, hash=one.hash, shown=one.digest)
    with pytest.raises(IntegrityError), transaction.atomic():
        Trust.objects.create(
            request=conn_request, requester=own, approved_by=own, kind="certificate", hash="h", proof="p", shown="s"
        )
    assert own not in permissions.trust_approvers(conn_request)


def test_a_second_approval_of_the_same_is_refused_until_fivetran_asks_again(
    fivetran: Fivetran, approve: Approve
) -> None:
    conn_request = created(approve)
    row = approved(conn_request)
    with pytest.raises(StaleRow, match="approved already"):
        approved(conn_request)
    worker.run("send_trust", row.pk)
    with pytest.raises(StaleRow, match="approved already"):
        approved(conn_request)
    one = asked(conn_request)
    details = {"hash": one.hash, "encoded_cert": one.proof}
    Trust.objects.update(ended_at=Now() - timedelta(seconds=5))
    store_run(conn_request.connection, {"setup_tests": [{"title": "T", "status": "FAILED", "details": details}]})
    again = approved(conn_request)
    row.refresh_from_db()
    assert (row.state, again.state) == (TrustState.LAPSED, TrustState.DUE)


def test_a_refusal_is_said_and_it_can_be_approved_again(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    row = approved(conn_request)
    refusal = {"code": "InvalidInput", "message": "No such certificate"}
    path = f"/v1/connections/{conn_request.connection_id}/certificates"
    fivetran.next({"path": path, "status": 400, "body": refusal})
    assert worker.run("send_trust", row.pk) == []
    row.refresh_from_db()
    assert (row.state, row.message) == (TrustState.REFUSED, "No such certificate")
    assert kinds(conn_request)[0] == EventKind.TRUST_REFUSED
    assert factories.stored_turn(conn_request.pk) == "approver"
    again = approved(conn_request)
    assert worker.run("send_trust", again.pk) == [("run_tests", conn_request.pk)]


def test_operators_are_told_of_a_refusal_that_they_mend(fivetran: Fivetran, approve: Approve) -> None:
    operator, conn_request = factories.person("operator"), created(approve)
    refusal = {"status": 403, "body": {"code": "Forbidden", "message": "No"}}
    fivetran.next({"path": f"/v1/connections/{conn_request.connection_id}/certificates", **refusal})
    worker.run("send_trust", approved(conn_request).pk)
    notices = Notice.objects.filter(request=conn_request, recipient=operator, kind=NoticeKind.ATTENTION)
    assert notices.count() == 1
    notices.delete()
    Connection.objects.update(tests="due", tests_next_try_at=Now())
    fivetran.next({"path": f"/v1/connections/{conn_request.connection_id}/test", **refusal})
    worker.run("run_tests", conn_request.pk)
    assert notices.count() == 1


def test_without_a_clear_answer_it_is_told_again(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    row = approved(conn_request)
    path = f"/v1/connections/{conn_request.connection_id}/certificates"
    fivetran.next({"path": path, "effect": True, "delivery": "drop"})
    assert worker.run("send_trust", row.pk) == []
    row.refresh_from_db()
    assert (row.state, row.attempts) == (TrustState.DUE, 1)
    Trust.objects.update(next_try_at=Now())  # SQLite's clock counts milliseconds, and a pause of none microseconds
    assert worker.run("send_trust", row.pk) == [("run_tests", conn_request.pk)]
    assert [a.ending for a in conn_request.attempts.filter(call="trust")] == ["answered", "unknown"]


def test_after_five_unclear_answers_a_person_has_to_say_so_again(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    row = approved(conn_request)
    path = f"/v1/connections/{conn_request.connection_id}/certificates"
    for _ in range(5):
        CircuitBreaker.objects.update(reason=BreakerReason.CLOSED, unclear_in_a_row=0, not_before=None)
        fivetran.next({"path": path, "status": 502, "body": "<html>"})
        worker.run("send_trust", row.pk)
    row.refresh_from_db()
    assert (row.state, row.attempts) == (TrustState.REFUSED, 5)


def test_a_closed_gate_and_an_unreachable_fivetran_only_postpone(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    conn_request = created(approve)
    row = approved(conn_request)
    CircuitBreaker.objects.update_or_create(pk=1, defaults={"paused_at": Now()})
    assert worker.run("send_trust", row.pk) == []
    assert worker.sweep()["send_trust"] == []
    assert not conn_request.attempts.filter(call="trust").exists()
    CircuitBreaker.objects.update(paused_at=None)
    address, settings.FIVETRAN_BASE_URL = settings.FIVETRAN_BASE_URL, "http://127.0.0.1:9"
    ConnectionRequest.objects.update(approved_account=settings.FIVETRAN_BASE_URL)
    assert worker.run("send_trust", row.pk) == []
    row.refresh_from_db()
    assert (row.state, row.attempts) == (TrustState.DUE, 0)
    settings.FIVETRAN_BASE_URL = address
    ConnectionRequest.objects.update(approved_account=address)
    worker.run("probe")
    assert worker.run("send_trust", row.pk) == [("run_tests", conn_request.pk)]


def test_what_a_dead_worker_left_is_told_again(fivetran: Fivetran, approve: Approve) -> None:
    row = approved(created(approve))
    dead = {"state": TrustState.RUNNING, "token": uuid.uuid4()}
    Trust.objects.update(**dead, lease_until=Now() + timedelta(seconds=60))
    assert worker.sweep()["send_trust"] == []
    Trust.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert worker.sweep()["send_trust"] == [row.pk]


def test_a_run_that_began_before_does_not_keep_the_tests_from_running_again(
    fivetran: Fivetran, approve: Approve
) -> None:
    conn_request = created(approve)
    row = approved(conn_request)
    Connection.objects.update(tests=SetupTestsState.RUNNING, tests_token=uuid.uuid4(), tests_lease_until=Now())
    worker.run("send_trust", row.pk)
    assert Connection.objects.get().tests == SetupTestsState.DUE


def test_a_key_of_another_account_is_told_nothing(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    row = approved(conn_request)
    ConnectionRequest.objects.update(approved_account=f"{fivetran.url} somebody_else")
    assert worker.run("send_trust", row.pk) == []
    row.refresh_from_db()
    assert (row.state, row.attempts) == (TrustState.REFUSED, 0) and "another account's" in row.message
    assert not conn_request.attempts.filter(call="trust").exists() and fresh_gone(conn_request) is None


def fresh_gone(conn_request: ConnectionRequest) -> object:
    """When the connection was found to be gone."""
    return ConnectionRequest.objects.get(pk=conn_request.pk).deleted_at_fivetran_at


def test_a_connection_that_is_gone_is_marked(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    row = approved(conn_request)
    fivetran.call("connections", method="DELETE")
    worker.run("send_trust", row.pk)
    assert worker.sweep()["check"] == [conn_request.pk]  # a 404 of this call may have other reasons
    worker.run("check", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.deleted_at_fivetran_at and factories.stored_turn(conn_request.pk) == "nobody"
    with pytest.raises(Denied, match="no connection"):
        permissions.check_can_trust(factories.person("approver"), conn_request)


@pytest.mark.parametrize("argument", [None, "1", [], {}, 10**9])
def test_a_message_with_nonsense_does_nothing(fivetran: Fivetran, argument: Any) -> None:
    assert worker.run("send_trust", argument) == []


def test_the_task_needs_no_broker(fivetran: Fivetran, approve: Approve) -> None:
    row = approved(created(approve))
    tasks.TASKS["send_trust"](row.pk)
    row.refresh_from_db()
    assert row.state == TrustState.SENT
