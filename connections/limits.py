"""How much one person may ask for, so that nobody fills the others' mailboxes, the queue or the tables.

What counts are rows: a person's events of the last while, and their open requests and drafts. They are counted in the
transaction that adds to them, behind a lock on the person's row, so that tabs and processes share one limit.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Model, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from connections.models import Batch, ConnectionRequest, Event, EventKind
from connections.states import LIVE, Status

STORED_BYTES = 64 * 1024  # of what was typed for one request, and of its body, each as JSON
DRAFTS = 100
DRAFTS_NEARLY = 90  # from here on the pages say how many there are
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class LimitReached(Exception):
    """Nothing was stored or sent; the message says which limit it is, and what to do."""


class TooLarge(LimitReached):
    """There is more in it than is kept of one request."""


class TooMany(LimitReached):
    """One person asked for too much; `retry_at` is when it is possible again, where time alone makes it so."""

    def __init__(self, words: str, retry_at: datetime | None = None) -> None:
        super().__init__(words)
        self.retry_at = retry_at

    @property
    def retry_seconds(self) -> int:
        """How long to wait from now on; 0 where waiting is not what helps."""
        return max(1, math.ceil((self.retry_at - timezone.now()).total_seconds())) if self.retry_at else 0


@dataclass(frozen=True)
class Door:
    """Something a person may do `most` times a minute or an hour: which events it leaves behind, and how it is said."""

    did: str
    events: Q
    most: int
    hourly: bool = False

    @property
    def window(self) -> timedelta:
        """How far back it counts."""
        return HOUR if self.hourly else MINUTE

    @property
    def span(self) -> str:
        """The window in words."""
        return "an hour" if self.hourly else "a minute"


TEST_RUNS = Door("asked for setup tests", Q(kind=EventKind.TESTS_REQUESTED), most=5)
PASSED_ON = Door("gave a hand-over to somebody", Q(kind=EventKind.HANDOVER_PASSED_ON), most=20, hourly=True)
TRUSTED = Door("approved a certificate or fingerprint", Q(kind=EventKind.TRUST_APPROVED), most=30)
# The first event of a row of a batch is part of the batch, which counts once; what is done to the row later is not.
_SUBMITTED = Q(kind=EventKind.MOVED, target=Status.PENDING) & ~Q(version=1, request__batch_row__isnull=False)
_OPEN = Q(status__in=sorted(LIVE), batch_row=None)


def _submissions() -> Door:
    return Door("submitted something", _SUBMITTED, most=settings.SUBMISSIONS_PER_MINUTE)


def _changes() -> Door:
    asked = Q(kind=EventKind.CHANGE_ASKED)
    return Door("asked for a change of a connection", asked, most=settings.SUBMISSIONS_PER_MINUTE)


def _drafts() -> Door:
    begun = Q(kind=EventKind.MOVED, source="", target=Status.DRAFT)
    return Door("began a draft", begun, most=settings.SUBMISSIONS_PER_MINUTE)


# --- checks: in the transaction that adds what they count -------------------------------------------------------------
def check_submission(by: User, *, opens: bool) -> None:
    """Raise TooMany unless `by` may submit once more now, and, where that `opens` another request, have one more."""
    if not (settings.SUBMISSIONS_PER_MINUTE or (opens and settings.OPEN_REQUESTS)):
        return
    _lock(by)
    door = _submissions()
    single, batches, opened = (
        User.objects.filter(pk=by.pk)
        .values_list(
            _count(_events(by, door), "by"),
            _count(_batches(by, door), "requester"),
            _count(ConnectionRequest.objects.filter(_OPEN, requester=by), "requester"),
        )
        .get()
    )
    if opens and 0 < settings.OPEN_REQUESTS <= opened:
        raise TooMany(open_words(opened))
    if 0 < door.most <= single + batches:
        _refuse(by, door, with_batches=True)


def check_batch(by: User) -> None:
    """Raise TooMany unless `by` may submit once more now: a batch counts as one, and its rows not as open requests."""
    check_submission(by, opens=False)


def check_change(by: User) -> None:
    """Raise TooMany unless `by` may ask for another change of a connection now."""
    check_door(by, _changes())


def check_new_draft(by: User) -> None:
    """Raise TooMany unless `by` may begin another draft now."""
    check_door(by, _drafts())
    if _has_all_drafts(drafts_of(by)):
        raise TooMany(drafts_words())


def check_door(by: User, door: Door) -> None:
    """Raise TooMany where `by` went through `door` too often just now; a door without a number is open."""
    _lock(by)
    if 0 < door.most <= _events(by, door).count():
        _refuse(by, door)


def check_size(spelled: bytes) -> None:
    """Raise TooLarge where a body, or what was typed for it, is more in its canonical spelling than is kept of one."""
    size = len(spelled)
    if size > STORED_BYTES:
        raise TooLarge(
            f"This is too much for one request: {size:,} bytes, and {STORED_BYTES:,} at most are kept. Nothing was "
            "stored. Shorten the longest settings."
        )


# --- what the pages say before anything is refused --------------------------------------------------------------------
def notes(by: User, *, drafts: bool) -> list[str]:
    """What whoever opens an empty form should know before typing: a limit that is reached, or nearly."""
    counted = ConnectionRequest.objects.filter(requester=by, status__in=[Status.DRAFT, *sorted(LIVE)]).aggregate(
        opened=Count("pk", filter=_OPEN), drafts=Count("pk", filter=Q(status=Status.DRAFT))
    )
    found = [open_words(counted["opened"])] if 0 < settings.OPEN_REQUESTS <= counted["opened"] else []
    if drafts and (said := draft_note(counted["drafts"])):
        found.append(said)
    return found


def draft_note(count: int) -> str:
    """What to know about so many drafts; empty while there is room for more."""
    if _has_all_drafts(count):
        return drafts_words()
    nearly = f"You have {count} of the {DRAFTS} drafts that one person may have. Delete those you no longer need."
    return nearly if count >= DRAFTS_NEARLY else ""


def open_words(count: int) -> str:
    """The sentence for somebody with as many open requests as there may be."""
    return (
        f"You have {count} open requests, and one person may have {settings.OPEN_REQUESTS} at once. Withdraw one, or "
        "wait until one is decided or done. Until then this can be kept as a draft."
    )


def drafts_words() -> str:
    """The sentence for somebody with as many drafts as there may be."""
    return (
        f"You have {DRAFTS} drafts, as many as one person may have, so no new one is saved. Delete or submit one of "
        "them; what you type here can still be submitted."
    )


def drafts_of(by: User | AnonymousUser) -> int:
    """How many drafts `by` has."""
    return ConnectionRequest.objects.filter(requester_id=by.pk, status=Status.DRAFT).count()


def _has_all_drafts(count: int) -> bool:
    return count >= DRAFTS


# --- counting ---------------------------------------------------------------------------------------------------------
def _lock(by: User) -> None:
    """Make everybody else who counts for this person wait until this transaction ends.

    SQLite has one writer at a time anyway. Counting comes after: PostgreSQL shows a statement what was there when it
    began, which is before it waited.
    """
    User.objects.select_for_update(no_key=True).values_list("pk").get(pk=by.pk)


def _events(by: User, door: Door) -> QuerySet[Event]:
    return Event.objects.filter(door.events, by=by, at__gt=Now() - door.window, at__lte=Now()).order_by()


def _batches(by: User, door: Door) -> QuerySet[Batch]:
    return Batch.objects.filter(requester=by, created_at__gt=Now() - door.window, created_at__lte=Now()).order_by()


def _count(rows: QuerySet[Any], person: str) -> Coalesce:
    """A column: how many `rows` there are, all of one `person`."""
    model: type[Model] = rows.model
    pk = str(model._meta.pk.name) if model._meta.pk else "pk"
    return Coalesce(Subquery(rows.order_by().values(person).annotate(n=Count(pk)).values("n")), 0)


def _refuse(by: User, door: Door, *, with_batches: bool = False) -> None:
    """Raise TooMany with the moment at which the oldest of the last `most` is no longer counted."""
    times = list(_events(by, door).order_by("-at").values_list("at", flat=True)[: door.most])
    if with_batches:
        times += _batches(by, door).order_by("-created_at").values_list("created_at", flat=True)[: door.most]
    latest = sorted(times, reverse=True)[: door.most]
    raise too_often(
        f"You {door.did} {door.most} times within {door.span}, as often as one person may.", latest[-1] + door.window
    )


def too_often(words: str, retry_at: datetime) -> TooMany:
    """The refusal that says `words`, and when it is possible again."""
    refusal = TooMany("", retry_at)
    seconds = refusal.retry_seconds
    wait = f"{seconds} second{'' if seconds == 1 else 's'}" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"
    moment = timezone.localtime(retry_at + timedelta(milliseconds=999))
    refusal.args = (f"{words} It is possible again in {wait}, at {moment:%H:%M:%S} ({moment.tzname()}).",)
    return refusal
