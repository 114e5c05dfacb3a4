"""Doing the work that a message asks for. It may be lost, doubled, late or forged without harm."""

import logging
from collections.abc import Iterable

from connections.models import StaleRow
from connections.queue import circuit_breaker
from connections.queue.call import DATABASE_DOWN
from connections.queue.job import Job, Message

log = logging.getLogger(__name__)


def run(job: Job, *arguments: object) -> Iterable[Message]:
    """Do `job` for one row; returns the messages that follow. An error that is nobody's fault is logged: the sweeper
    finds the row again.
    """
    key = arguments[0] if len(arguments) == 1 else None
    if job.rows is not None and not (type(key) is int and 0 < key < 2**63):
        log.warning("ignored a message without an id")  # anybody who reaches the broker can enqueue
        return ()
    try:
        if job.asks_first and not circuit_breaker.allows(job.needs, job.name):
            return ()
        return job.work(*arguments) or ()
    except StaleRow:
        log.info("%s %s: the row moved on meanwhile", job.name, arguments)
    except DATABASE_DOWN:
        if job.rows is None:
            raise
        log.warning("%s %s: the database went away; the sweeper heals it", job.name, arguments)
    return ()
