"""The job behind "Test request": once for each time it is asked for, whatever becomes of workers and operators."""

import threading
import uuid
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now

from connections import worker, workflow
from connections.models import BreakerReason, CircuitBreaker, ConnectionRequest, DryRun, Event, EventKind
from connections.queue.job import Lane
from connections.spec.dry_run import Check
from connections.worker.dry_run import AT_ONCE, GIVE_UP, LEASE
from connections.worker.jobs import JOBS
from connections.workflow import jobs
from tests import factories
from tests.dry_run import FAILED, PASSED, draft, postgres, working
from tests.processes import until
from tests.sandbox_client import Fivetran

pytestmark = pytest.mark.usefixtures("group")


def asked_for(conn_request: ConnectionRequest) -> ConnectionRequest:
    """Its requester has just pressed Test request."""
    workflow.ask_for_dry_run(by=conn_request.requester, conn_request=conn_request)
    return conn_request


def told() -> list[str]:
    """The checks whose results are stored."""
    return [one["check"] for one in DryRun.objects.get().checks]


def test_it_is_in_the_lane_for_quick_work_and_needs_no_leave_to_call() -> None:
    [job] = [job for job in JOBS if job.name == "dry_run"]
    assert job.lane is Lane.CONTROL and job.can_pause


def test_it_is_made_once_for_each_time_it_is_asked_for(fivetran: Fivetran) -> None:
    conn_request = draft()
    assert worker.sweep()["dry_run"] == []
    for _ in range(2):
        asked_for(conn_request)
        assert worker.sweep()["dry_run"] == [conn_request.pk]
        worker.run("dry_run", conn_request.pk)
        assert worker.sweep()["dry_run"] == []
    calls = len(fivetran.call("journal"))
    worker.run("dry_run", conn_request.pk)
    assert len(fivetran.call("journal")) == calls
    assert DryRun.objects.count() == 1


def test_a_run_whose_worker_died_is_made_again(fivetran: Fivetran) -> None:
    conn_request = asked_for(draft())
    DryRun.objects.update(token="00000000-0000-0000-0000-000000000001", not_before=Now() + LEASE, checks=[])
    assert worker.sweep()["dry_run"] == []
    worker.run("dry_run", conn_request.pk)  # the lease of the other one holds
    assert DryRun.objects.get().is_running
    DryRun.objects.update(not_before=Now())
    assert worker.sweep()["dry_run"] == [conn_request.pk]
    worker.run("dry_run", conn_request.pk)
    assert not DryRun.objects.get().is_running


def test_each_check_is_told_as_soon_as_it_is_known(fivetran: Fivetran) -> None:
    conn_request = asked_for(draft())
    fivetran.hold("headers", "GET", "/v1/account/info")
    with working(conn_request):
        until(lambda: Check.NAME in told())
        assert Check.ACCOUNT not in told() and DryRun.objects.get().is_running
        fivetran.release()
    assert set(told()) == set(Check)


def test_the_last_result_stays_until_the_next_test_begins(fivetran: Fivetran) -> None:
    operator, conn_request = factories.person("operator"), asked_for(draft())
    worker.run("dry_run", conn_request.pk)
    before = DryRun.objects.get()
    jobs.pause_kind(by=operator, name="dry_run")
    asked_for(conn_request)
    worker.run("dry_run", conn_request.pk)
    waits = DryRun.objects.get()
    assert waits.is_running and waits.shows_last and not waits.has_begun
    assert (waits.results, waits.finished_at, waits.digest) == (before.results, before.finished_at, before.digest)
    assert not waits.is_stale_for(conn_request)
    jobs.resume_kind(by=operator, name="dry_run")
    fivetran.hold("headers", "GET", "/v1/account/info")
    with working(conn_request):
        until(lambda: DryRun.objects.get().has_begun)
        assert DryRun.objects.get().finished_at is None
        fivetran.release()


def test_asking_again_meanwhile_leaves_nothing_of_the_run_before(fivetran: Fivetran) -> None:
    conn_request = asked_for(draft())
    fivetran.hold("headers", "GET", "/v1/account/info")
    with working(conn_request):
        until(lambda: Check.NAME in told())
        workflow.save_draft(
            by=conn_request.requester, filing=factories.filing(service="nonsense"), conn_request=conn_request
        )
        asked_for(ConnectionRequest.objects.get())
        fivetran.release()
    waits = DryRun.objects.get()
    assert waits.is_running and not waits.shows_last and Check.SERVICE in told()
    assert waits.digest == "" and waits.finished_at is None  # the late worker wrote no end
    worker.run("dry_run", conn_request.pk)
    found = {one.check: one.state for one in DryRun.objects.get().results}
    assert found[Check.SERVICE] is FAILED and found[Check.ACCOUNT] is PASSED


def test_operators_pause_it_like_any_kind_of_work(fivetran: Fivetran) -> None:

    operator, conn_request = factories.person("operator"), asked_for(draft())
    jobs.pause_kind(by=operator, name="dry_run")
    assert worker.sweep()["dry_run"] == []
    worker.run("dry_run", conn_request.pk)
    assert DryRun.objects.get().is_running and "dry_run" in CircuitBreaker.objects.get().paused_jobs
    jobs.resume_kind(by=operator, name="dry_run")
    assert worker.sweep()["dry_run"] == [conn_request.pk]


def test_slow_runs_leave_room_for_other_work(fivetran: Fivetran, settings: Any) -> None:
    rows = [asked_for(draft(config__schema_prefix=f"name_{number}")) for number in range(AT_ONCE + 2)]
    fivetran.next({"method": "GET", "path": "/v1/*", "times": 100, "delivery": "silent"})
    with ExitStack() as at_once:
        for row in rows:
            at_once.enter_context(working(row))
        until(lambda: DryRun.objects.exclude(token=None).count() == AT_ONCE)
        assert worker.sweep()["dry_run"] == []
        CircuitBreaker.objects.update(reason=BreakerReason.OPEN, not_before=Now())
        fivetran.settings(next_answers=[])
        worker.run("probe")
        assert CircuitBreaker.objects.get().reason != BreakerReason.OPEN
        assert DryRun.objects.exclude(token=None).count() == AT_ONCE  # while they hang
    assert len(worker.sweep()["dry_run"]) == 2  # the others are as due as before


def test_whoever_makes_a_run_goes_on_with_the_next(fivetran: Fivetran) -> None:
    one, other = asked_for(draft()), asked_for(draft(config__schema_prefix="b"))
    assert worker.run("dry_run", one.pk) == [("dry_run", other.pk)]
    assert worker.run("dry_run", other.pk) == []


@pytest.mark.parametrize(
    ("columns", "ends"),
    [
        ({"token": uuid.uuid4(), "not_before": Now()}, True),
        ({"token": uuid.uuid4(), "not_before": Now() - timedelta(hours=1)}, False),  # it was paused since
        ({"token": None}, False),  # it never began
    ],
)
def test_a_run_that_kills_its_worker_is_given_up(fivetran: Fivetran, columns: dict[str, Any], ends: bool) -> None:
    conn_request = asked_for(draft())
    DryRun.objects.update(asked_at=Now() - GIVE_UP, **columns)
    calls = len(fivetran.call("journal"))
    worker.run("dry_run", conn_request.pk)
    run = DryRun.objects.get()
    assert not run.is_running and run.finished_at
    assert (len(fivetran.call("journal")) == calls) is ends
    assert ("Test it again" in run.results[0].sentences[0]) is ends


def test_a_late_worker_writes_nothing(fivetran: Fivetran) -> None:
    conn_request = asked_for(draft())
    fivetran.hold("headers", "GET", "/v1/account/info")
    with working(conn_request):
        until(lambda: Check.NAME in told())
        DryRun.objects.update(token=uuid.uuid4(), checks=[])  # its lease was over, and another one began
        fivetran.release()
    run = DryRun.objects.get()
    assert run.is_running and run.checks == [] and run.finished_at is None


def test_what_was_not_tested_to_the_end_is_stale_once_the_draft_is_saved(fivetran: Fivetran, settings: Any) -> None:
    conn_request, root = asked_for(draft()), settings.FIVETRAN_BASE_URL
    settings.FIVETRAN_BASE_URL = "ftp://nowhere"
    worker.run("dry_run", conn_request.pk)
    settings.FIVETRAN_BASE_URL = root
    run = DryRun.objects.get()
    assert run.digest == "" and not run.is_stale_for(ConnectionRequest.objects.get())
    workflow.save_draft(
        by=conn_request.requester, filing=factories.filing(reason="typed since"), conn_request=conn_request
    )
    assert run.is_stale_for(ConnectionRequest.objects.get())


def test_a_run_that_cannot_be_made_ends_all_the_same(fivetran: Fivetran, settings: Any) -> None:
    conn_request = asked_for(draft())
    settings.FIVETRAN_BASE_URL = "ftp://nowhere"  # no client can be made of it
    worker.run("dry_run", conn_request.pk)
    run = DryRun.objects.get()
    assert not run.is_running and run.finished_at
    assert "Test it again" in run.results[0].sentences[0]


def test_two_people_who_ask_first_at_once(fivetran: Fivetran) -> None:
    conn_request = factories.submitted(**postgres())
    people, errors, together = [conn_request.requester, factories.person("operator")], [], threading.Barrier(2)

    def ask(by: User) -> None:
        try:
            together.wait(10)
            workflow.ask_for_dry_run(by=by, conn_request=conn_request)
        except Exception as error:  # noqa: BLE001  # told by the assertion below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=[by]) for by in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == [] and DryRun.objects.get().is_running
    assert Event.objects.filter(kind=EventKind.DRY_RUN_ASKED).count() == 2
