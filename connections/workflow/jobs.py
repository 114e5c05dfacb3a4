"""The kinds of background work for operators: which wait, which are paused, and what used up its tries."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction

from connections import permissions, tasks
from connections.models import About, CircuitBreaker, ConnectionRequest, Event, EventKind, StaleRow
from connections.models.capped_count import in_words
from connections.states import Actor

log = logging.getLogger(__name__)
COUNTED = 1000  # a count beyond this reads "1,000+"
LISTED = 20  # rows of a kind that used up their tries


@dataclass(frozen=True)
class Kind:
    name: str
    label: str
    waiting: str  # how many rows have work now; empty for work without rows
    paused: bool


@dataclass(frozen=True)
class GaveUp:
    """A row whose tries are used up; `key` is what `try_again` takes."""

    job: str
    key: int
    label: str
    request: ConnectionRequest
    why: str


def kinds() -> list[Kind]:
    row = CircuitBreaker.objects.filter(pk=1).first()
    paused = row.paused_jobs if row else []
    return [Kind(job.name, job.label, _waiting(job), job.name in paused) for job in tasks.JOBS if job.can_pause]


def _waiting(job: tasks.Job) -> str:
    if job.rows is None:
        return ""
    return in_words(len(job.rows().values_list("pk")[: COUNTED + 1]), COUNTED)


def gave_up() -> Iterator[GaveUp]:
    for job in tasks.JOBS:
        for row in job.gave_up()[:LISTED] if job.gave_up else ():
            yield GaveUp(job.name, row.pk, job.label, row.request, str(getattr(row, job.why)))


def pause_kind(*, by: User, name: str) -> None:
    """Begin no work of this kind until somebody resumes it. Raises StaleRow for a kind that cannot be paused."""
    _set_paused(by, name, paused=True)


def resume_kind(*, by: User, name: str) -> None:
    _set_paused(by, name, paused=False)
    tasks.enqueue_on_commit("sweep", True)


def try_again(*, by: User, name: str, key: int) -> None:
    """Have a row that used up its tries tried again. Raises StaleRow where it is not one of these any more."""
    permissions.check_can_operate(by)
    job = _job(name)
    row = job.gave_up().filter(pk=key).first() if job.gave_up else None
    if row is None or job.again is None:
        raise StaleRow("It is not in the list any more.")
    with transaction.atomic():
        job.again(row, by)
        tasks.enqueue_on_commit("sweep", True)


def _job(name: str) -> tasks.Job:
    job = next((job for job in tasks.JOBS if job.name == name and job.can_pause), None)
    if job is None:
        raise StaleRow("There is no such kind of work.")
    return job


def _set_paused(by: User, name: str, *, paused: bool) -> None:
    permissions.check_can_operate(by)
    job = _job(name)
    if paused:
        CircuitBreaker.objects.get_or_create(pk=1)
    kind = EventKind.WORK_PAUSED if paused else EventKind.WORK_RESUMED
    with transaction.atomic():
        for row in CircuitBreaker.objects.select_for_update().filter(pk=1):
            if (job.name in row.paused_jobs) is paused:
                return
            left = {*row.paused_jobs} ^ {job.name}
            CircuitBreaker.objects.filter(pk=row.pk).update(paused_jobs=sorted(left))
            Event.objects.record(kind, by=by, about=About("work", job.name, job.label), actor=Actor.OPERATOR)
    log.warning("user %s has the work %s %s", by.pk, job.name, "paused" if paused else "resumed")
