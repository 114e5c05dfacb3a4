"""The job behind "Test request": once for each time it is asked for, whatever becomes of workers and operators."""

from django.db.models.functions import Now

from connections import worker, workflow
from connections.models import DryRun
from tests.dry_run import draft
from tests.sandbox_client import Fivetran


def test_it_is_made_once_for_each_time_it_is_asked_for(fivetran: Fivetran, group: str) -> None:
    conn_request = draft()
    assert worker.sweep()["dry_run"] == []
    for _ in range(2):
        workflow.ask_for_dry_run(by=conn_request.requester, conn_request=conn_request)
        assert worker.sweep()["dry_run"] == [conn_request.pk]
        worker.run("dry_run", conn_request.pk)
        assert worker.sweep()["dry_run"] == []
    calls = len(fivetran.call("journal"))
    worker.run("dry_run", conn_request.pk)
    assert len(fivetran.call("journal")) == calls
    assert DryRun.objects.count() == 1


def test_a_run_whose_worker_died_is_made_again(fivetran: Fivetran, group: str) -> None:
    conn_request = draft()
    workflow.ask_for_dry_run(by=conn_request.requester, conn_request=conn_request)
    fivetran.next({"method": "GET", "path": "/v1/account/info", "delay": 0.2})
    stopped = DryRun.objects.get()
    DryRun.objects.update(token="00000000-0000-0000-0000-000000000001", not_before=Now() + worker.dry_run.LEASE)
    assert worker.sweep()["dry_run"] == []
    worker.run("dry_run", conn_request.pk)  # the lease of the other one holds
    assert DryRun.objects.get().is_running
    DryRun.objects.update(not_before=Now())
    assert worker.sweep()["dry_run"] == [conn_request.pk]
    worker.run("dry_run", conn_request.pk)
    assert not DryRun.objects.get().is_running and stopped.pk == DryRun.objects.get().pk
