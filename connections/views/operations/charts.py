"""The last day in three charts: what was created, what was on its way, and how long the oldest of that had waited.

Read from the requests alone: a request is on its way from its approval until it is created, refused, withdrawn, or
needs an operator.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import time_format

from connections.models import ConnectionRequest
from connections.models.request import LEFT_THE_QUEUE
from connections.states import Status
from connections.views.bars import Bar, bars
from connections.views.home.kept import span

HOURS = 24
MOST = 10_000  # requests; of a day with more, the newest moves
_HOUR = timedelta(hours=1)
_THERE = (Status.APPROVED, Status.CLAIMED, Status.SENDING, Status.UNKNOWN)


@dataclass(frozen=True)
class Chart:
    title: str
    said: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Hour:
    """`oldest` in seconds, at its end as `waiting` is."""

    start: datetime
    created: int
    waiting: int
    oldest: float

    @property
    def words(self) -> str:
        return time_format(timezone.localtime(self.start), "H:i")

    @property
    def oldest_words(self) -> str:
        return span(self.oldest) if self.waiting else "—"


def last_day(now: datetime) -> tuple[Hour, ...]:
    first = now.replace(minute=0, second=0, microsecond=0) - (HOURS - 1) * _HOUR
    # The status is looked at here: with it in the query SQLite reads all of that status instead of the last day's.
    moved = ConnectionRequest.objects.filter(status_since__gte=first).order_by("-status_since")
    columns = ("approved_at", "status_since", "status", "connection__made_elsewhere")
    left = [row for row in moved.values_list(*columns)[:MOST] if row[0] and row[2] in LEFT_THE_QUEUE and not row[3]]
    waiting = ConnectionRequest.objects.filter(status__in=_THERE).order_by("approved_at")
    there = waiting.values_list("approved_at", flat=True)[:MOST]
    stays = [(approved, gone) for approved, gone, *_ in left] + [(one, None) for one in there if one]
    created = Counter((gone - first) // _HOUR for _, gone, status, _ in left if status == Status.CREATED)
    starts = [first + number * _HOUR for number in range(HOURS)]
    return tuple(
        Hour(start, created[number], *_waiting_at(min(start + _HOUR, now), stays))
        for number, start in enumerate(starts)
    )


def _waiting_at(moment: datetime, stays: Iterable[tuple[datetime, datetime | None]]) -> tuple[int, float]:
    """How many were on their way, and for how many seconds the oldest of them."""
    since = [approved for approved, gone in stays if approved <= moment and (gone is None or gone > moment)]
    return len(since), (moment - min(since)).total_seconds() if since else 0


def charts(hours: tuple[Hour, ...]) -> tuple[Chart, ...]:
    busiest = max(hours, key=lambda hour: hour.created)
    fullest = max(hours, key=lambda hour: hour.waiting)
    slowest = max(hours, key=lambda hour: hour.oldest)
    total = sum(hour.created for hour in hours)
    return (
        Chart(
            "Created in each hour",
            f"{total} in a day, at most {busiest.created} in the hour from {busiest.words}" if total else "None.",
            bars([(hour.created, f"{hour.words}: {hour.created}") for hour in hours]),
        ),
        Chart(
            "On their way",
            f"{hours[-1].waiting} now; at the ends of hours at most {fullest.waiting}, after {fullest.words}"
            if fullest.waiting
            else "None at the end of an hour.",
            bars([(hour.waiting, f"{hour.words}: {hour.waiting}") for hour in hours]),
        ),
        Chart(
            "Age of the oldest of them",
            f"{hours[-1].oldest_words} now; at the ends of hours at most {slowest.oldest_words}, after {slowest.words}"
            if slowest.oldest
            else "None waited at the end of an hour.",
            bars([(hour.oldest, f"{hour.words}: {hour.oldest_words}") for hour in hours]),
        ),
    )
