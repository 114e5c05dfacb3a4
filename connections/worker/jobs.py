"""Every kind of background work. Tasks, lanes, schedules, the sweeper and the operators' page read this list."""

from collections.abc import Iterable

from connections import catalog, notifications
from connections.models import ConnectionChange, ConnectionRequest, WebhookDelivery
from connections.queue import rate_budget
from connections.queue.job import Job, Lane, Message, Needs
from connections.worker import (
    changes,
    connection_status,
    create,
    database_clock,
    dry_run,
    erase,
    handover,
    poll_connections,
    reconcile,
    seal,
    setup_tests,
    sweep,
    sync_history,
    trust,
)
from portal import sessions


def _sweep(asked: bool = False) -> Iterable[Message]:
    """`asked`: by a person and not by the scheduler."""
    return sweep.messages(sweep.sweep(JOBS), JOBS) if asked or sweep.note_alive() else ()


def _refresh_catalog() -> None:
    if not any(catalog.refresh_all().values()):
        catalog.learn_sources()


def _notify() -> None:
    database_clock.heed()
    notifications.send_due()


def _erase() -> None:
    seal.seal_forgotten()
    erase.erase()


JOBS: tuple[Job, ...] = (
    # Slow lane. The sweeper enqueues what stands first before the others: setup tests before new connections.
    Job(
        name="run_tests",
        label="Run setup tests",
        work=setup_tests.run_tests,
        needs=Needs.PERMIT,
        lane=Lane.SLOW,
        rows=setup_tests.due,
        key="request_id",
        tidy=(setup_tests.QUEUE.release,),
        gave_up=setup_tests.gave_up,
        why="tests_note",
        again=setup_tests.again,
    ),
    Job(
        name="submit",
        label="Create connections",
        work=create.submit,
        needs=Needs.PERMIT,
        lane=Lane.SLOW,
        rows=ConnectionRequest.objects.due,
        most=rate_budget.permits,
        carries_on=True,
        tidy=(create.tidy,),
    ),
    # Control lane.
    Job(
        name="dry_run",
        label="Test requests",
        work=dry_run.make_dry_run,
        rows=dry_run.due,  # without a need: where no call may be made, the checks say so
        key="request_id",
        most=lambda count: min(count, dry_run.room()),
    ),
    Job(
        name="reconcile",
        label="Look up unclear creations",
        work=reconcile.reconcile,
        needs=Needs.READING,
        rows=reconcile.due,
    ),
    Job(
        name="check",
        label="Read single connections",
        work=connection_status.check_connection,
        needs=Needs.CALLING,
        rows=connection_status.due,
        key="request_id",
        tidy=(WebhookDelivery.objects.prune,),
    ),
    Job(
        name="apply_change",
        label="Make changes",
        work=changes.apply_change,
        needs=Needs.CHANGING,
        rows=ConnectionChange.objects.due,
        tidy=(changes.tidy,),
    ),
    Job(
        name="send_trust",
        label="Approve certificates and fingerprints",
        work=trust.send_trust,
        needs=Needs.CHANGING,
        rows=trust.due,
        tidy=(trust.QUEUE.release,),
    ),
    Job(
        name="notify",
        label="Send mails",
        work=_notify,
        every="NOTIFY_INTERVAL",
        tidy=(handover.tidy,),
        gave_up=notifications.gave_up,
        why="error",
        again=notifications.again,
    ),
    Job(
        name="observe",
        label="Read the list of connections",
        work=poll_connections.observe,
        needs=Needs.CALLING,
        every="OBSERVE_INTERVAL",
    ),
    Job(name="refresh_catalog", label="Refresh the catalog", work=_refresh_catalog, every="CATALOG_INTERVAL"),
    Job(
        name="probe",
        label="See whether Fivetran answers again",
        work=sweep.probe,
        every="PROBE_INTERVAL",
        can_pause=False,
    ),
    Job(
        name="sweep",
        label="Find what is due",
        work=_sweep,
        every="SWEEP_INTERVAL",
        can_pause=False,
        tidy=(database_clock.put_right_if_set, sessions.prune),
    ),
    # Nobody pauses the record.
    Job(name="seal", label="Seal the record", work=seal.seal, every="SEAL_INTERVAL", can_pause=False),
    Job(name="erase", label="Erase old personal fields", work=_erase, every="ERASE_INTERVAL", can_pause=False),
    # Last, so that nothing waits for a picture.
    Job(
        name="read_syncs",
        label="Read the last syncs",
        work=sync_history.read_syncs,
        needs=Needs.CHANGING,  # the first to go without where little is left of Fivetran's limit
        rows=sync_history.due,
        key="request_id",
        most=lambda _count: sync_history.AT_ONCE,
    ),
)
