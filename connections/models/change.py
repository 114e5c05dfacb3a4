"""Changes of a connection that exists: pause, unpause, another schedule, delete."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from connections.models.request import Approvable, ConnectionRequest
from connections.states import CHANGE_DECIDED, CHANGE_OPEN, ChangeStatus


class ChangeKind(models.TextChoices):
    """The label stands on the button."""

    PAUSE = "pause", "Pause"
    UNPAUSE = "unpause", "Unpause"
    SCHEDULE = "schedule", "Change schedule"
    DELETE = "delete", "Delete connection"


class ConnectionChangeQuerySet(models.QuerySet["ConnectionChange"]):
    def open(self) -> "ConnectionChangeQuerySet":
        """At most one for a connection."""
        return self.filter(status__in=sorted(CHANGE_OPEN))

    def due(self) -> "ConnectionChangeQuerySet":
        """Approved changes that may be sent now by the database's clock, in the order of their approval."""
        return self.filter(status=ChangeStatus.APPROVED, next_try_at__lte=Now()).order_by("approved_at", "id")

    def made(self) -> "ConnectionChangeQuerySet":
        return self.filter(status=ChangeStatus.DONE).order_by("status_since", "id")

    def agreed(self) -> "ConnectionChangeQuerySet":
        """Approved, whether Fivetran has made them yet or not."""
        agreed = (ChangeStatus.APPROVED, ChangeStatus.RUNNING, ChangeStatus.DONE)
        return self.filter(status__in=agreed).order_by("status_since", "id")

    def bodies(self) -> list[dict[str, Any]]:
        return list(self.made().values_list("body", flat=True))


class ConnectionChange(Approvable):
    request = models.ForeignKey(ConnectionRequest, models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=20, choices=ChangeKind.choices, editable=False)
    status = models.CharField(max_length=20, choices=ChangeStatus.choices(), editable=False)

    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="connection_changes")
    reason = models.TextField()
    # The body of the PATCH as it will be sent; of a deletion empty. `before` are the values that it replaces.
    body = models.JSONField(default=dict, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    before = models.JSONField(default=dict, editable=False)

    objects = ConnectionChangeQuerySet.as_manager()

    class Meta:
        verbose_name = "change of a connection"
        verbose_name_plural = "changes of connections"
        ordering = ["-id"]
        indexes = [
            models.Index(F("request"), F("id").desc(), name="change_by_request"),
            models.Index(fields=["next_try_at"], condition=Q(status=ChangeStatus.APPROVED), name="change_due"),
            models.Index(fields=["created_at"], condition=Q(status=ChangeStatus.PENDING), name="change_pending"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["request"], condition=Q(status__in=sorted(CHANGE_OPEN)), name="one_open_change"
            ),
            models.CheckConstraint(condition=Q(status__in=[s.value for s in ChangeStatus]), name="change_known_status"),
            models.CheckConstraint(condition=Q(kind__in=ChangeKind.values), name="change_known_kind"),
            models.CheckConstraint(condition=~Q(approved_by=F("requester")), name="change_four_eyes"),
            models.CheckConstraint(
                condition=~Q(status__in=sorted(CHANGE_DECIDED))
                | Q(approved_by__isnull=False, approved_at__isnull=False, approved_digest=F("digest")),
                name="change_approval_covers_the_body",
            ),
            models.CheckConstraint(condition=~Q(digest="") & ~Q(reason=""), name="change_is_complete"),
            models.CheckConstraint(
                condition=~Q(status=ChangeStatus.RUNNING) | Q(token__isnull=False, lease_until__isnull=False),
                name="change_claim_has_token_and_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"change #{self.pk}: {self.kind} of request #{self.request_id}"

    @property
    def state(self) -> ChangeStatus:
        return ChangeStatus(self.status)

    @property
    def values(self) -> dict[str, Any]:
        """What the body sets for good, without the flags of the call itself."""
        return {path: value for path, value in self.body.items() if path != "run_setup_tests"}
