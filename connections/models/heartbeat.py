"""When the worker and the scheduler last gave a sign of life."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

# By how much a sign may be ahead of a statement's own time: one that waited for another's commit has the earlier time.
AT_ONCE = timedelta(seconds=5)


class Process(models.TextChoices):
    """A process that the portal needs besides the web server."""

    WORKER = "worker", "Worker"
    SCHEDULER = "scheduler", "Scheduler"


class HeartbeatManager(models.Manager["Heartbeat"]):
    def beat(self, process: Process, *, after: float = 0) -> bool:
        """Note that `process` is alive; returns whether its last sign is at least `after` seconds old. Of several at
        once, one gets True.
        """
        mine = self.filter(process=process)
        # A sign in the future is old: the clock was set back since.
        old = Q(at__lte=Now() - timedelta(seconds=after)) | Q(at__gt=Now() + AT_ONCE)
        if mine.filter(old).update(at=Now()):
            return True
        if mine.exists():
            return False
        self.bulk_create([Heartbeat(process=process)], ignore_conflicts=True)
        return True

    def silent(self) -> set[Process]:
        """The processes without a sign for a minute, or for five sweeps if that is longer."""
        limit = Now() - timedelta(seconds=max(60, 5 * settings.SWEEP_INTERVAL))
        heard = self.filter(at__gt=limit, at__lte=Now() + AT_ONCE).values_list("process", flat=True)
        return set(Process) - {Process(name) for name in heard}


class Heartbeat(models.Model):
    process = models.CharField(max_length=20, choices=Process.choices, unique=True)
    at = models.DateTimeField(db_default=Now())

    objects = HeartbeatManager()

    def __str__(self) -> str:
        return self.process
