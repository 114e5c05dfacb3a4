"""What happened to an account is on the record: in the admin's log, in the portal's own, and in a mail."""

import logging
from collections.abc import Iterable
from enum import StrEnum

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.dispatch import Signal

log = logging.getLogger(__name__)
# Sent with `topic`, `entry` (a LogEntry) and `recipients`, perhaps none: who sends mails and keeps the record listens.
recorded = Signal()
# Sent with what `not_let_in` takes, where no wrong password is told of by Django's own signal.
turned_away = Signal()


class Topic(StrEnum):
    SECOND_FACTOR = "second_factor"
    LOCAL_LOG_IN = "local_log_in"
    ROLES = "roles"
    ACCOUNT = "account"
    ADDRESS = "address"


def put_on_record(user: User, words: str, *, topic: Topic, by: User | None = None, tell: Iterable[User] = ()) -> None:
    """Write `words` about `user` into the admin's log, done by `by` or the person, and tell `tell`."""
    entry = LogEntry.objects.log_actions((by or user).pk, [user], CHANGE, change_message=words, single_object=True)
    recorded.send(sender=Topic, topic=topic, entry=entry, recipients=list(tell))


def not_let_in(door: str, why: str, *, user: User | None = None, name: str = "") -> None:
    """Somebody was not let in: `user`, or who `name` is at the provider. `why` holds nothing that was typed."""
    turned_away.send(sender=Topic, door=door, why=why, user=user, name=name)


def of_local_log_in(user: User, address: str) -> None:
    """A password of the portal's own was taken although the company's log-in is the door: everybody is to know."""
    log.warning("user %s logged in by the local password, from %s, while LOCAL_ACCOUNTS is off", user.pk, address)
    words = f"Logged in by the local password, from {address}, while local accounts are off."
    put_on_record(user, words, topic=Topic.LOCAL_LOG_IN, tell=_administrators().exclude(pk=user.pk))


def _administrators() -> "QuerySet[User]":
    named = Q(username__in=settings.LOCAL_ADMINISTRATORS)
    return User.objects.filter(Q(is_superuser=True) | named, is_active=True)
