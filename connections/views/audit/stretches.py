"""Reading the record in stretches of keys: no statement walks the whole table, whatever is looked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from connections.models import Event
from connections.models.search import Edge

PAGE = 50
STRETCH = 100_000  # events in one statement
_Events = QuerySet[Event, Any]


@dataclass(frozen=True)
class Page:
    """`more` fits beyond its last row; `end` is where the search stopped before the end of the record."""

    events: list[Event]  # newest first
    more: bool
    end: int = 0

    @property
    def end_at(self) -> datetime | None:
        """How far back it was searched."""
        after = Event.objects.filter(pk__gte=self.end).order_by("pk").values_list("at", flat=True)
        return after.first() if self.end and not self.more else None


def page_of(events: _Events, edge: Edge | None, *, in_stretches: bool) -> Page:
    newer = edge is not None and edge.newer
    if edge is not None:
        events = events.filter(pk__gt=edge.id) if newer else events.filter(pk__lt=edge.id)
    end = _end(edge) if in_stretches else 0
    if end:
        events = events.filter(pk__lte=end) if newer else events.filter(pk__gte=end)
    found = list(events.order_by("pk" if newer else "-pk")[: PAGE + 1])
    more, found = len(found) > PAGE, found[:PAGE]
    return Page(found[::-1] if newer else found, more, end)


def _end(edge: Edge | None) -> int:
    """The last key of the stretch that begins at the edge; 0 where the record ends before that."""
    if edge is not None and edge.newer:
        first = Event.objects.filter(pk__gt=edge.id).order_by("pk").values_list("pk", flat=True).first() or 0
        return first + STRETCH if first + STRETCH < newest_key() else 0
    return max(newest_key(**({"pk__lt": edge.id} if edge is not None else {})) - STRETCH, 0)


def newest_key(**among: int) -> int:
    return Event.objects.filter(**among).order_by("-pk").values_list("pk", flat=True).first() or 0


def count_of(events: _Events, newest: int) -> int:
    """How many of the events there are, up to the key `newest`."""
    return sum(events.filter(pk__lte=top, pk__gt=top - STRETCH).count() for top in _tops(newest))


def rows_of(events: _Events, columns: list[str], newest: int, chunk: int) -> Iterator[list[tuple[Any, ...]]]:
    """Their columns, of which the first is the key, in chunks, newest first."""
    # Each chunk is a query of its own: an export holds neither a transaction nor the rows.
    rows = events.order_by("-pk").values_list(*columns)
    for top in _tops(newest):
        found = list(rows.filter(pk__lte=top, pk__gt=top - STRETCH)[:chunk])
        while found:
            yield found
            found = list(rows.filter(pk__lt=found[-1][0], pk__gt=top - STRETCH)[:chunk])


def _tops(newest: int) -> Iterator[int]:
    """The highest key of each stretch, which is one of an event: between two may lie more than anybody can count."""
    while (newest := newest_key(pk__lte=newest)) > 0:
        yield newest
        newest -= STRETCH
