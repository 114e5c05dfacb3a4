"""The job behind "Test request": once for each time it is asked for, whatever becomes of workers and operators."""

from typing import Any

import pytest
from django.db.models.functions import Now

from connections import worker, workflow
from connections.models import CircuitBreaker, ConnectionRequest, DryRun
from connections.queue.job import Lane
from connections.spec.dry_run import Check
from connections.worker.dry_run import LEASE
from connections.worker.jobs import JOBS
from connections.workflow import jobs
from tests import factories
from tests.dry_run import FAILED, PASSED, draft, working
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
    assert told() == [] and DryRun.objects.get().is_running
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


def test_a_run_that_cannot_be_made_ends_all_the_same(fivetran: Fivetran, settings: Any) -> None:
    conn_request = asked_for(draft())
    settings.FIVETRAN_BASE_URL = "ftp://nowhere"  # no client can be made of it
    worker.run("dry_run", conn_request.pk)
    run = DryRun.objects.get()
    assert not run.is_running and run.finished_at
    assert "Test it again" in run.results[0].sentences[0]
