"""The parts of the record beside the events: what each holds, and the tables in which they are laid out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse

from connections import permissions
from connections.models import Event, EventKind
from connections.people import display_name
from connections.permissions import Person
from connections.views.audit.rows import ERASED, was_erased

NAMED = 20  # people in one cell
READ = 1000  # the newest events among which who changed something last is looked for
_EVENTS = {
    "Everything": "",
    "Log-ins": EventKind.LOGGED_IN,
    "Refused log-ins": EventKind.LOG_IN_REFUSED,
    "Exports": EventKind.EXPORTED,
}
_PAGES = {"Mails": "audit_mails", "Access rules": "audit_rules", "Policy": "audit_policy", "People": "audit_people"}


def sections(request: HttpRequest) -> list[tuple[str, str, str]]:
    """(address, words, aria-current) of the parts; the events are for whoever reads the record."""
    here = request.resolver_match.url_name if request.resolver_match else ""
    kind = request.GET.get("kind", "")
    shown = _EVENTS if permissions.reads_record(request.user) else {}
    # Another kind than these is among everything.
    chosen = kind if kind in shown.values() else ""
    found = [(of_events(kind=value), words, here == "audit" and chosen == value) for words, value in shown.items()]
    found += [(reverse(f"connections:{name}"), words, here == name) for words, name in _PAGES.items()]
    return [(address, words, "page" if current else "false") for address, words, current in found]


def of_events(**filters: str) -> str:
    chosen = {name: value for name, value in filters.items() if value}
    return reverse("connections:audit") + (f"?{urlencode(chosen)}" if chosen else "")


@dataclass(frozen=True)
class Cell:
    text: str = ""
    tags: tuple[tuple[str, str], ...] = ()  # tone, words
    people: tuple[tuple[User, str], ...] = ()  # with the address of what they did
    at: datetime | None = None
    link: str = ""


@dataclass(frozen=True)
class Table:
    """Each row has a cell for each head, in their order; the first names the row."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    says: str = ""
    nothing: str = "None."
    slug: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "slug", self.title.lower().replace(" ", "-"))

    @property
    def lines(self) -> Iterator[tuple[Cell, list[tuple[str, Cell]]]]:
        for first, *rest in self.rows:
            yield first, list(zip(self.heads[1:], rest, strict=True))


def people_cell(reader: Person, people: Iterable[User], nobody: str = "nobody") -> Cell:
    found = sorted(people, key=lambda one: display_name(one).lower())
    if not found:
        return Cell(nobody)
    more = f"and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return Cell(more, people=tuple((one, _done_by(reader, one)) for one in found[:NAMED]))


def _done_by(reader: Person, person: User) -> str:
    return of_events(person=person.get_username()) if permissions.reads_record(reader) else ""


def changed_cell(reader: Person, event: Event | None, *, never: str = "not since it is on record") -> Cell:
    """Who changed it last, and when; `never` where no change is on record."""
    if event is None:
        return Cell(never)
    if event.by is None:
        return Cell(ERASED if was_erased(event) else "by nobody who was logged in", at=event.at)
    return Cell(people=((event.by, _done_by(reader, event.by)),), at=event.at)


def last_changes(kind: EventKind, about: str) -> dict[str, Event]:
    """The id of each row of the model `about` -> the newest event of this kind about it."""
    events = Event.objects.filter(kind=kind, about_kind=about).select_related("by", "seal").order_by("id")
    return {event.about_id: event for event in reversed(events.reverse()[:READ])}


def last_changes_of_fields(reader: Person, kind: EventKind, fields: Iterable[str]) -> dict[str, Cell]:
    """The name of each field -> who changed it last, by the newest event of this kind that did."""
    newest = list(Event.objects.filter(kind=kind).select_related("by", "seal").order_by("-id")[:READ])
    found = {name: event for event in reversed(newest) for name in _fields_of(event.detail)}
    told = {"never": f"not on record: older changes were {ERASED}"} if any(map(was_erased, newest)) else {}
    return {name: changed_cell(reader, found.get(name), **told) for name in fields}


def _fields_of(detail: Any) -> Iterator[str]:
    changed = detail.get("changed") if isinstance(detail, dict) else None
    yield from (str(one.get("field")) for one in changed or () if isinstance(one, dict))
