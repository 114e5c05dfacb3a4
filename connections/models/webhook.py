"""The webhooks that Fivetran delivered: a digest of each, so that none has an effect twice. Never a body."""

from datetime import timedelta

from django.db import IntegrityError, models, transaction
from django.db.models.functions import Now

# A body is taken while it is at most two days old (Fivetran repeats a delivery for 24 hours). The digest is kept a day
# longer, so that there is no moment in which an old body is still taken and no longer known.
ACCEPTED = timedelta(days=2)
KEPT = timedelta(days=3)
PRUNED = 5_000  # after a long pause of the sweeper one DELETE of all would take longer than a statement may


class WebhookDeliveryManager(models.Manager["WebhookDelivery"]):
    def is_new(self, digest: str) -> bool:
        """Note the digest of an accepted body; False where it is known. In the caller's transaction."""
        try:
            with transaction.atomic():
                self.create(digest=digest)
        except IntegrityError:
            return False
        return True

    def prune(self) -> None:
        """Forget the digests of bodies that are too old to be accepted, at most PRUNED at a time."""
        old = self.filter(at__lt=Now() - KEPT).order_by("at").values_list("pk", flat=True)[:PRUNED]
        self.filter(pk__in=list(old)).delete()


class WebhookDelivery(models.Model):
    digest = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField(db_default=Now(), db_index=True)

    objects = WebhookDeliveryManager()

    class Meta:
        verbose_name_plural = "webhook deliveries"

    def __str__(self) -> str:
        return self.digest[:12]
