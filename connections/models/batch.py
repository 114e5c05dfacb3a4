"""Several requests that were asked for in one table."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Batch(models.Model):
    """One submitted table. It has no status: each of its requests has one."""

    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="batches")
    idempotency_key = models.UUIDField(default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "batches"
        constraints = [models.UniqueConstraint(fields=["requester", "idempotency_key"], name="one_batch_per_form")]

    def __str__(self) -> str:
        return f"batch {self.pk}"


class BatchRow(models.Model):
    """The row of the table that a request came from, counted from 1."""

    batch = models.ForeignKey(Batch, models.PROTECT, related_name="rows")
    request = models.OneToOneField("connections.ConnectionRequest", models.PROTECT, related_name="batch_row")
    number = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="one_request_per_batch_row")]

    def __str__(self) -> str:
        return f"row {self.number} of batch {self.batch_id}"
