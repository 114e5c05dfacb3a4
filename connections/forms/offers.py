"""What is in the lists of the request form: the catalog's options, and how much the portal knows about them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC

from django.utils.formats import date_format
from django.utils.timesince import timesince

from connections import catalog
from connections.catalog import Option, Service
from connections.models import Kind
from connections.permissions import EVERYTHING, MayAsk, Services
from connections.spec.rules import Rule

Choices = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Offer:
    options: tuple[Option, ...]
    known: bool  # False: there is no copy of Fivetran's list, and a typed id is taken as it is
    note: str = ""  # a sentence for the person who chooses; empty where the list is whole and fresh

    @property
    def choices(self) -> Choices:
        """(id, label) in the catalog's order; a name that occurs twice is told apart by its id."""
        count = Counter(option.name for option in self.options)

        def label(option: Option) -> str:
            remarks = [option.remark, option.id if count[option.name] > 1 else ""]
            more = ", ".join(remark for remark in remarks if remark)
            return f"{option.name} ({more})" if more else option.name

        return tuple((option.id, label(option)) for option in self.options)

    def name_of(self, fivetran_id: str) -> str:
        return next((option.name for option in self.options if option.id == fivetran_id), "")


@dataclass(frozen=True)
class _Source:
    kind: Kind
    read: Callable[[], Sequence[Option]]
    none: str  # said when the account has nothing of this kind


_SOURCES: Mapping[str, _Source] = {
    "service": _Source(Kind.SERVICE, catalog.services, "Fivetran offers no services to this account."),
    "group_id": _Source(Kind.DESTINATION, catalog.destinations, "No destination of this account is connected yet."),
    "private_link_id": _Source(Kind.PRIVATE_LINK, catalog.private_links, "This account has no private link."),
    "proxy_agent_id": _Source(Kind.PROXY_AGENT, catalog.proxy_agents, "This account has no proxy agent."),
    "hybrid_deployment_agent_id": _Source(
        Kind.HYBRID_AGENT, catalog.hybrid_agents, "This account has no hybrid deployment agent."
    ),
}


_NEVER = catalog.freshness_of(None)
_kept: ContextVar[dict[str, Offer] | None] = ContextVar("offers", default=None)


@contextmanager
def read_once() -> Iterator[None]:
    """Within this, each list is read from the database once, however many forms need it."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def offer(path: str) -> Offer | None:
    """None where the catalog has no list for the field at `path`."""
    source = _SOURCES.get(path)
    if source is None:
        return None
    kept = _kept.get()
    if kept is None:
        return _read(source)
    if path not in kept:
        kept[path] = _read(source)
    return kept[path]


def offers(paths: Iterable[str]) -> dict[str, Offer]:
    """Those of `paths` for which the catalog has a list; what is known of them all is read at once."""
    wanted = [path for path in paths if path in _SOURCES]
    if _kept.get() is not None:
        return {path: found for path in wanted if (found := offer(path)) is not None}
    fresh = catalog.freshness_of_all()
    return {path: _read(_SOURCES[path], fresh.get(_SOURCES[path].kind, _NEVER)) for path in wanted}


CLOSED = (
    "The access rules open no destination to you, so you cannot ask for a connection. Ask an administrator to add you "
    "to a group that may."
)


def open_to(may_ask: MayAsk, offers: Mapping[str, Offer]) -> dict[str, Offer]:
    """`offers` (path -> offer) without destinations, services and agents that `may_ask` closes."""
    if may_ask == EVERYTHING:
        return dict(offers)
    found = {path: replace(one, options=tuple(_open(may_ask, path, one))) for path, one in offers.items()}
    if (taken := _taken(may_ask, offers["group_id"])) is not None:
        services = tuple(one for one in found["service"].options if one.id in taken)
        found["service"] = replace(found["service"], options=services)
    return found


def services_taken(may_ask: MayAsk) -> Services:
    """Those that may be asked for into some destination; none where all of them are closed."""
    return None if may_ask == EVERYTHING else _taken(may_ask, _read(_SOURCES["group_id"]))


def _taken(may_ask: MayAsk, places: Offer) -> Services:
    if not (places.known and places.options):
        return None  # what there is to be closed is not known
    allowed = [may_ask.services(one.id) for one in places.options]
    return None if None in allowed else frozenset().union(*(services for services in allowed if services))


def services_open_to(may_ask: MayAsk) -> list[Service]:
    if may_ask == EVERYTHING:
        return catalog.services()
    found = {path: _read(_SOURCES[path]) for path in ("service", "group_id")}
    return [one for one in open_to(may_ask, found)["service"].options if isinstance(one, Service)]


def _open(may_ask: MayAsk, path: str, offered: Offer) -> Iterator[Option]:
    for option in offered.options:
        place = option.id if path == "group_id" else option.group if path != "service" else ""
        if not place or may_ask.is_open(place):
            yield option


def _read(source: _Source, fresh: catalog.Freshness | None = None) -> Offer:
    fresh = fresh or catalog.freshness(source.kind)
    if fresh.fetched_at is None:
        return Offer((), known=False, note="Fivetran has not told the portal what there is: type the id.")
    options, notes = tuple(source.read()), []
    if not options:
        notes.append(source.none)
    if fresh.words:
        since = date_format(fresh.fetched_at.astimezone(UTC), "j M Y H:i")
        age = timesince(fresh.fetched_at, depth=1)
        notes.append(f"{fresh.words}; this list is from {since} UTC, {age} ago.")
    return Offer(options, known=True, note=" ".join(notes))


def fitting(offers: Mapping[str, Offer]) -> tuple[Rule, ...]:
    placed = {path: one.options for path, one in offers.items() if path not in ("service", "group_id")}
    return catalog.fitting_rules(offers["group_id"].options, placed)
