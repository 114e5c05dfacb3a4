"""The append-only history of a request: one row for every move and for every other thing somebody did."""

from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from connections.states import Actor, Status


class EventKind(StrEnum):
    """The closed vocabulary of what can have happened."""

    MOVED = "moved"
    TESTS_REQUESTED = "tests_requested"
    TESTS_STORED = "tests_stored"


class Event(models.Model):
    """Something that happened to a request. Rows are never changed; the database refuses it too."""

    request = models.ForeignKey("connections.ConnectionRequest", models.PROTECT, related_name="events")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=30, choices=[(k.value, k.name.title().replace("_", " ")) for k in EventKind])
    source = models.CharField(max_length=20, blank=True, choices=[(s.value, s.label) for s in Status])
    target = models.CharField(max_length=20, blank=True, choices=[(s.value, s.label) for s in Status])
    actor = models.CharField(max_length=20, choices=[(a.value, a.value) for a in Actor])
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True)
    detail = models.JSONField(default=dict)
    version = models.PositiveIntegerField()  # of the request, after what happened

    class Meta:
        """Newest first within a request; one row for each version of a request that a move made."""

        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "version"], condition=models.Q(kind=EventKind.MOVED), name="one_event_per_move"
            )
        ]

    def __str__(self) -> str:
        """What happened, in machine words."""
        return f"{self.kind} {self.source}→{self.target}" if self.target else str(self.kind)
