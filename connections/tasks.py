"""A Celery task for each job. A message holds an id; the row says whether anything is to be done."""

from celery import Task, current_app, shared_task
from celery.worker import state
from django.conf import settings

from connections import worker
from connections.queue.job import Job as Job  # workflow says tasks.Job
from connections.queue.publisher import enqueue as enqueue  # workflow says tasks.enqueue
from connections.queue.publisher import enqueue_many, waiting
from connections.queue.publisher import enqueue_many_on_commit as enqueue_many_on_commit
from connections.queue.publisher import enqueue_on_commit as enqueue_on_commit
from connections.queue.sweep import Due

JOBS = worker.JOBS


def work(job: Job, *arguments: object) -> None:
    """Do `job`, and enqueue what follows from it. Of creations also do the one that is due next."""
    enqueue_many(worker.run(job.name, *arguments))
    # Where messages wait, all workers would find the same row, which has a message of its own. One that is told to stop
    # begins nothing.
    if job.carries_on and job.rows is not None and state.should_stop is None and not waiting(job.lane):
        following = job.rows().values_list(job.key, flat=True).first()
        if following is not None:
            enqueue_many(worker.run(job.name, following))


def sweep() -> Due:
    """Sweep now, and enqueue what is due; returns that."""
    due = worker.sweep()
    enqueue_many(worker.messages(due))
    return due


def _task(job: Job) -> Task:
    def perform(*arguments: object) -> None:
        work(job, *arguments)

    task: Task = shared_task(perform, name=job.name)
    return task


TASKS = {job.name: _task(job) for job in JOBS}
current_app.conf.task_routes = {
    **(current_app.conf.task_routes or {}),
    **{job.name: {"queue": job.lane.value} for job in JOBS},
}
# Seconds between two messages, and their lane (portal/scheduler.py).
SCHEDULED = {job.name: (float(getattr(settings, job.every)), job.lane.value) for job in JOBS if job.every}
