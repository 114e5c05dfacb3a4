"""The history of a request: a row for every transition and for every other thing that somebody did."""

from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from connections.states import Actor, Status


class EventKind(StrEnum):
    MOVED = "moved"
    TESTS_REQUESTED = "tests_requested"
    TESTS_STORED = "tests_stored"
    DRY_RUN_ASKED = "dry_run_asked"
    # The hand-over of the credentials to the source owner.
    HANDOVER_SENT = "handover_sent"
    HANDOVER_OPENED = "handover_opened"
    CARD_ISSUED = "card_issued"
    CARD_EXPIRED = "card_expired"
    HANDOVER_RETURNED = "handover_returned"
    HANDOVER_PASSED_ON = "handover_passed_on"
    HANDOVER_REMINDED = "handover_reminded"
    HANDOVER_REVOKED = "handover_revoked"
    HANDOVER_DONE = "handover_done"
    # Certificates and SSH fingerprints that a person approved.
    TRUST_APPROVED = "trust_approved"
    TRUST_SENT = "trust_sent"
    TRUST_REFUSED = "trust_refused"
    # What was seen at Fivetran after the creation.
    SETUP_STATE_CHANGED = "setup_state_changed"
    FIRST_DATA = "first_data"
    DRIFT_FOUND = "drift_found"
    GONE = "gone"
    # Changes of a connection that exists, each with its own approval.
    CHANGE_ASKED = "change_asked"
    CHANGE_APPROVED = "change_approved"
    CHANGE_STARTED = "change_started"
    CHANGE_WAITS = "change_waits"
    CHANGE_REJECTED = "change_rejected"
    CHANGE_WITHDRAWN = "change_withdrawn"
    CHANGE_EXPIRED = "change_expired"
    CHANGE_APPLIED = "change_applied"
    CHANGE_FAILED = "change_failed"
    # An operator did what was to be done after a refusal.
    REFUSAL_MENDED = "refusal_mended"


class EventManager(models.Manager["Event"]):
    def note(
        self,
        request: Any,
        kind: EventKind,
        *,
        actor: Actor,
        by: Any = None,
        reason: str = "",
        detail: dict[str, Any] | None = None,
    ) -> "Event":
        """Write an event that is no transition, in the caller's transaction. Of `detail` the timeline shows `why`, and
        `who` for somebody without an account.
        """
        version = type(request).objects.values_list("version", flat=True).get(pk=request.pk)
        return self.create(
            request=request, kind=kind, actor=actor, by=by, reason=reason, detail=detail or {}, version=version
        )


class Event(models.Model):
    """Rows are never changed; the database refuses it too."""

    request = models.ForeignKey("connections.ConnectionRequest", models.PROTECT, related_name="events")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=30, choices=[(k.value, k.name.title().replace("_", " ")) for k in EventKind])
    source = models.CharField(max_length=20, blank=True, choices=Status.choices())
    target = models.CharField(max_length=20, blank=True, choices=Status.choices())
    actor = models.CharField(max_length=20, choices=[(a.value, a.value) for a in Actor])
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True)
    detail = models.JSONField(default=dict)
    version = models.PositiveIntegerField()  # of the request, after what happened

    objects = EventManager()

    class Meta:
        verbose_name = "event of a request"
        verbose_name_plural = "events of requests"
        ordering = ["-id"]
        indexes = [models.Index(fields=["by", "at"], name="event_by_person")]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "version"], condition=models.Q(kind=EventKind.MOVED), name="one_event_per_move"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source}→{self.target}" if self.target else str(self.kind)
