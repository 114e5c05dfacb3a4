"""When Fivetran's list of all connections was last read, so that several schedulers read it once."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

LEASE = timedelta(seconds=600)  # longer than a list of many pages; a reader that died is replaced after it
EARLY = 0.8  # of OBSERVE_INTERVAL: the scheduler's own beat may come a little early, but not twice


class ObservationManager(models.Manager["Observation"]):
    def begin(self) -> datetime | None:
        """The start of this reading by the database's clock; None where another process reads, or just did."""
        self.get_or_create(pk=1)
        free = Q(lease_until=None) | Q(lease_until__lte=Now())
        rested = Q(next_at=None) | Q(next_at__lte=Now())
        pause = timedelta(seconds=EARLY * settings.OBSERVE_INTERVAL)
        taken = self.filter(free & rested, pk=1).update(
            started_at=Now(), lease_until=Now() + LEASE, next_at=Now() + pause
        )
        return self.values_list("started_at", flat=True).get(pk=1) if taken == 1 else None

    def end(self, *, complete: bool) -> None:
        """`complete`: the list was read and stored whole."""
        facts = {"finished_at": models.F("started_at")} if complete else {}
        self.filter(pk=1).update(lease_until=None, **facts)


class Observation(models.Model):
    """A single row (id 1)."""

    started_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)  # the start of the last reading that ended well

    objects = ObservationManager()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_observation")]

    def __str__(self) -> str:
        return f"list as of {self.finished_at}"
