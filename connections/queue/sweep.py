"""The sweeper: brings back what a dead worker left, and lists what is due."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.db import DatabaseError
from django.db.models import Model, QuerySet

from connections.models import IllegalTransition, StaleRow
from connections.queue import circuit_breaker
from connections.queue.job import Job

log = logging.getLogger(__name__)
M = TypeVar("M", bound=Model)
BATCH = 500  # rows of one kind a sweep; the rest waits for the next
Due = dict[str, list[Any]]  # the keys that are due, by the name of the job


def sweep(jobs: Iterable[Job]) -> Due:
    """Tidy up for each job; returns what is due. Ten sweepers at once do what one does."""
    jobs = list(jobs)
    for job in jobs:
        for tidy in job.tidy:
            try:
                tidy()
            except DatabaseError:  # a lock, or too much at once: what is due is enqueued all the same
                log.exception("the sweeper could not tidy up for %s", job.name)
    return {job.name: due(job) for job in jobs if job.rows is not None}


def due(job: Job) -> list[Any]:
    if job.rows is None or not circuit_breaker.allows(job.needs, job.name):
        return []
    return list(job.rows().values_list(job.key, flat=True)[: job.most(BATCH)])


def each(rows: QuerySet[M], act: Callable[[M], object]) -> None:
    """Do `act` for BATCH of `rows`; one that moved on meanwhile, or fails, does not stop the others."""
    for row in rows[:BATCH]:
        try:
            act(row)
        except (StaleRow, IllegalTransition):
            log.info("%s moved on before the sweeper", row)
        except Exception:
            log.exception("the sweeper could not deal with %s", row)
