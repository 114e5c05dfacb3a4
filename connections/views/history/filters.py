"""The filters of the history: read from the query string, applied to the rows, written back into links."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.core.signing import BadSignature, Signer
from django.http import QueryDict
from django.utils.dateparse import parse_date

from connections.models.request import ConnectionRequestQuerySet
from connections.models.search import Edge
from connections.states import Status

MAX_LENGTH = 200
LONGEST = 4_500  # bytes of the filters in an address; the log-in's holds it quoted again, and servers take about 8,000
MAX_ID = 2**63 - 1
_TEXTS = {"service": "Service", "group_id": "Destination", "requester": "Requester", "q": "Search"}
_DATES = {"after": "Submitted from", "before": "Submitted to"}
_signer = Signer(salt="connections.history")


class Unusable(ValueError):
    """A parameter whose value cannot be used; the text says which, and what can be used."""


@dataclass(frozen=True)
class Chip:
    """One chosen filter, and the query string without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True)
class Filters:
    """Dates are days of submission, inclusive, in the reader's zone."""

    status: tuple[Status, ...] = ()
    service: str = ""
    group_id: str = ""
    requester: str = ""
    q: str = ""
    after: date | None = None
    before: date | None = None

    @property
    def any(self) -> bool:
        return self != Filters()

    @property
    def beyond_search(self) -> bool:
        return replace(self, q="") != Filters()

    def rows(self, rows: ConnectionRequestQuerySet, zone: tzinfo) -> ConnectionRequestQuerySet:
        # The search words are applied later, in stages: they may read many rows.
        if self.status:
            rows = rows.filter(status__in=self.status) if len(self.status) > 1 else rows.filter(status=self.status[0])
        if self.service:
            rows = rows.filter(service=self.service)
        if self.group_id:
            rows = rows.filter(group_id=self.group_id)
        if self.requester:
            person = get_user_model()._default_manager.filter(username=self.requester)
            rows = rows.filter(requester=person.values("pk")[:1])
        if self.after:
            rows = rows.filter(submitted_at__gte=datetime.combine(self.after, time(), zone))
        if self.before:
            rows = rows.filter(submitted_at__lt=datetime.combine(self.before + timedelta(days=1), time(), zone))
        return rows

    def pairs(self) -> Iterator[tuple[str, str]]:
        for status in self.status:
            yield "status", status.value
        for name in (*_TEXTS, *_DATES):
            if value := getattr(self, name):
                yield name, str(value)

    def fields(self, sees_everything: bool) -> Iterator[dict[str, str]]:
        """The controls below "More filters", but the statuses."""
        labels = {"service": "Service (id)", "group_id": "Destination (group id)"}
        if sees_everything:  # others see their own requests only
            labels["requester"] = "Requester (username)"
        placeholders = {"service": "google_sheets"}
        for name, label in (labels | _DATES).items():
            yield {
                "name": name,
                "label": label,
                "type": "date" if name in _DATES else "text",
                "value": str(getattr(self, name) or ""),
                "placeholder": placeholders.get(name, ""),
            }

    def query(self, **more: str) -> str:
        pairs = [*self.pairs(), *more.items()]
        return f"?{urlencode(pairs)}" if pairs else "?"

    def chips(self) -> list[Chip]:
        chips = [
            Chip("Status", s.label, replace(self, status=tuple(t for t in self.status if t is not s)).query())
            for s in self.status
        ]
        for name, label in {**_TEXTS, **_DATES}.items():
            if value := getattr(self, name):
                empty: dict[str, Any] = {name: "" if name in _TEXTS else None}
                chips.append(Chip(label, str(value), replace(self, **empty).query()))
        return chips


def read(parameters: QueryDict) -> Filters:
    """Unknown parameters are ignored, empty ones count as not given. Raises Unusable."""
    statuses = dict.fromkeys(status_in(value) for value in parameters.getlist("status") if value)
    texts = {name: text_in(label, parameters.get(name, "")) for name, label in _TEXTS.items()}
    dates = {name: day_in(label, parameters.get(name, "")) for name, label in _DATES.items()}
    chosen = Filters(status=tuple(statuses), **texts, **dates)  # type: ignore[arg-type]  # by name, each of its type
    if len(chosen.query()) > LONGEST:
        raise Unusable("The filters are too long for an address. Use shorter ones, or fewer.")
    return chosen


def status_in(value: str) -> Status:
    try:
        return Status(value)
    except ValueError:
        raise Unusable(f"There is no such status. The statuses are: {', '.join(Status)}.") from None


def text_in(label: str, value: str) -> str:
    value = value.strip()
    if len(value) > MAX_LENGTH or "\0" in value:
        raise Unusable(f"{label}: at most {MAX_LENGTH} characters, and no control characters.")
    return value


def day_in(label: str, value: str) -> date | None:
    if not value.strip():
        return None
    try:
        day = parse_date(value.strip())
    except ValueError:
        day = None
    if day is None or not 1970 <= day.year <= 9000:
        raise Unusable(f"{label}: enter a date such as 2026-11-23.")
    return day


def cursor(edge: Edge) -> str:
    # Signed, so that an edge is always one that this portal has shown.
    return _signer.sign(f"{'n' if edge.newer else 'o'}{edge.id}")


def read_cursor(text: str) -> Edge | None:
    """None without a cursor. Raises Unusable for one that this portal did not make."""
    if not text:
        return None
    try:
        plain = _signer.unsign(text)
    except BadSignature:
        raise Unusable("The link to this page of the list is not one of ours, or it was cut.") from None
    return Edge(min(int(plain[1:]), MAX_ID), newer=plain[0] == "n")
