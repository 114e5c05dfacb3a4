"""How much one person may request, so that nobody fills other people's mailboxes, the queue or the tables."""

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
    pass


class TooLarge(LimitReached):
    pass


class TooMany(LimitReached):
    def __init__(self, words: str, retry_at: datetime | None = None) -> None:
        super().__init__(words)
        self.retry_at = retry_at  # None where waiting does not help

    @property
    def retry_seconds(self) -> int:
        """0 where waiting does not help."""
        return max(1, math.ceil((self.retry_at - timezone.now()).total_seconds())) if self.retry_at else 0


# What counts are rows: a person's events of the last while, and their open requests and drafts. They are counted in the
# transaction that adds to them, behind a lock on the person's row, so that tabs and processes share one limit.
@dataclass(frozen=True)
class ActionLimit:
    did: str  # in the words of the refusal
    events: Q  # what it leaves in the history
    most: int  # times
    window: timedelta = MINUTE

    @property
    def span(self) -> str:
        return "an hour" if self.window == HOUR else "a minute"


TEST_RUNS = ActionLimit("asked for setup tests", Q(kind=EventKind.TESTS_REQUESTED), most=5)
DRY_RUNS = ActionLimit("tested requests", Q(kind=EventKind.DRY_RUN_ASKED), most=6)
PASSED_ON = ActionLimit("gave a hand-over to somebody", Q(kind=EventKind.HANDOVER_PASSED_ON), most=20, window=HOUR)
TRUSTED = ActionLimit("approved a certificate or fingerprint", Q(kind=EventKind.TRUST_APPROVED), most=30)
# The first event of a row of a batch is part of the batch, which counts once; what is done to the row later is not.
_SUBMITTED = Q(kind=EventKind.MOVED, target=Status.PENDING) & ~Q(version=1, request__batch_row__isnull=False)
_OPEN = Q(status__in=sorted(LIVE), batch_row=None)


# --- checks: in the transaction that adds what they count -------------------------------------------------------------
def check_submission(by: User, *, opens: bool) -> None:
    """Raise TooMany unless `by` may submit once more now and, with `opens`, have one more open request."""
    if not (settings.SUBMISSIONS_PER_MINUTE or (opens and settings.OPEN_REQUESTS)):
        return
    _lock(by)
    limit = ActionLimit("submitted something", _SUBMITTED, most=settings.SUBMISSIONS_PER_MINUTE)
    single, batches, opened = (
        User.objects.filter(pk=by.pk)
        .values_list(
            count_of(_events(by, limit), "by"),
            count_of(_batches(by, limit), "requester"),
            count_of(ConnectionRequest.objects.filter(_OPEN, requester=by), "requester"),
        )
        .get()
    )
    if opens and 0 < settings.OPEN_REQUESTS <= opened:
        raise TooMany(open_words(opened))
    if 0 < limit.most <= single + batches:
        refuse(by, limit, with_batches=True)


def check_change(by: User) -> None:
    asked = Q(kind=EventKind.CHANGE_ASKED)
    check_action(by, ActionLimit("asked for a change of a connection", asked, most=settings.SUBMISSIONS_PER_MINUTE))


def check_new_draft(by: User) -> None:
    begun = Q(kind=EventKind.MOVED, source="", target=Status.DRAFT)
    check_action(by, ActionLimit("began a draft", begun, most=settings.SUBMISSIONS_PER_MINUTE))
    if drafts_of(by) >= DRAFTS:
        raise TooMany(drafts_words())


def check_action(by: User, limit: ActionLimit) -> None:
    """Raise TooMany where `by` did this too often in the last while; `most` 0 is no limit."""
    _lock(by)
    if 0 < limit.most <= _events(by, limit).count():
        refuse(by, limit)


def check_size(spelled: bytes) -> None:
    size = len(spelled)
    if size > STORED_BYTES:
        raise TooLarge(
            f"This is too much for one request: {size:,} bytes, and {STORED_BYTES:,} at most are kept. Nothing was "
            "stored. Shorten the longest settings."
        )


# --- what the pages say before anything is refused --------------------------------------------------------------------
def notes(by: User) -> list[str]:
    """What to know before filling an empty form: a limit that is reached, or nearly."""
    counted = ConnectionRequest.objects.filter(requester=by, status__in=[Status.DRAFT, *sorted(LIVE)]).aggregate(
        opened=Count("pk", filter=_OPEN), drafts=Count("pk", filter=Q(status=Status.DRAFT))
    )
    found = [open_words(counted["opened"])] if 0 < settings.OPEN_REQUESTS <= counted["opened"] else []
    return [*found, *filter(None, [draft_note(counted["drafts"])])]


def draft_note(count: int) -> str:
    if count >= DRAFTS:
        return drafts_words()
    nearly = f"You have {count} of the {DRAFTS} drafts that one person may have. Delete those you no longer need."
    return nearly if count >= DRAFTS_NEARLY else ""


def open_words(count: int) -> str:
    return (
        f"You have {count} open requests, and one person may have {settings.OPEN_REQUESTS} at once. Withdraw one, or "
        "wait until one is decided or done. Until then this can be kept as a draft."
    )


def drafts_words() -> str:
    return (
        f"You have {DRAFTS} drafts, as many as one person may have, so no new one is saved. Delete or submit one of "
        "them; what you type here can still be submitted."
    )


def drafts_of(by: User | AnonymousUser) -> int:
    return ConnectionRequest.objects.filter(requester_id=by.pk, status=Status.DRAFT).count()


# --- counting ---------------------------------------------------------------------------------------------------------
def _lock(by: User) -> None:
    # SQLite has one writer at a time anyway. Counting comes after: PostgreSQL shows a statement what was there when it
    # began, which is before it waited.
    User.objects.select_for_update(no_key=True).values_list("pk").get(pk=by.pk)


def _events(by: User, limit: ActionLimit) -> QuerySet[Event]:
    return Event.objects.filter(limit.events, by=by, at__gt=Now() - limit.window, at__lte=Now()).order_by()


def _batches(by: User, limit: ActionLimit) -> QuerySet[Batch]:
    return Batch.objects.filter(requester=by, created_at__gt=Now() - limit.window, created_at__lte=Now()).order_by()


def count_of(rows: QuerySet[Any], person: str) -> Coalesce:
    model: type[Model] = rows.model
    pk = str(model._meta.pk.name) if model._meta.pk else "pk"
    return Coalesce(Subquery(rows.order_by().values(person).annotate(n=Count(pk)).values("n")), 0)


def refuse(by: User, limit: ActionLimit, *, with_batches: bool = False) -> None:
    times = list(_events(by, limit).order_by("-at").values_list("at", flat=True)[: limit.most])
    if with_batches:
        times += _batches(by, limit).order_by("-created_at").values_list("created_at", flat=True)[: limit.most]
    # It is possible again when the oldest of the last `most` is no longer counted.
    latest = sorted(times, reverse=True)[: limit.most]
    raise too_often(
        f"You {limit.did} {limit.most} times within {limit.span}, as often as one person may.",
        latest[-1] + limit.window,
    )


def too_often(words: str, retry_at: datetime) -> TooMany:
    refusal = TooMany("", retry_at)
    seconds = refusal.retry_seconds
    wait = f"{seconds} second{'' if seconds == 1 else 's'}" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"
    moment = timezone.localtime(retry_at + timedelta(milliseconds=999))
    refusal.args = (f"{words} It is possible again in {wait}, at {moment:%H:%M:%S} ({moment.tzname()}).",)
    return refusal
