"""The filters as controls: statuses, services, destinations and people by name, days."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

from connections import permissions
from connections.models import CatalogEntry, ConnectionRequest, Kind
from connections.people import display_name
from connections.spec.characters import visible
from connections.states import Status
from connections.views.history.filters import DATES, Filters

MOST = 500  # names in one list
Options = tuple[tuple[str, str], ...]
_STATUSES: Options = tuple((status.value, status.label) for status in Status)


@dataclass(frozen=True)
class Control:
    name: str
    label: str
    inside: SafeString  # of the select; empty for a day
    value: str = ""


def controls(chosen: Filters, services: Options, destinations: Options, people: Options) -> list[Control]:
    first_status = chosen.status[0].value if chosen.status else ""
    found = [
        Control("status", "Status", _inside("Any status", _STATUSES, first_status)),
        Control("service", "Service", _inside("Any service", services, chosen.service)),
        Control("group_id", "Destination", _inside("Any destination", destinations, chosen.group_id)),
    ]
    if people:
        found.append(Control("requester", "Asked for by", _inside("Anybody", people, chosen.requester)))
    return found + [Control(name, label, escape(""), str(getattr(chosen, name) or "")) for name, label in DATES.items()]


@lru_cache(maxsize=256)
def names_in_use(reader: User | None, _sight: Hashable, _minute: int) -> tuple[Options, Options, Options]:
    """Among the requests that somebody sees, as long as what decides that is the same; without a reader, among all that
    were submitted.
    """
    submitted = ConnectionRequest.objects.filter(submitted_at__isnull=False)
    requests = permissions.visible_to(reader) if reader else submitted
    # Who sees own requests only has nobody to choose from.
    asked = Exists(requests.filter(requester=OuterRef("pk")))
    sees_others = reader is None or permissions.sees_others(reader)
    people = User.objects.filter(asked)[:MOST] if sees_others else User.objects.none()
    return (
        _entries(Kind.SERVICE, Exists(requests.filter(service=OuterRef("fivetran_id")))),
        # Whoever types an id into a draft does not learn its name.
        _entries(Kind.GROUP, Exists(requests.filter(group_id=OuterRef("fivetran_id"), submitted_at__isnull=False))),
        tuple(sorted(_people(people), key=lambda one: one[1].lower())),
    )


def _entries(kind: Kind, in_use: Exists) -> Options:
    return tuple(CatalogEntry.objects.filter(in_use, kind=kind).values_list("fivetran_id", "name")[:MOST])


def _people(found: Iterable[User]) -> Iterator[tuple[str, str]]:
    for one in found:
        name = display_name(one)
        yield one.username, name if name == one.username else f"{name} ({one.username})"


def _inside(nothing: str, options: Options, value: str) -> SafeString:
    """The options of a select; a chosen value that is no option is one by its id."""
    if value and value not in dict(options):
        options = ((value, value), *options)
    rows = ((one, " selected" if one == value else "", visible(words)) for one, words in options)
    return format_html('<option value="">{}</option>', nothing) + format_html_join(
        "", '<option value="{}"{}>{}</option>', rows
    )
