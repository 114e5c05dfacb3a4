"""How often somebody asked for a new password, for an address and from a client, without storing either."""

from datetime import timedelta

from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

WINDOW = timedelta(hours=1)


class ResetCountQuerySet(models.QuerySet["ResetCount"]):
    def forget_old(self) -> None:
        now = Now()  # rows ahead of it go too: the clock may have been set back
        self.exclude(since__range=(now - WINDOW, now + WINDOW)).delete()

    def take(self, kind: str, text: str, most: int) -> bool:
        """Count once more for `text`; False, and nothing counted, after `most` times in the window."""
        key = salted_hmac(f"connections.password_reset.{kind}", text, algorithm="sha256").hexdigest()
        self.bulk_create([ResetCount(key=key)], ignore_conflicts=True)
        return self.filter(key=key, tries__lt=most).update(tries=F("tries") + 1) == 1


class ResetCount(models.Model):
    key = models.CharField(max_length=64, primary_key=True)  # keyed: what people type may be anything, a password too
    since = models.DateTimeField(db_default=Now(), db_index=True)
    tries = models.PositiveIntegerField(default=0)

    objects = ResetCountQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.tries} since {self.since}"
