"""Sessions in the database, under keys that the database can be asked for."""

from datetime import timedelta

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, SessionBase
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

# By the clock of the database: where it is set ahead, a day or two must not log everybody out for good. Sessions of
# nobody, whom that does no harm, are those of which strangers can make many.
KEPT, KEPT_OF_NOBODY = timedelta(days=3), timedelta(hours=1)
ON_THE_WAY = timedelta(minutes=15)  # to the company's provider and back
_NOBODYS = "nobody"  # how the keys begin of sessions that were made before anybody had logged in
PRUNED = 5_000  # after a long pause of the sweeper one DELETE of all would take longer than a statement may


def end_all_of(user_id: int, *, keep: str | None = None) -> None:
    """End every session of a person, but the one with the key `keep`."""
    # Whose a session is stands only inside it, so all are read: those of ten hours, when a second factor changes. But
    # not those of strangers, who can make a hundred thousand of them.
    store = SessionStore.get_model_class()
    alive = store.objects.filter(expire_date__gt=timezone.now()).exclude(session_key=keep or "")
    alive = alive.exclude(session_key__startswith=_NOBODYS)
    theirs = [one.pk for one in alive.iterator() if one.get_decoded().get(SESSION_KEY) == str(user_id)]
    store.objects.filter(pk__in=theirs).delete()


def hold_briefly(session: SessionBase) -> None:
    """At the beginning of a log-in: a session that holds nothing else is not kept for as long as one of a person."""
    if session.is_empty():
        session.set_expiry(int(ON_THE_WAY.total_seconds()))


def prune() -> None:
    """Forget sessions that are over: Django leaves their rows, with what a provider said of somebody at the log-in."""
    store = SessionStore.get_model_class()
    nobodys = Q(session_key__startswith=_NOBODYS, expire_date__lt=Now() - KEPT_OF_NOBODY)
    over = store.objects.filter(Q(expire_date__lt=Now() - KEPT) | nobodys).order_by("expire_date")
    store.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:PRUNED])).delete()


class SessionStore(db.SessionStore):
    _is_cycled = False

    def cycle_key(self) -> None:
        self._is_cycled = True  # at a log-in; who it is, is written afterwards
        try:
            super().cycle_key()
        finally:
            self._is_cycled = False

    def _get_new_session_key(self) -> str:
        key: str = super()._get_new_session_key()  # type: ignore[misc]  # Django's own, which the stubs leave out
        return key if self._is_cycled or SESSION_KEY in self else _NOBODYS + key[len(_NOBODYS) :]

    def _validate_session_key(self, key: str | None) -> bool:
        # Django asks the database for whatever the cookie says: a NUL in it was an error on every page.
        return key is not None and len(key) >= 8 and set(key) <= set(VALID_KEY_CHARS)
