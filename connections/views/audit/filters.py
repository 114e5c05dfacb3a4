"""The filters of the record: read from the query string, applied to the events, written back into links."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import CharField, F, Q, QuerySet
from django.db.models.functions import Cast
from django.http import QueryDict

from connections.models import ConnectionRequest, Event, EventKind
from connections.models.event import PERSON
from connections.states import Status
from connections.views import labels
from connections.views.history.filters import MAX_ID, Unusable, day_in, text_in

# What the page calls each text, and what stands in its empty control.
TEXTS = {
    "person": ("Person", "name or user name"),
    "request": ("Request", "number"),
    "destination": ("Destination", "id or name"),
    "address": ("Address", "as 192.0.2.7"),
}
MOST_PEOPLE = 500  # of one name, whose events are shown at once
DATES = {"after": "From", "before": "To"}
_EDITS = Q(kind=EventKind.EDITED) | Q(
    kind=EventKind.MOVED, target=Status.PENDING, source__in=(Status.PENDING, Status.CHANGES_REQUESTED)
)
# Each move of a request is an event of one kind: people look for what it moved to.
_MOVES = "moved:"
KINDS: dict[str, str] = {f"{_MOVES}{status.value}": f"Request: {status.label}" for status in Status} | {
    kind.value: labels.EVENTS[kind][0] for kind in EventKind if kind is not EventKind.MOVED
}


@dataclass(frozen=True)
class Filters:
    """Days are inclusive, in the reader's zone."""

    person: str = ""
    kind: str = ""
    request: str = ""
    destination: str = ""
    address: str = ""
    q: str = ""
    after: date | None = None
    before: date | None = None

    @property
    def in_stretches(self) -> bool:
        """Whether no index finds it, so that events are looked through."""
        return bool(self.q or self.destination) or self.kind == EventKind.EDITED or self.kind.startswith(_MOVES)

    @property
    def beyond_search(self) -> bool:
        return any(name != "q" for name, _ in self.pairs())

    def pairs(self) -> Iterator[tuple[str, str]]:
        for name in self.__dataclass_fields__:
            if value := getattr(self, name):
                yield name, str(value)

    def query(self, **more: str) -> str:
        pairs = [*self.pairs(), *more.items()]
        return f"?{urlencode(pairs)}" if pairs else "?"

    def events(self, events: QuerySet[Event, Any], zone: tzinfo) -> QuerySet[Event, Any]:
        for condition in self._conditions(zone):
            events = events.filter(condition)
        return events

    def _conditions(self, zone: tzinfo) -> Iterator[Q]:
        if self.person:
            yield _about_person(self.person)
        if self.kind:
            yield _of_kind(self.kind)
        if self.request:
            yield Q(request=int(self.request))
        if self.destination:
            named = Q(group_id=self.destination) | Q(group_name__iexact=self.destination)
            yield Q(request__in=ConnectionRequest.objects.filter(named).order_by().values("pk"))
        if self.address:
            yield Q(address=self.address) & ~Q(address="")
        if self.after:
            yield Q(at__gte=datetime.combine(self.after, time(), zone))
        if self.before:
            yield Q(at__lt=datetime.combine(self.before + timedelta(days=1), time(), zone))
        for word in self.q.split()[:8]:
            yield (
                Q(reason__icontains=word)
                | Q(about_name__icontains=word)
                | Q(typed_name__icontains=word)
                | Q(request__search__contains=word.lower())
                | _of_people(_people_named(word))
            )


def _about_person(name: str) -> Q:
    """What somebody did, and what happened to their account: by user name, else by every word of the real name."""
    keys = list(User.objects.filter(username__iexact=name).values_list("pk", flat=True)[:1])
    keys = keys or list(_people_named(*name.split()).values_list("pk", flat=True)[: MOST_PEOPLE + 1])
    if len(keys) > MOST_PEOPLE:
        raise Unusable(f"Person: more than {MOST_PEOPLE} people have this name. Enter more of it, or the user name.")
    if keys:  # written out: with a subquery the databases leave the indexes aside
        return Q(by__in=keys) | Q(about_kind=PERSON, about_id__in=list(map(str, keys)))
    return _of_kind(EventKind.LOG_IN_REFUSED) & Q(typed_name__iexact=name)


def _people_named(*words: str) -> QuerySet[User, Any]:
    """Those with every word in their real names."""
    found = User.objects.all()
    for word in words:
        found = found.filter(Q(first_name__icontains=word) | Q(last_name__icontains=word))
    return found


def _of_people(people: QuerySet[User, Any]) -> Q:
    keys = people.annotate(key=Cast("pk", CharField()))
    return Q(by__in=people.values("pk")) | Q(about_kind=PERSON, about_id__in=keys.values("key"))


def _of_kind(kind: str) -> Q:
    if kind == EventKind.EDITED:
        return _EDITS
    if kind.startswith(_MOVES):
        return Q(kind=EventKind.MOVED, target=kind.removeprefix(_MOVES)) & ~Q(source=F("target"))
    # The second condition says nothing new; by it SQLite takes the index.
    return Q(kind=kind) & ~Q(kind=EventKind.MOVED)


def read(parameters: QueryDict) -> Filters:
    """Unknown parameters are ignored, empty ones count as not given. Raises Unusable."""
    texts = {name: text_in(label, parameters.get(name, "")) for name, (label, _) in TEXTS.items()}
    dates = {name: day_in(label, parameters.get(name, "")) for name, label in DATES.items()}
    number = texts["request"] = texts["request"].removeprefix("#")
    if number and not (number.isascii() and number.isdigit() and int(number[:20]) <= MAX_ID):
        raise Unusable("Request: enter its number.")
    kind = parameters.get("kind", "")
    if kind and kind not in KINDS:
        raise Unusable("There is no such kind of event.")
    return Filters(kind=kind, q=text_in("Search", parameters.get("q", "")), **texts, **dates)  # type: ignore[arg-type]
