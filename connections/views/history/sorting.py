"""The orders of the history. A page begins beyond an edge, a value with an id: no page skips or repeats a row."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.db.models.functions import Coalesce, Lower

from connections.models.request import ConnectionRequestQuerySet
from connections.models.search import Edge

SINCE = Coalesce("submitted_at", "created_at")
# Each has an index of its own, with the id behind it.
_EXPRESSIONS: dict[str, Any] = {
    "service": Lower("service_name"),
    "destination": Lower("group_name"),
    "name": Lower("schema"),
    "submitted": SINCE,
}


@dataclass(frozen=True)
class Sort:
    """`key` is empty for the usual order, the newest request first."""

    key: str = ""
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.key}" if self.descending else self.key

    def next(self, key: str) -> "Sort":
        """What a press on the head of `key` leads to: up, then down, then the usual order."""
        if self.key != key:
            return Sort(key)
        return USUAL if self.descending else Sort(key, descending=True)

    def edge(self, pk: int, value: Any, newer: bool = False) -> Edge:
        text = value.isoformat() if isinstance(value, datetime) else str(value)
        return Edge(pk, newer, str(self), text if self.key else "")


USUAL = Sort()


def read(text: str) -> Sort:
    """An order that is not offered is the usual one."""
    key = text.removeprefix("-")
    return Sort(key, text.startswith("-")) if key in _EXPRESSIONS else USUAL


def ordered(rows: ConnectionRequestQuerySet, sort: Sort, edge: Edge | None) -> ConnectionRequestQuerySet:
    """The rows beyond `edge`, those next to it first."""
    newer = edge is not None and edge.newer
    if not sort.key:
        if edge is not None:
            rows = rows.filter(id__gt=edge.id) if newer else rows.filter(id__lt=edge.id)
        return rows.order_by("id" if newer else "-id")
    found: Any = rows.annotate(sorted_by=_EXPRESSIONS[sort.key])
    rising = sort.descending == newer
    if edge is not None:
        value: Any = datetime.fromisoformat(edge.value) if sort.key == "submitted" else edge.value
        # Both conditions: the second is a range of the index, the first leaves out what was shown of the same value.
        if rising:
            found = found.filter(Q(sorted_by__gt=value) | Q(id__lt=edge.id), sorted_by__gte=value)
        else:
            found = found.filter(Q(sorted_by__lt=value) | Q(id__gt=edge.id), sorted_by__lte=value)
    beyond: ConnectionRequestQuerySet = found.order_by(*(("sorted_by", "-id") if rising else ("-sorted_by", "id")))
    return beyond
