"""One list tells what changed: status, first data, drift, and who is missing from it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections import worker
from connections.fivetran import configured
from connections.models import BreakerReason, CircuitBreaker, Connection, ConnectionRequest, EventKind, Observation
from tests import factories
from tests.bench import rows
from tests.sandbox_client import Fivetran
from tests.worker.test_connection_status import created, hint, kinds

Approve = Callable[..., ConnectionRequest]
DATA_AT = "2026-11-24T09:30:00.123456Z"


def patch(fivetran: Fivetran, conn_request: ConnectionRequest, **fields: Any) -> None:
    """Somebody changes the connection at Fivetran, past the portal."""
    answer = requests.patch(
        f"{fivetran.url}/v1/connections/{conn_request.connection_id}",
        json={"run_setup_tests": False, **fields},
        auth=("sandbox-key", "sandbox-secret"),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text


def observe() -> list[int]:
    """The next turn, as if its time had come."""
    Observation.objects.update(next_at=None)
    return [key for _job, key in worker.run("observe")]


def lists(fivetran: Fivetran) -> int:
    """How often the whole list was asked for."""
    return len(fivetran.call("journal?method=GET&path=/v1/connections"))


def pretend(conn_request: ConnectionRequest, **fields: Any) -> dict[str, Any]:
    """A canned list with this one connection, changed by `fields`."""
    items = configured.client().list_connections()
    [item] = [one for one in items if one["id"] == conn_request.connection_id]
    return {
        "status": 200,
        "method": "GET",
        "path": "/v1/connections",
        "body": {"code": "Success", "data": {"items": [item | fields]}},
    }


def test_nothing_new_is_stored_of_an_unchanged_list(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    assert observe() == []
    stored = Connection.objects.values().get()
    assert observe() == []
    assert Connection.objects.values().get() == stored
    assert stored["live"]["sync_frequency"] == 360
    assert stored["drift"] == []
    assert set(kinds(conn_request)) == {EventKind.MOVED}
    observation = Observation.objects.get()
    assert observation.finished_at == observation.started_at
    assert observation.lease_until is None


def test_one_list_serves_all_schedulers(fivetran: Fivetran, approve: Approve, settings: Any) -> None:
    created(approve)
    settings.OBSERVE_INTERVAL = 300
    before = lists(fivetran)
    for _ in range(3):
        worker.run("observe")
    assert lists(fivetran) == before + 1
    Observation.objects.update(next_at=Now(), lease_until=Now() + timedelta(seconds=60))
    worker.run("observe")
    assert lists(fivetran) == before + 1
    Observation.objects.update(lease_until=Now() - timedelta(seconds=1))
    worker.run("observe")
    assert lists(fivetran) == before + 2


def test_nothing_is_asked_while_the_gate_is_closed(fivetran: Fivetran, approve: Approve) -> None:
    created(approve)
    CircuitBreaker.objects.update(reason=BreakerReason.AUTH, not_before=Now() + timedelta(hours=1))
    before = lists(fivetran)
    assert observe() == []
    assert lists(fivetran) == before


def test_without_an_answer_nothing_is_concluded(fivetran: Fivetran, approve: Approve, settings: Any) -> None:
    conn_request = created(approve)
    wait = {"status": 429, "headers": {"Retry-After": "9"}, "body": {"code": "TooManyRequests", "message": "Max"}}
    fivetran.next(wait | {"method": "GET", "path": "/v1/connections"})
    assert observe() == []
    conn_request.refresh_from_db()
    assert conn_request.deleted_at_fivetran_at is None
    assert Connection.objects.get().check_due_at is None
    assert Observation.objects.get().finished_at is None
    assert CircuitBreaker.objects.get().reason == BreakerReason.RATE_LIMITED


def test_a_changed_setup_state_and_the_first_data_are_events_once(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    status = {"setup_state": "broken", "sync_state": "syncing", "tasks": [{"code": "reconnect", "message": "m"}]}
    told = pretend(conn_request, status=status, succeeded_at=DATA_AT, failed_at=None)
    fivetran.next(told, told)
    observe()
    observe()
    seen = Connection.objects.get()
    assert (seen.setup_state, seen.sync_state, seen.failed_at) == ("broken", "syncing", None)
    assert factories.stored_turn(conn_request.pk) == "source owner"
    assert seen.fivetran_status == status
    assert seen.first_data_at and seen.succeeded_at
    assert seen.first_data_at == seen.succeeded_at
    assert seen.first_data_at.isoformat() == "2026-11-24T09:30:00.123456+00:00"
    assert kinds(conn_request).count(EventKind.FIRST_DATA) == 1
    assert kinds(conn_request).count(EventKind.SETUP_STATE_CHANGED) == 1
    later = pretend(conn_request, status=status, succeeded_at="2026-11-25T09:30:00Z")
    fivetran.next(later)
    observe()
    again = Connection.objects.get()
    assert again.first_data_at == seen.first_data_at
    assert again.succeeded_at and again.succeeded_at > seen.succeeded_at
    assert kinds(conn_request).count(EventKind.FIRST_DATA) == 1


@pytest.mark.parametrize(
    "moment", ["yesterday", "", 7, None, [], "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-13-40"]
)
def test_a_moment_that_is_none_is_no_first_data(fivetran: Fivetran, approve: Approve, moment: Any) -> None:
    conn_request = created(approve)
    fivetran.next(pretend(conn_request, succeeded_at=moment))
    observe()
    assert Connection.objects.get().first_data_at is None


def test_drift_is_found_once_named_and_forgotten_when_it_is_over(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    patch(fivetran, conn_request, sync_frequency=60)
    observe()
    observe()
    assert Connection.objects.get().drift == [{"field": "sync_frequency", "approved": 360, "live": 60}]
    [event] = conn_request.events.filter(kind=EventKind.DRIFT_FOUND)
    assert event.detail["why"] == "sync_frequency"
    patch(fivetran, conn_request, paused=True)
    observe()
    assert conn_request.events.filter(kind=EventKind.DRIFT_FOUND)[0].detail["why"] == "paused"
    patch(fivetran, conn_request, paused=False, sync_frequency=360)
    observe()
    assert Connection.objects.get().drift == []
    assert conn_request.events.filter(kind=EventKind.DRIFT_FOUND).count() == 2


def test_a_moved_connection_with_a_schedule_of_its_own_is_different_and_not_gone(
    fivetran: Fivetran, approve: Approve, client: Client
) -> None:
    conn_request = created(approve)
    custom = {"schedule_type": "CRON", "cron": "0 3 * * *"}
    fivetran.next(pretend(conn_request, group_id="moved_here", sync_frequency=None, schedule=custom))
    assert observe() == []
    conn_request.refresh_from_db()
    assert conn_request.deleted_at_fivetran_at is None
    assert {one["field"]: one["live"] for one in Connection.objects.get().drift} == {
        "group_id": "moved_here",
        "schedule": "CRON 0 3 * * *",
    }
    client.force_login(conn_request.requester)
    page = client.get(f"/requests/{conn_request.pk}/").content.decode()
    assert "moved_here" in page and "by the cron expression 0 3 * * *" in page


def test_a_second_connection_of_the_name_is_shown_until_it_is_gone(
    fivetran: Fivetran, approve: Approve, client: Client
) -> None:
    fivetran.settings(unique_names=False)
    conn_request = created(approve)
    fivetran.seed(group_id=conn_request.group_id, service="google_sheets", schema="elsewhere.t")
    observe()
    assert Connection.objects.get().drift == []
    twin = fivetran.seed(group_id=conn_request.group_id, service="google_sheets", schema=conn_request.schema)
    for _ in range(2):
        observe()
    assert [one["live"] for one in Connection.objects.get().drift] == [twin["id"]]
    assert kinds(conn_request).count(EventKind.DRIFT_FOUND) == 1
    client.force_login(conn_request.requester)
    page = client.get(f"/requests/{conn_request.pk}/").content.decode()
    assert "Connections of this name" in page and f"also {twin['id']}" in page
    address = f"{fivetran.url}/v1/connections/{twin['id']}"
    assert requests.delete(address, auth=("sandbox-key", "sandbox-secret"), timeout=10).status_code == 200
    observe()
    assert Connection.objects.get().drift == []


def test_drift_of_the_configuration_comes_of_a_look_and_outlives_lists(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    ConnectionRequest.objects.update(payload=(conn_request.payload or {}) | {"config": {"sheet_id": "canary-approved"}})
    patch(fivetran, conn_request, config={"sheet_id": "canary-live"})
    fivetran.next(pretend(conn_request, config=None))
    observe()
    assert Connection.objects.get().drift == []  # this list tells no configuration
    hint(conn_request)
    worker.run("check", conn_request.pk)
    fivetran.next(pretend(conn_request, config=None))
    observe()
    seen = Connection.objects.get()
    assert seen.drift == [{"field": "config.sheet_id"}]
    assert "canary" not in str(Connection.objects.values()) + str(conn_request.events.values())
    ConnectionRequest.objects.update(payload=conn_request.payload)
    hint(conn_request)
    worker.run("check", conn_request.pk)
    assert Connection.objects.get().drift == []


def test_drift_of_the_configuration_is_found_by_a_list_that_tells_it(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    ConnectionRequest.objects.update(payload=(conn_request.payload or {}) | {"config": {"sheet_id": "canary-approved"}})
    patch(fivetran, conn_request, config={"sheet_id": "canary-live"})
    observe()
    assert Connection.objects.get().drift == [{"field": "config.sheet_id"}]
    patch(fivetran, conn_request, config={"sheet_id": "canary-approved"})
    observe()
    assert Connection.objects.get().drift == []
    assert "canary" not in str(Connection.objects.values())


def test_who_is_not_in_the_list_is_asked_for_and_only_then_gone(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    other = created(approve, "stays")
    fivetran.next(pretend(other))
    assert observe() == [conn_request.pk]
    conn_request.refresh_from_db()
    assert conn_request.deleted_at_fivetran_at is None
    worker.run("check", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.deleted_at_fivetran_at is None  # the list was wrong, the connection is there
    delete(fivetran, conn_request)
    assert observe() == [conn_request.pk]
    worker.run("check", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.deleted_at_fivetran_at
    assert kinds(conn_request)[0] == EventKind.GONE
    assert observe() == []


def delete(fivetran: Fivetran, conn_request: ConnectionRequest) -> None:
    url = f"{fivetran.url}/v1/connections/{conn_request.connection_id}"
    assert requests.delete(url, auth=("sandbox-key", "sandbox-secret"), timeout=10).status_code == 200


def test_tests_that_were_still_to_run_end_with_the_connection(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    Connection.objects.update(tests="due", tests_next_try_at=Now())
    delete(fivetran, conn_request)
    worker.run("run_tests", conn_request.pk)
    assert Connection.objects.get().check_due_at is not None  # a 404 is a hint
    Connection.objects.update(tests="due", tests_next_try_at=Now())
    worker.run("check", conn_request.pk)
    assert Connection.objects.get().tests == "stored"
    assert worker.sweep()["run_tests"] == []


def test_connections_of_another_account_are_left_alone(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    ConnectionRequest.objects.update(approved_account="https://api.fivetran.com another_account")
    delete(fivetran, conn_request)
    assert observe() == []
    assert Connection.objects.get().check_due_at is None


def test_an_answer_that_came_after_the_list_began_is_kept(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    fivetran.next(pretend(conn_request, status={"setup_state": "incomplete"}))
    Connection.objects.update(seen_at=Now() + timedelta(seconds=60))
    observe()
    assert Connection.objects.get().setup_state == "connected"


def test_hostile_items_harm_nothing(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    told = pretend(conn_request, status="broken", paused={"x": "y" * 900}, sync_frequency=[], succeeded_at={"a": 1})
    told["body"]["data"]["items"] += [{"id": None}, {"id": 7}, {}, {"id": "stranger"}]
    fivetran.next(told)
    assert observe() == []
    assert Connection.objects.get().setup_state == ""
    assert [one["field"] for one in Connection.objects.get().drift] == ["paused", "sync_frequency"]


def everything(times: int, **fields: Any) -> dict[str, Any]:
    """A canned list of all that the portal knows, each connection as it is expected but for `fields`."""
    known = ConnectionRequest.objects.filter(status="created", connection__isnull=False)
    items = [
        {"id": one.connection_id, "status": {"setup_state": "connected"}, "sync_frequency": 360} | fields
        for one in known
    ]
    body = {"code": "Success", "data": {"items": items}}
    return {"status": 200, "method": "GET", "path": "/v1/connections", "body": body, "times": times}


def test_an_unchanged_list_costs_the_same_queries_whatever_there_is(fivetran: Fivetran, approve: Approve) -> None:
    created(approve)
    found = {}
    for count in (20, 500):
        rows.seed(count)
        fivetran.next(everything(times=2))
        assert observe() == []
        with CaptureQueriesContext(database) as captured:
            assert observe() == []
        found[count] = len(captured)
    assert Connection.objects.filter(setup_state="connected").count() > 400
    assert found[500] == found[20] <= 12, found


def test_many_changes_are_stored_in_chunks(fivetran: Fivetran, approve: Approve) -> None:
    created(approve)
    rows.seed(500)
    fivetran.next(everything(times=1), everything(times=1, succeeded_at=DATA_AT), everything(times=1))
    observe()
    observe()
    many = Connection.objects.filter(first_data_at__isnull=False).count()
    assert many == Connection.objects.count() > 400
    Connection.objects.update(sync_state="syncing")
    with CaptureQueriesContext(database) as captured:
        observe()
    assert not Connection.objects.exclude(sync_state="").exists()
    assert len(captured) <= 12 + 8 * (many // 200 + 1), len(captured)
