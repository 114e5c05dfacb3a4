"""Certificates and SSH host keys that a person approved for one connection, and whether Fivetran was told."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from connections.states import TrustState


class Trust(models.Model):
    """One approval. `hash` and `proof` are public: the source shows them to anyone."""

    request = models.ForeignKey("connections.ConnectionRequest", models.PROTECT, related_name="trusts")
    # A copy, so that the database itself can refuse an approval by who asked for the connection.
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=[("certificate", "Certificate"), ("fingerprint", "Fingerprint")])
    hash = models.CharField(max_length=500)
    proof = models.TextField()
    shown = models.CharField(max_length=64)  # the digest of all that the approver saw
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=10, choices=TrustState.choices(), default=TrustState.DUE)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)
    message = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]
        default_permissions = ()
        permissions = [("approve_trust", "Can approve certificates and fingerprints")]
        indexes = [models.Index(fields=["next_try_at"], condition=Q(state=TrustState.DUE), name="trust_due")]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "kind", "hash"],
                condition=~Q(state__in=[TrustState.REFUSED, TrustState.LAPSED]),
                name="one_trust_per_hash",
            ),
            models.CheckConstraint(condition=~Q(approved_by=F("requester")), name="trust_four_eyes"),
            models.CheckConstraint(condition=Q(state__in=[s.value for s in TrustState]), name="known_trust_state"),
            models.CheckConstraint(
                condition=~Q(state=TrustState.RUNNING) | Q(token__isnull=False, lease_until__isnull=False),
                name="sent_trust_has_a_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for request {self.request_id}"
