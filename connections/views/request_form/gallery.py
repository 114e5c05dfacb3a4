"""The services to choose from, as tiles: recommended ones first, a category or what a search found on demand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.http import QueryDict

from connections.catalog import Service
from connections.catalog.search import popular, search
from connections.forms import RequestForm
from connections.forms.typed_text import NUL_SIGN

SHOWN = 60  # tiles at once: nobody looks through more, and the page stays small
_OTHER = "Other"  # of services without a category


@dataclass(frozen=True)
class Tile:
    service: Service
    address: str
    words: str


@dataclass(frozen=True)
class Category:
    name: str
    address: str
    count: int
    is_chosen: bool


@dataclass(frozen=True)
class Gallery:
    """`rest` counts what found no room."""

    heading: str
    tiles: list[Tile]
    rest: int
    categories: list[Category]
    query: str = ""
    kept: list[tuple[str, str]] = field(default_factory=list)  # the other parameters of the address


def gallery_of(form: RequestForm, query: QueryDict) -> Gallery | None:
    """None where a service is chosen already, or the portal does not know what there is."""
    services = [one for one in form.offers["service"].options if isinstance(one, Service)]
    if form.data.get("service") or not services:
        return None
    category, words = query.get("category", "")[:60], query.get("q", "")[:200]
    kept = QueryDict(mutable=True)  # of the address what the form knows, and nothing that may be a secret
    known = [name for name in query if name in form.fields and name != "service"]
    kept.update({name: str(query[name]).replace("\0", NUL_SIGN) for name in known})
    heading, found = chosen(services, category, words)
    counts = Counter(one.group or _OTHER for one in services)
    return Gallery(
        heading=heading,
        tiles=[Tile(one, address(kept, service=one.id), one.lifecycle or one.note) for one in found[:SHOWN]],
        rest=max(0, len(found) - SHOWN),
        categories=[
            Category(name, address(kept, category=name), count, name == category)
            for name, count in sorted(counts.items())
        ],
        query=words,
        kept=[(name, str(text)) for name, text in kept.items()],
    )


def chosen(services: Sequence[Service], category: str, words: str) -> tuple[str, list[Service]]:
    """Heading and services: what was searched for, else the category, else what most people want."""
    if words.strip():
        found = search(services, words)
        return (f"Found for “{words}”" if found else f"No service is called “{words}”"), found
    if category:
        return category, [one for one in services if (one.group or _OTHER) == category]
    if recommended := [one for one in services if one.recommended]:
        return "Recommended by your company", recommended
    by_id = {one.id: one for one in services}
    return "Often asked for", [by_id[name] for name in popular() if name in by_id] or list(services[:SHOWN])


def address(kept: QueryDict, **more: str) -> str:
    query = kept.copy()
    for name, text in more.items():
        query[name] = text
    return f"?{query.urlencode()}"
