"""Every call about a request that went, or may have gone, to Fivetran."""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from connections.states import Labelled


class Ending(Labelled):
    """How a call ended, as far as we know afterwards: the `ending` of an answer or error of `connections.fivetran`."""

    OPEN = "open", "No answer recorded"  # written before the call; stays if the worker dies in it
    ANSWERED = "answered", "Answered"
    NOT_SENT = "not_sent", "Fivetran was not reached"
    REFUSED = "refused", "Refused"
    RATE_LIMITED = "rate_limited", "Asked to wait"
    UNAUTHORIZED = "unauthorized", "API key not accepted"
    UNKNOWN = "unknown", "Outcome unclear"


def ended(result: Any) -> dict[str, Any]:
    """The columns of an attempt that ended with this answer or error."""
    return {
        "ending": Ending(result.ending),
        "http_status": result.status,
        "code": result.code,
        "message": result.message,
        "x_request_id": result.request_id,
        "duration_ms": result.duration_ms,
    }


class Attempt(models.Model):
    """One call: what was asked, when, for how long, and what came back. Never a body."""

    class Call(models.TextChoices):
        CREATE = "create", "POST /v1/connections"
        LOOK_UP = "look_up", "Look-up by name"
        TESTS = "tests", "Setup tests"
        CARD = "card", "Connect Card"
        STATUS = "status", "GET /v1/connections/{id}"
        TRUST = "trust", "Approve certificate or fingerprint"
        CHANGE = "change", "PATCH /v1/connections/{id}"
        DELETE = "delete", "DELETE /v1/connections/{id}"

    request = models.ForeignKey("connections.ConnectionRequest", models.PROTECT, related_name="attempts")
    call = models.CharField(max_length=20, choices=Call.choices)
    started_at = models.DateTimeField(db_default=Now())
    duration_ms = models.PositiveIntegerField(null=True)
    ending = models.CharField(max_length=20, choices=Ending.choices(), default=Ending.OPEN)
    http_status = models.PositiveSmallIntegerField(null=True)
    code = models.CharField(max_length=100, blank=True)
    message = models.TextField(blank=True)
    x_request_id = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "call to Fivetran"
        verbose_name_plural = "calls to Fivetran"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.call} {self.ending}"
