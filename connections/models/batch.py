"""Several requests that were asked for in one table: each is a request of its own, the batch holds them together."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Batch(models.Model):
    """One table that somebody submitted. It has no status: what became of it is what became of its rows."""

    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="batches")
    form_token = models.UUIDField(default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        """The same table sent twice is one batch."""

        verbose_name_plural = "batches"
        constraints = [models.UniqueConstraint(fields=["requester", "form_token"], name="one_batch_per_form")]

    def __str__(self) -> str:
        """A short name for the admin and logs."""
        return f"batch {self.pk}"


class BatchRow(models.Model):
    """The place of a request in its batch: the row of the table it came from, from 1."""

    batch = models.ForeignKey(Batch, models.PROTECT, related_name="rows")
    request = models.OneToOneField("connections.ConnectionRequest", models.PROTECT, related_name="batch_row")
    number = models.PositiveSmallIntegerField()

    class Meta:
        """In the table's order."""

        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="one_request_per_batch_row")]

    def __str__(self) -> str:
        """The row and its batch."""
        return f"row {self.number} of batch {self.batch_id}"
