"""The one gate before Fivetran's account: whether anything may be sent now, and if not, why and until when."""

from django.conf import settings
from django.db import models


class GateReason(models.TextChoices):
    """Why nothing is sent."""

    OPEN = "", "Open"
    RATE_LIMITED = "rate_limited", "Fivetran asked to wait"
    AUTH = "auth", "Fivetran does not accept the API key"
    UNWELL = "unwell", "Fivetran gives no clear answers"
    TRIAL = "trial", "Fivetran answers again; one request goes ahead"


class ApiGate(models.Model):
    """A single row (id 1), shared by all workers and shown to people; nothing about it lives in a process."""

    reason = models.CharField(max_length=20, choices=GateReason.choices, default=GateReason.OPEN, blank=True)
    closed_since = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    probes = models.PositiveSmallIntegerField(default=0)
    unclear_in_a_row = models.PositiveSmallIntegerField(default=0)
    # The next moment at which a creation fits into the own rate budget (generic cell rate algorithm).
    next_slot_at = models.DateTimeField(null=True)
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    paused_at = models.DateTimeField(null=True)
    paused_reason = models.TextField(blank=True)

    class Meta:
        """Only ever one row."""

        verbose_name = "API gate"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_gate")]

    def __str__(self) -> str:
        """Open, or why not."""
        return self.get_reason_display()
