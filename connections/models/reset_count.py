"""How often a new password was asked for: by whom and for which address, without keeping either."""

from datetime import timedelta

from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

WINDOW = timedelta(hours=1)


class ResetCountQuerySet(models.QuerySet["ResetCount"]):
    """Counting that two processes at once cannot outrun."""

    def forget_old(self) -> None:
        """Drop what no longer counts; so the table holds an hour's rows, and the clock may be set back."""
        now = Now()
        self.exclude(since__range=(now - WINDOW, now + WINDOW)).delete()

    def take(self, kind: str, text: str, most: int) -> bool:
        """Count once more for `text`; False, and nothing counted, where that was done `most` times in the window."""
        key = salted_hmac(f"connections.password_reset.{kind}", text, algorithm="sha256").hexdigest()
        self.bulk_create([ResetCount(key=key)], ignore_conflicts=True)
        return self.filter(key=key, tries__lt=most).update(tries=F("tries") + 1) == 1


class ResetCount(models.Model):
    """The tries of one client, or for one address, since the first of them."""

    key = models.CharField(max_length=64, primary_key=True)  # keyed: what people type may be anything, a password too
    since = models.DateTimeField(db_default=Now(), db_index=True)
    tries = models.PositiveIntegerField(default=0)

    objects = ResetCountQuerySet.as_manager()

    def __str__(self) -> str:
        """How many."""
        return f"{self.tries} since {self.since}"
