"""When the worker and the scheduler were last heard of: a row each, for operators."""

from django.db import models
from django.db.models.functions import Now


class Process(models.TextChoices):
    """A process that the portal needs beside the web."""

    WORKER = "worker", "Worker"
    SCHEDULER = "scheduler", "Scheduler"


class HeartbeatManager(models.Manager["Heartbeat"]):
    """Writing a sign of life."""

    def beat(self, process: Process) -> None:
        """Note that `process` is alive, by the database's clock."""
        if not self.filter(process=process).update(at=Now()):
            self.bulk_create([Heartbeat(process=process)], ignore_conflicts=True)


class Heartbeat(models.Model):
    """The last sign of life of a kind of process."""

    process = models.CharField(max_length=20, choices=Process.choices, unique=True)
    at = models.DateTimeField(db_default=Now())

    objects = HeartbeatManager()

    def __str__(self) -> str:
        """The process."""
        return self.process
