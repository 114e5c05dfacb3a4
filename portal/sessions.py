"""Sessions in the database, under keys that the database can be asked for."""

from datetime import timedelta

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.db.models.functions import Now
from django.utils import timezone

# By the clock of the database, which may be ahead of the one that a session is judged by.
KEPT = timedelta(hours=1)
PRUNED = 5_000  # after a long pause of the sweeper one DELETE of all would take longer than a statement may


def end_all_of(user_id: int, *, keep: str | None = None) -> None:
    """End every session of a person, but the one with the key `keep`."""
    # Whose a session is stands only inside it, so all are read: those of ten hours, when a second factor changes.
    store = SessionStore.get_model_class()
    alive = store.objects.filter(expire_date__gt=timezone.now()).exclude(session_key=keep or "")
    theirs = [one.pk for one in alive.iterator() if one.get_decoded().get(SESSION_KEY) == str(user_id)]
    store.objects.filter(pk__in=theirs).delete()


def prune() -> None:
    """Forget sessions that are over: Django leaves their rows, with what a provider said of somebody at the log-in."""
    store = SessionStore.get_model_class()
    over = store.objects.filter(expire_date__lt=Now() - KEPT).order_by("expire_date").values_list("pk", flat=True)
    store.objects.filter(pk__in=list(over[:PRUNED])).delete()


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        # Django asks the database for whatever the cookie says: a NUL in it was an error on every page.
        return key is not None and len(key) >= 8 and set(key) <= set(VALID_KEY_CHARS)
