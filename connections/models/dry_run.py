"""The last dry run of a request: who asked for it, for which body, and what came of each check."""

from functools import cached_property

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from connections.models.request import ConnectionRequest
from connections.spec.dry_run import Result, results_in


class DryRun(models.Model):
    request = models.OneToOneField("connections.ConnectionRequest", models.CASCADE, related_name="dry_run")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    # It is due from this moment until it has ended; a worker holds it by a token, and others stay away meanwhile.
    due_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    token = models.UUIDField(null=True)
    finished_at = models.DateTimeField(null=True)
    # What was tested: the digest of the body that would be sent, and the request's version, for a draft has no digest.
    digest = models.CharField(max_length=64, blank=True)
    version = models.PositiveIntegerField(default=0)
    checks = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="dry_run_due")]

    def __str__(self) -> str:
        return f"dry run of request {self.request_id}"

    @property
    def is_running(self) -> bool:
        """Or waits for a worker."""
        return self.due_at is not None

    @property
    def has_begun(self) -> bool:
        return self.is_running and self.token is not None

    @property
    def shows_last(self) -> bool:
        """Whether it has not begun, and what the run before it found is still there."""
        return self.is_running and not self.has_begun and self.finished_at is not None

    @cached_property
    def results(self) -> list[Result]:
        return results_in(self.checks, running=self.is_running and not self.shows_last)

    def is_stale_for(self, conn_request: ConnectionRequest) -> bool:
        """Whether another body would be sent now than the one that was tested."""
        if self.finished_at is None:
            return False
        if self.digest and conn_request.digest:
            return conn_request.digest != self.digest
        return conn_request.version != self.version
