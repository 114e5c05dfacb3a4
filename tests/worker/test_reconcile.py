"""An unclear ending is settled by looking, and only by looking: never a second connection, never a lost request."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from connections import worker
from connections.models import BreakerReason, ConnectionRequest, Ending, SetupTestsState
from connections.queue import circuit_breaker
from connections.spec import payloads
from connections.states import Status
from tests.processes import until
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]


def fresh(conn_request: ConnectionRequest) -> ConnectionRequest:
    """The row as it is now."""
    return ConnectionRequest.objects.get(pk=conn_request.pk)


def look(conn_request: ConnectionRequest) -> ConnectionRequest:
    """Make the next look-up due, and look."""
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(next_lookup_at=Now() - timedelta(seconds=1))
    worker.run("reconcile", conn_request.pk)
    return fresh(conn_request)


def let_it_settle(conn_request: ConnectionRequest) -> ConnectionRequest:
    """As if SETTLE_SECONDS had passed since the outcome became unclear."""
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(unknown_at=F("unknown_at") - timedelta(hours=1))
    return conn_request


@pytest.mark.parametrize("prefix", ["lost_", "error_after_", "html_", "cut_", "noid_", "drop_", "bomb_"])
def test_an_effect_without_a_usable_answer_is_adopted(fivetran: Fivetran, approve: Approve, prefix: str) -> None:
    fivetran.settings(hold_seconds=3, bomb_bytes=4 * 1024 * 1024)
    conn_request = approve(f"{prefix}a")
    worker.run("submit", conn_request.pk)
    conn_request = fresh(conn_request)
    assert conn_request.state is Status.UNKNOWN and conn_request.note
    assert conn_request.attempts.get().ending == Ending.UNKNOWN
    until(fivetran.connections)
    conn_request = look(conn_request)
    [there] = fivetran.connections()
    assert (conn_request.state, conn_request.connection_id) == (Status.CREATED, there["id"])
    assert conn_request.connection.adopted and conn_request.connection.tests == SetupTestsState.DUE
    worker.run("run_tests", conn_request.pk)
    connection = fresh(conn_request).connection
    assert (connection.tests, connection.setup_state) == (SetupTestsState.STORED, "connected")
    assert len(fivetran.posts()) == 1


@pytest.mark.parametrize("prefix", ["error_", "lost_before_"])
def test_without_an_effect_it_is_sent_again_only_after_the_settle_time(
    fivetran: Fivetran, approve: Approve, prefix: str
) -> None:
    fivetran.settings(hold_seconds=3)
    conn_request = approve(f"{prefix}b")
    worker.run("submit", conn_request.pk)
    for _ in range(4):
        assert look(conn_request).state is Status.UNKNOWN
    assert len(fivetran.posts()) == 1
    conn_request = look(let_it_settle(conn_request))
    assert conn_request.state is Status.APPROVED
    worker.run("submit", conn_request.pk)
    assert len(fivetran.posts()) == 2


def test_an_effect_that_shows_up_late_is_adopted(fivetran: Fivetran, approve: Approve) -> None:
    fivetran.settings(late_seconds=0.5)
    conn_request = approve("late_a")
    worker.run("submit", conn_request.pk)
    assert look(conn_request).state is Status.UNKNOWN
    until(fivetran.connections)
    assert look(conn_request).state is Status.CREATED
    assert len(fivetran.posts()) == 1 and len(fivetran.connections()) == 1


@pytest.mark.parametrize(
    "stranger", [{"service": "postgres"}, {"created_at": "2020-01-01T00:00:00.000000Z"}], ids=["service", "older"]
)
def test_what_does_not_fit_is_never_adopted(fivetran: Fivetran, approve: Approve, stranger: dict[str, Any]) -> None:
    conn_request = approve("error_strange")
    worker.run("submit", conn_request.pk)
    fivetran.seed(
        **{"group_id": conn_request.group_id, "service": "google_sheets", "schema": conn_request.schema, **stranger}
    )
    conn_request = look(conn_request)
    assert conn_request.state is Status.ATTENTION and "does not fit" in conn_request.note
    assert all(item["id"] in conn_request.note for item in fivetran.connections()), "an operator needs to know which"


def test_two_of_a_name_need_a_person(fivetran: Fivetran, approve: Approve) -> None:
    fivetran.settings(unique_names=False)
    conn_request = approve("error_twins")
    worker.run("submit", conn_request.pk)
    for _ in range(2):
        fivetran.seed(group_id=conn_request.group_id, service="google_sheets", schema=conn_request.schema)
    conn_request = look(conn_request)
    assert conn_request.state is Status.ATTENTION
    assert all(item["id"] in conn_request.note for item in fivetran.connections())


@pytest.mark.parametrize("answer", [{"status": 500, "body": {}}, {"status": 429, "body": {"code": "TooManyRequests"}}])
def test_a_look_up_that_fails_leaves_it_unknown(
    fivetran: Fivetran, approve: Approve, settings: Any, answer: dict[str, Any]
) -> None:
    settings.PROBE_SECONDS = 30
    conn_request = approve("error_blind")
    worker.run("submit", conn_request.pk)
    fivetran.next({"method": "GET", "path": "/v1/connections*", "times": 3, **answer})
    before = fresh(conn_request).lookups
    conn_request = look(conn_request)
    assert (conn_request.state, conn_request.lookups) == (Status.UNKNOWN, before)
    # It asks again later, not at once and not much later; then Fivetran answers, and the look counts.
    later = ConnectionRequest.objects.filter(pk=conn_request.pk, next_lookup_at__gt=Now() + timedelta(seconds=10))
    assert later.filter(next_lookup_at__lt=Now() + timedelta(minutes=2)).exists()
    assert conn_request.pk not in worker.sweep()["reconcile"]
    fivetran.next()
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(next_lookup_at=Now())
    assert conn_request.pk in worker.sweep()["reconcile"]
    assert look(conn_request).lookups == before + 1


def test_a_poison_row_is_left_to_a_person_and_the_others_are_settled(fivetran: Fivetran, approve: Approve) -> None:
    """Fault 23, of a row whose outcome is unclear: its body is none that any code expects."""
    fivetran.settings(hold_seconds=3)
    before, poison, after = requests = [approve(f"cut_{n}") for n in range(3)]
    for conn_request in requests:
        worker.run("submit", conn_request.pk)
    assert {fresh(conn_request).state for conn_request in requests} == {Status.UNKNOWN}
    body: Any = ["no", "object"]
    digest = payloads.digest(body)
    ConnectionRequest.objects.filter(pk=poison.pk).update(payload=body, digest=digest, approved_digest=digest)
    assert [look(conn_request).state for conn_request in requests] == [Status.CREATED, Status.ATTENTION, Status.CREATED]
    assert "could not settle" in fresh(poison).note
    assert len(fivetran.posts()) == 3


def test_a_name_refused_after_an_unclear_attempt_is_looked_up_not_failed(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("error_then_taken")
    worker.run("submit", conn_request.pk)
    for _ in range(3):
        look(conn_request)
    look(let_it_settle(conn_request))
    taken = {"code": "SchemaExists", "message": "already exists"}
    fivetran.next({"path": "/v1/connections", "status": 400, "body": taken})
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.UNKNOWN


def test_a_dead_sender_is_found_by_its_deadline(fivetran: Fivetran, approve: Approve) -> None:
    from tests import factories

    conn_request = factories.request_in(Status.SENDING, group_id=approve("sheets_x").group_id)
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(deadline_at=Now() + timedelta(minutes=1))
    worker.sweep()
    assert fresh(conn_request).state is Status.SENDING
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(deadline_at=Now() - timedelta(seconds=1))
    due = worker.sweep()
    assert fresh(conn_request).state is Status.UNKNOWN and conn_request.pk in due["reconcile"]


def test_the_sweeper_rings_for_what_is_due_and_expires_the_old(fivetran: Fivetran, approve: Approve) -> None:
    from tests import factories

    due_now, pending = approve("sheets_due"), factories.submitted()
    ConnectionRequest.objects.filter(pk=pending.pk).update(status_since=Now() - timedelta(days=31))
    assert worker.sweep()["submit"] == [due_now.pk]
    assert fresh(pending).state is Status.EXPIRED


def test_three_unclear_endings_close_the_gate(fivetran: Fivetran, approve: Approve) -> None:
    for number in range(3):
        worker.run("submit", approve(f"error_{number}").pk)
    conn_request = approve("sheets_after")
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.APPROVED
    worker.run("probe")
    worker.run("submit", conn_request.pk)
    assert fresh(conn_request).state is Status.CREATED


def test_setup_tests_of_any_shape_are_kept(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = approve("odd_shapes")
    worker.run("submit", conn_request.pk)
    tests = list(fresh(conn_request).connection.runs.get().setup_tests.all())
    assert tests and any(test.status not in {"PASSED", "FAILED", "WARNING", "SKIPPED"} for test in tests)


def test_after_unclear_endings_one_request_goes_ahead_alone(fivetran: Fivetran, approve: Approve) -> None:
    for number in range(3):
        worker.run("submit", approve(f"error_{number}").pk)
    trial, other = approve("error_trial"), approve("sheets_other")
    worker.run("probe")
    worker.run("submit", trial.pk)
    assert fresh(trial).state is Status.UNKNOWN
    worker.run("submit", other.pk)
    assert fresh(other).state is Status.APPROVED  # one unclear answer was enough to close it again
    worker.run("probe")
    worker.run("submit", other.pk)
    assert fresh(other).state is Status.CREATED
    assert circuit_breaker.current().reason == BreakerReason.CLOSED
