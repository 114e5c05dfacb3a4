"""The circuit breaker: whether anything may be sent to Fivetran now, and if not, why and until when."""

import random
from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, DateTimeField, F, Q, When
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone

from connections.models.state_columns import move
from connections.states import Actor, BreakerReason


class Pace(models.TextChoices):
    """How fast creations may go, by what is left of Fivetran's rate limit."""

    FREE = "free", "As approved"
    SPREAD = "spread", "Spread over the hour"
    LOOK_UPS = "look_ups", "Look-ups only"


SPREAD_BELOW, LOOK_UPS_BELOW = 10, 50  # parts of the limit
RATE_WINDOW = timedelta(hours=1)  # of Fivetran's limit; what was read longer ago says nothing any more


class BreakerQuerySet(models.QuerySet["CircuitBreaker"]):
    def open(self, reason: BreakerReason, where: Q | None = None, **columns: Any) -> bool:
        """Open the breaker for `reason`; returns whether that was written."""
        since = Coalesce(F("open_since"), Now())
        rows = self.filter(where or Q(), pk=1)
        return move(rows, reason, actor=Actor.WORKER, open_since=since, probes=0, **columns) == 1

    def ask_to_wait(self, retry_after: float | None) -> bool:
        """Open it for as long as a 429 asks for (seconds), and no shorter than an earlier 429 did."""
        seconds = (retry_after or settings.PROBE_SECONDS) * random.uniform(1.0, 1.1)  # noqa: S311  # no secret
        until = Now() + timedelta(seconds=seconds)
        longer = Greatest(Coalesce(F("not_before"), until), until, output_field=DateTimeField())
        # What another reason waited for says nothing about how long Fivetran asked us to wait.
        moment = Case(When(reason=BreakerReason.RATE_LIMITED, then=longer), default=until)
        return self.open(BreakerReason.RATE_LIMITED, not_before=moment)

    def with_row(self) -> Self:
        self.model.objects.get_or_create(pk=1)
        return self


class CircuitBreaker(models.Model):
    """A single row (id 1) that all workers share; no process keeps anything about it."""

    reason = models.CharField(max_length=20, choices=BreakerReason.choices(), default=BreakerReason.CLOSED, blank=True)
    open_since = models.DateTimeField("closed since", null=True)
    not_before = models.DateTimeField(null=True)
    probes = models.PositiveSmallIntegerField(default=0)
    unclear_in_a_row = models.PositiveSmallIntegerField(default=0)
    # The next moment at which a creation fits into the own rate budget (generic cell rate algorithm).
    next_slot_at = models.DateTimeField(null=True)
    # What Fivetran's answers said last of the account's rate limit, and when.
    rate_limit = models.PositiveIntegerField(null=True)
    rate_remaining = models.PositiveIntegerField(null=True)
    rate_read_at = models.DateTimeField(null=True)
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    paused_at = models.DateTimeField(null=True)
    paused_reason = models.TextField(blank=True)
    paused_jobs = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))  # kinds, by name

    objects = BreakerQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "circuit breaker"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_gate")]

    def __str__(self) -> str:
        return self.get_reason_display()

    @property
    def pace(self) -> Pace:
        if self.rate_limit is None or self.rate_remaining is None or self.rate_read_at is None:
            return Pace.FREE
        if not timedelta() - RATE_WINDOW < timezone.now() - self.rate_read_at < RATE_WINDOW:
            return Pace.FREE
        if self.rate_remaining * LOOK_UPS_BELOW < self.rate_limit:
            return Pace.LOOK_UPS
        return Pace.SPREAD if self.rate_remaining * SPREAD_BELOW < self.rate_limit else Pace.FREE
