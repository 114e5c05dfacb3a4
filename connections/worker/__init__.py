"""What workers do with approved requests. The row is the queue: every job may run at any time, any number of times, for
any id, and does nothing unless the row says so.
"""

from connections.queue.job import Message
from connections.queue.run import run as _run
from connections.queue.sweep import Due
from connections.worker import sweep as _sweep
from connections.worker.jobs import JOBS
from connections.worker.sweep import note_alive

_BY_NAME = {job.name: job for job in JOBS}


def run(name: str, *arguments: object) -> list[Message]:
    """Do the job of this name; returns the messages that follow."""
    return list(_run(_BY_NAME[name], *arguments))


def sweep() -> Due:
    return _sweep.sweep(JOBS)


def messages(due: Due) -> list[Message]:
    return _sweep.messages(due, JOBS)
