"""One round of the sweeper, the probe after which it goes at once, and the sign that worker and scheduler are alive."""

import threading
from collections.abc import Sequence

from django.conf import settings

from connections.models import Heartbeat, Process
from connections.queue import circuit_breaker, publisher
from connections.queue.job import Job, Lane, Message
from connections.queue.sweep import Due
from connections.queue.sweep import sweep as sweep_each
from connections.worker import database_clock

_database_was_away = threading.Event()


def note_alive() -> bool:
    """Store that worker and scheduler are alive; returns whether this message is the first for half a period."""
    # Messages pile up while no worker is there, and two schedulers send twice as many: one sweep is as good as all.
    Heartbeat.objects.beat(Process.WORKER)
    return Heartbeat.objects.beat(Process.SCHEDULER, after=settings.SWEEP_INTERVAL / 2)


def sweep(jobs: Sequence[Job]) -> Due:
    """Bring back what dead workers left, expire what is old, and return what is due."""
    database_clock.heed()
    return sweep_each(jobs)


def messages(due: Due, jobs: Sequence[Job]) -> list[Message]:
    """For what is due, less the messages that already wait."""
    # Less what waits, else a sweep that finds more than the workers can do would make the queue grow for ever. The
    # newest go without: their messages are the likeliest to be there still. A request whose message was lost grows
    # old and is enqueued before them.
    slow = [(job.name, key) for job in jobs if job.lane is Lane.SLOW for key in due.get(job.name, ())]
    quick: list[Message] = [
        (job.name, key) for job in jobs if job.lane is not Lane.SLOW for key in due.get(job.name, ())
    ]
    probe: list[Message] = [("probe",)] if circuit_breaker.probe_due() else []
    wanted = max(0, len(slow) - publisher.waiting(Lane.SLOW))
    return [*quick, *probe, ("notify",), *slow[:wanted]]


def probe() -> list[Message]:
    """See whether Fivetran, or the database, is back: then sweep at once."""
    try:
        circuit_breaker.probe()
    except Exception:
        _database_was_away.set()
        raise
    if not _database_was_away.is_set():
        return []
    _database_was_away.clear()
    return [("sweep", True)]
