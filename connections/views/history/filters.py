"""The filters of the history: read from the query string, applied to the rows, written back into links."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from functools import wraps
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date

from connections.models.request import ConnectionRequestQuerySet
from connections.models.search import Edge
from connections.permissions import Person
from connections.states import Status
from connections.views.history import sorting, tabs
from connections.views.history.sorting import Sort
from connections.views.history.tabs import Tab

MAX_LENGTH = 200
LONGEST = 4_500  # bytes of the filters in an address; the log-in's holds it quoted again, and servers take about 8,000
MAX_ID = 2**63 - 1
MOST_TICKED = 100
_TEXTS = {"service": "Service", "group_id": "Destination", "requester": "Requester", "q": "Search"}
DATES = {"after": "Submitted from", "before": "Submitted to"}
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
    tab: Tab = Tab.ALL
    sort: Sort = sorting.USUAL

    @property
    def within_tab(self) -> bool:
        """Whether something besides the tab narrows the list."""
        return any(name not in ("tab", "sort") for name, _ in self.pairs())

    @property
    def beyond_search(self) -> bool:
        return replace(self, q="").within_tab

    def rows(self, rows: ConnectionRequestQuerySet, zone: tzinfo, reader: Person) -> ConnectionRequestQuerySet:
        # The search words are applied later, in stages: they may read many rows.
        rows = tabs.rows_of(self.tab, rows, reader)
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
        if self.tab:
            yield "tab", self.tab.value
        for status in self.status:
            yield "status", status.value
        for name in (*_TEXTS, *DATES):
            if value := getattr(self, name):
                yield name, str(value)
        if self.sort.key:
            yield "sort", str(self.sort)

    @property
    def address(self) -> str:
        """Of the list with these filters, also where there are none."""
        return reverse("connections:history") + self.query().removesuffix("?")

    def query(self, **more: str) -> str:
        pairs = [*self.pairs(), *more.items()]
        return f"?{urlencode(pairs)}" if pairs else "?"

    def chips(self, names: Mapping[str, str] = MappingProxyType({})) -> list[Chip]:
        """`names`: what people call a value."""
        chips = [
            Chip("Status", s.label, replace(self, status=tuple(t for t in self.status if t is not s)).query())
            for s in self.status
        ]
        for name, label in {**_TEXTS, **DATES}.items():
            if value := getattr(self, name):
                empty: dict[str, Any] = {name: "" if name in _TEXTS else None}
                chips.append(Chip(label, names.get(str(value), str(value)), replace(self, **empty).query()))
        return chips


def read(parameters: QueryDict) -> Filters:
    """Unknown parameters are ignored, empty ones count as not given. Raises Unusable."""
    statuses = dict.fromkeys(status_in(value) for value in parameters.getlist("status") if value)
    texts = {name: text_in(label, parameters.get(name, "")) for name, label in _TEXTS.items()}
    dates = {name: day_in(label, parameters.get(name, "")) for name, label in DATES.items()}
    chosen = Filters(
        status=tuple(statuses),
        tab=tab_in(parameters.get("tab", "")),
        sort=sorting.read(parameters.get("sort", "")),
        **texts,  # type: ignore[arg-type]  # by name, each of its type
        **dates,  # type: ignore[arg-type]
    )
    if len(chosen.query()) > LONGEST:
        raise Unusable("The filters are too long for an address. Use shorter ones, or fewer.")
    return chosen


def refuse_unusable(start: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Answer 400 where the view raises Unusable, with a page that leads to `start`, the list without filters."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                return view(request, *args, **kwargs)
            except Unusable as problem:
                context = {"sentence": str(problem), "start": reverse(f"connections:{start}")}
                return render(request, "connections/history/bad_filter.html", context, status=400)

        return wrapped

    return decorate


def ids_in(parameters: QueryDict) -> list[int]:
    """The ticked rows; what is no number of a row is none of them."""
    found = parameters.getlist("id")[:MOST_TICKED]
    return [int(text) for text in found if text.isascii() and text.isdigit() and len(text) < 18]


def status_in(value: str) -> Status:
    try:
        return Status(value)
    except ValueError:
        raise Unusable(f"There is no such status. The statuses are: {', '.join(Status)}.") from None


def tab_in(value: str) -> Tab:
    try:
        return Tab(value)
    except ValueError:
        raise Unusable(f"There is no such tab. The tabs are: {', '.join(filter(None, Tab))}.") from None


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
    sorted_by = f"~{edge.sort}~{edge.value}" if edge.sort else ""
    return _signer.sign(f"{'n' if edge.newer else 'o'}{edge.id}{sorted_by}")


def read_cursor(text: str, sort: Sort = sorting.USUAL) -> Edge | None:
    """None without a cursor. Raises Unusable for one that this portal did not make, or made for another order."""
    if not text:
        return None
    try:
        plain = _signer.unsign(text)
    except BadSignature:
        raise Unusable("The link to this page of the list is not one of ours, or it was cut.") from None
    where, _, rest = plain.partition("~")
    of_sort, _, value = rest.partition("~")
    if of_sort != str(sort):
        raise Unusable("The link to this page of the list belongs to another order of it.")
    return Edge(min(int(where[1:]), MAX_ID), newer=plain[0] == "n", sort=of_sort, value=value)
