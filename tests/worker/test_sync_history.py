"""After a sync the last ones are read from Fivetran: rarely, a few at once, and nothing else waits for them."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from connections import worker
from connections.models import BreakerReason, CircuitBreaker, Connection, ConnectionRequest, Observation
from connections.states import Status
from connections.worker import sync_history
from tests import factories, statements
from tests.sandbox_client import Fivetran
from tests.worker.test_connection_status import created, hint

Approve = Callable[..., ConnectionRequest]
START = datetime(2026, 11, 20, 8, tzinfo=UTC)


def synced(fivetran: Fivetran, conn_request: ConnectionRequest) -> None:
    """A sync ends at Fivetran, and the portal's next list says so."""
    fivetran.call(f"connections/{conn_request.connection_id}/sync", method="POST")
    Observation.objects.update(next_at=None)
    worker.run("observe")


def asked(fivetran: Fivetran, conn_request: ConnectionRequest) -> list[dict[str, Any]]:
    """The calls for its history."""
    path = f"/v1/connections/{conn_request.connection_id}/sync-history"
    return list(fivetran.call(f"journal?method=GET&path={path}"))


def waited() -> None:
    """The pause between two looks is over."""
    Connection.objects.update(syncs_not_before=Now())


def answer(*items: object, status: int = 200, **body: object) -> dict[str, Any]:
    """The next answer about a connection."""
    told = body or {"code": "Success", "data": {"items": list(items)}}
    return {"method": "GET", "path": "/v1/connections/*", "status": status, "body": told}


def item(minutes: int, **changes: object) -> dict[str, object]:
    """A sync of two minutes, so many minutes after START."""
    times = {"start": START + timedelta(minutes=minutes), "end": START + timedelta(minutes=minutes + 2)}
    return {"sync_id": "s", "status": "COMPLETED", **{k: v.isoformat() for k, v in times.items()}, **changes}


def stored() -> Any:
    return Connection.objects.get().syncs


@pytest.fixture
def due(fivetran: Fivetran, approve: Approve) -> ConnectionRequest:
    """A request whose connection has synced."""
    conn_request = created(approve)
    synced(fivetran, conn_request)
    return conn_request


def test_a_sync_is_read_once_and_without_one_nothing_is_asked(fivetran: Fivetran, due: ConnectionRequest) -> None:
    assert worker.sweep()["read_syncs"] == [due.pk]
    worker.run("read_syncs", due.pk)
    [sync] = stored()
    assert sync["status"] == "COMPLETED" and datetime.fromisoformat(sync["start"]) > START
    assert datetime.fromisoformat(sync["start"]) <= datetime.fromisoformat(sync["end"])
    waited()
    assert worker.sweep()["read_syncs"] == []
    worker.run("read_syncs", due.pk)
    assert len(asked(fivetran, due)) == 1
    assert not due.attempts.filter(call="status").exists()  # a look an hour would fill the page of calls


def test_the_answer_for_one_connection_is_a_hint_too(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    fivetran.call(f"connections/{conn_request.connection_id}/sync", method="POST")
    hint(conn_request)
    worker.run("check", conn_request.pk)
    assert worker.sweep()["read_syncs"] == [conn_request.pk]


def test_the_next_one_is_read_when_the_pause_is_over_and_joins_the_others(
    fivetran: Fivetran, due: ConnectionRequest
) -> None:
    worker.run("read_syncs", due.pk)
    synced(fivetran, due)
    worker.run("read_syncs", due.pk)
    assert worker.sweep()["read_syncs"] == [] and len(stored()) == len(asked(fivetran, due)) == 1
    waited()
    assert worker.sweep()["read_syncs"] == [due.pk]
    worker.run("read_syncs", due.pk)
    assert len(stored()) == 2


def test_a_sync_that_ends_during_the_call_is_read_too(fivetran: Fivetran, due: ConnectionRequest) -> None:
    ended_meanwhile = {"syncs_due_at": Now() + timedelta(seconds=1)}
    with statements.before('SET "syncs" =', lambda: Connection.objects.update(**ended_meanwhile)):
        worker.run("read_syncs", due.pk)
    assert len(stored()) == 1 and Connection.objects.get().syncs_due_at is not None


def test_a_worker_that_died_leaves_it_due_after_the_pause(due: ConnectionRequest) -> None:
    Connection.objects.update(syncs_not_before=Now() + timedelta(hours=1))  # as the claim left it
    assert worker.sweep()["read_syncs"] == []
    waited()
    assert worker.sweep()["read_syncs"] == [due.pk]


@pytest.mark.parametrize("code", ["NotFound", "NotFound_Connection"])
def test_an_account_without_a_history_is_left_in_peace(fivetran: Fivetran, due: ConnectionRequest, code: str) -> None:
    fivetran.next(answer(status=404, code=code, message="HTTP 404 Not Found"))
    worker.run("read_syncs", due.pk)
    synced(fivetran, due)
    assert worker.sweep()["read_syncs"] == [] and stored() == []
    ahead = Connection.objects.get().syncs_not_before
    assert ahead is not None and ahead > datetime.now(UTC) + timedelta(days=6)
    due.refresh_from_db()
    breaker = CircuitBreaker.objects.get()
    assert due.deleted_at_fivetran_at is None and Connection.objects.get().check_due_at is None
    assert (breaker.reason, breaker.unclear_in_a_row) == (BreakerReason.CLOSED, 0)


@pytest.mark.parametrize("other_account", [True, False])
def test_a_wrong_or_weak_key_is_no_missing_history(
    fivetran: Fivetran, due: ConnectionRequest, other_account: bool, settings: Any
) -> None:
    if other_account:
        ConnectionRequest.objects.update(approved_account=f"{settings.FIVETRAN_BASE_URL} another_account")
    else:
        fivetran.next(answer(status=403, code="Forbidden", message="no"))
    worker.run("read_syncs", due.pk)
    row = Connection.objects.get()
    assert row.syncs == [] and row.syncs_due_at is not None and row.syncs_not_before is not None
    assert row.syncs_not_before < datetime.now(UTC) + timedelta(seconds=settings.SYNC_HISTORY_INTERVAL + 60)


def test_an_answer_that_does_not_come_holds_up_the_others_of_its_kind_alone(
    fivetran: Fivetran, due: ConnectionRequest, approve: Approve
) -> None:
    other = created(approve, "other")
    synced(fivetran, other)
    assert set(worker.sweep()["read_syncs"]) == {due.pk, other.pk}
    fivetran.next(answer(status=500, code="Failure", message="") | {"times": 9})
    worker.run("read_syncs", due.pk)
    assert worker.sweep()["read_syncs"] == [] == asked(fivetran, other)
    assert worker.JOBS[-1].name == "read_syncs"  # what else is due is enqueued before it


def test_unclear_answers_stop_no_creation(fivetran: Fivetran, due: ConnectionRequest) -> None:
    fivetran.next(answer(status=500, code="Failure", message="") | {"times": 9})
    for _ in range(3):
        waited()
        worker.run("read_syncs", due.pk)
    breaker = CircuitBreaker.objects.get()
    assert (breaker.reason, breaker.unclear_in_a_row) == (BreakerReason.CLOSED, 0)
    waited()
    worker.run("read_syncs", due.pk)
    assert len(stored()) == 1


def test_who_is_asked_to_wait_waits_as_a_whole(fivetran: Fivetran, due: ConnectionRequest) -> None:
    fivetran.next(answer(status=429, code="TooManyRequests", message="Wait") | {"headers": {"Retry-After": "9"}})
    worker.run("read_syncs", due.pk)
    assert CircuitBreaker.objects.get().reason == BreakerReason.RATE_LIMITED
    waited()
    worker.run("read_syncs", due.pk)
    assert worker.sweep()["read_syncs"] == [] and len(asked(fivetran, due)) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"reason": BreakerReason.AUTH, "not_before": Now() + timedelta(hours=1)},
        {"paused_at": Now()},
        {"paused_jobs": ["read_syncs"]},
        {"rate_limit": 20_000, "rate_remaining": 300, "rate_read_at": Now()},
    ],
    ids=["open", "all paused", "this kind paused", "little left of the limit"],
)
def test_nothing_is_asked_while_calls_are_kept_back(
    fivetran: Fivetran, due: ConnectionRequest, columns: dict[str, Any]
) -> None:
    CircuitBreaker.objects.update(**columns)
    assert worker.sweep()["read_syncs"] == []
    worker.run("read_syncs", due.pk)
    assert asked(fivetran, due) == [] and stored() == []


def test_what_is_gone_is_not_asked_for(fivetran: Fivetran, due: ConnectionRequest) -> None:
    ConnectionRequest.objects.update(deleted_at_fivetran_at=Now())
    worker.run("read_syncs", due.pk)
    assert asked(fivetran, due) == [] and worker.sweep()["read_syncs"] == []


def test_no_history_is_stored_as_none(fivetran: Fivetran, due: ConnectionRequest) -> None:
    fivetran.next(answer())
    worker.run("read_syncs", due.pk)
    assert stored() == [] and Connection.objects.get().syncs_due_at is None


def test_odd_values_are_left_out_and_long_ones_cut(fivetran: Fivetran, due: ConnectionRequest) -> None:
    odd = [{}, item(0, start=None), item(1, end=None), item(2, start="soon"), item(3, start=7), item(4, end=[])]
    odd += [
        item(5, end=START.isoformat()),
        item(6, end="9999-12-31T23:59:59Z"),
        item(7, start="0001-01-01T00:00+09:00"),
    ]
    fivetran.next(answer(*odd, item(20, status=None), item(10, status="x" * 99), item(30, status={"a": 1})))
    worker.run("read_syncs", due.pk)
    assert [sync["status"] for sync in stored()] == ["x" * 20, "", "{'a': 1}"]
    assert [set(sync) for sync in stored()] == [{"start", "end", "status"}] * 3


def test_the_last_of_many_are_kept_whatever_their_order(fivetran: Fivetran, due: ConnectionRequest) -> None:
    fivetran.next(answer(*(item(minute * 7 % 3_001) for minute in range(3_001)), item(3_000)))
    worker.run("read_syncs", due.pk)
    first = START + timedelta(minutes=3_001 - sync_history.KEPT)
    assert len(stored()) == sync_history.KEPT and stored()[0]["start"] == first.isoformat()


@pytest.mark.django_db
def test_a_sweep_enqueues_a_few_those_first_that_wait_longest() -> None:
    rows = [factories.request_in(Status.CREATED).pk for _ in range(sync_history.AT_ONCE + 2)]
    for number, pk in enumerate(rows):
        Connection.objects.filter(request=pk).update(syncs_due_at=Now() - timedelta(minutes=number))
    assert worker.sweep()["read_syncs"] == rows[:1:-1]


def test_a_message_for_nothing_does_nothing(fivetran: Fivetran) -> None:
    for forged in (0, "7", uuid.uuid4()):
        assert worker.run("read_syncs", forged) == []
