"""What the form can offer, read from the cached copy; the only call to Fivetran is for a chosen service."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KT
from django.utils import timezone

from connections.catalog.policy import Policy, policy
from connections.catalog.refresh import due, refresh_service
from connections.models import CatalogEntry, CatalogRefresh, Kind, Stance
from connections.spec.fields import NAMING_SHAPES

OLD = timedelta(hours=24)  # nobody should have to wonder about a list that is older


@dataclass(frozen=True)
class Option:
    id: str  # goes into the body
    name: str
    remark: str = ""
    group: str = ""
    region: str = ""
    doubt: str = ""  # why it may not work now, in words
    warehouse: str = ""  # what a destination runs on


@dataclass(frozen=True)
class Service(Option):
    lifecycle: str = ""  # empty for what is generally available
    guide: str = ""
    recommended: bool = False
    note: str = ""


@dataclass(frozen=True)
class Freshness:
    fetched_at: datetime | None  # None: there is no copy
    error: str  # what went wrong since

    @property
    def words(self) -> str:
        """What is wrong with the copy, as the beginning of a sentence; empty while it is whole and fresh."""
        if self.error:
            return _WENT_WRONG.get(self.error.partition(":")[0], _WENT_WRONG["NotSent"])
        if self.fetched_at and timezone.now() - self.fetched_at > OLD:
            return "The portal has not asked Fivetran for a while"
        return ""


# By the class of the error that a refresh stored: a person reads what it means, an operator the whole of it.
_WENT_WRONG = {
    "NotSent": "Fivetran could not be reached since",
    "RateLimited": "Fivetran asks the portal to wait with further calls",
    "Unauthorized": "Fivetran does not accept the portal’s key since",
    "Refused": "Fivetran refuses the list since",
    "Unknown": "Fivetran gave no usable answer since",
}

_LIFECYCLE = {
    "beta": "beta",
    "private_preview": "private preview",
    "sunset": "sunset: being retired",
    "development": "in development",
}


def entries_of(kind: Kind) -> list[CatalogEntry]:
    return list(CatalogEntry.objects.filter(kind=kind).defer("detail"))


def freshness(kind: Kind) -> Freshness:
    return freshness_of(CatalogRefresh.objects.filter(kind=kind).first())


def freshness_of_all() -> dict[str, Freshness]:
    """By kind; one query for all lists of a page."""
    return {row.kind: freshness_of(row) for row in CatalogRefresh.objects.all()}


def freshness_of(row: CatalogRefresh | None) -> Freshness:
    return Freshness(row.fetched_at, row.error) if row else Freshness(None, "")


def services() -> list[Service]:
    """The recommended ones first, the others by name."""
    rules = policy()
    found = [_service(rules, *row) for row in _service_rows() if rules.allows(row[0])]
    return sorted(found, key=lambda one: (not one.recommended, rules.rules[one.id].position if one.recommended else 0))


@dataclass(frozen=True)
class Listed:
    """A service of the gallery; `refusal` says why it cannot be asked for."""

    service: Service
    refusal: str


def every_service() -> list[Listed]:
    """By name, those that the company refuses too."""
    rules = policy()
    return [Listed(_service(rules, *row), rules.refusal(row[0])) for row in _service_rows()]


def _service_rows() -> QuerySet[CatalogEntry, tuple[Any, ...]]:
    # As texts, which the database takes out of the documents itself: read as JSON, they were most of this page's time.
    columns = ("fivetran_id", "name", KT("data__type"), KT("data__service_status"), KT("data__link_to_docs"))
    return CatalogEntry.objects.filter(kind=Kind.SERVICE).values_list(*columns)


def _in_words(category: str) -> str:
    """`HumanResources`, as Fivetran writes it, in words: `Human resources`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", category).split(" ")
    return " ".join([words[0], *(word.lower() for word in words[1:])]) if len(words) > 1 else category


def _service(
    rules: Policy, service: str, name: str, category: str | None, status: str | None, guide: str | None
) -> Service:
    rule = rules.rules.get(service)
    recommended = rule is not None and rule.stance == Stance.RECOMMENDED
    lifecycle = _LIFECYCLE.get(status or "", "")
    remarks = ["recommended" if recommended else "", lifecycle]
    return Service(
        id=service,
        name=name,
        remark=", ".join(remark for remark in remarks if remark),
        group=_in_words(category[:60]) if category and category[0].isalpha() else "",  # a list or a number is no name
        lifecycle=lifecycle,
        guide=guide_at(guide),
        recommended=recommended,
        note=rule.note if rule else "",
    )


def guide_at(address: Any) -> str:
    # Nothing from outside may lead people to another site than Fivetran's.
    on_site = isinstance(address, str) and address.startswith("https://fivetran.com/") and len(address) <= 300
    return address if on_site else ""


def destinations() -> list[Option]:
    # Fivetran's API accepts a destination that is not connected; the connection would fail later.
    groups = {e.fivetran_id: e.name for e in entries_of(Kind.GROUP)}
    found = [
        Option(
            e.fivetran_id,
            groups.get(e.fivetran_id, e.fivetran_id),
            _where(e.data),
            region=_region(e.data),
            warehouse=str(e.data.get("service") or "")[:100],
        )
        for e in entries_of(Kind.DESTINATION)
        if str(e.data.get("setup_status", "")).upper() == "CONNECTED"
    ]
    return sorted(found, key=lambda option: (option.name.lower(), option.id))


def group_names(ids: Collection[str]) -> dict[str, str]:
    known = CatalogEntry.objects.filter(kind=Kind.GROUP, fivetran_id__in=ids)
    return dict(known.values_list("fivetran_id", "name")) if ids else {}


def _where(data: dict[str, Any]) -> str:
    return " · ".join(str(data[key]) for key in ("service", "region") if data.get(key))


def _region(data: dict[str, Any]) -> str:
    region = data.get("region")
    return region[:100] if isinstance(region, str) else ""


OFFLINE = "is not connected to Fivetran just now: the connection fails until it is"
_OF_DESTINATION = "this private link leads to a destination, not to a source: Fivetran may refuse it"


def private_links() -> list[Option]:
    return [
        Option(
            e.fivetran_id,
            e.name,
            _where(e.data),
            region=_region(e.data),
            doubt="" if str(e.data.get("service") or "SOURCE_").upper().startswith("SOURCE") else _OF_DESTINATION,
        )
        for e in entries_of(Kind.PRIVATE_LINK)
        # Fivetran refuses a link that is still being made.
        if str(e.data.get("state", "")) == "OK" or str(e.data.get("state", "")).startswith("SOURCE_")
    ]


def proxy_agents() -> list[Option]:
    return [
        agent_option(e, "proxy agent", "" if e.data.get("status") == "CONNECTED" else "not connected")
        for e in entries_of(Kind.PROXY_AGENT)
    ]


def hybrid_agents() -> list[Option]:
    return [
        agent_option(e, "hybrid deployment agent", "" if e.data.get("online") else "not online")
        for e in entries_of(Kind.HYBRID_AGENT)
    ]


def agent_option(entry: CatalogEntry, what: str, away: str) -> Option:
    return Option(
        entry.fivetran_id,
        entry.name,
        away,
        str(entry.data.get("group_id") or ""),
        _region(entry.data),
        doubt=f"this {what} {OFFLINE}" if away else "",
    )


def metadata_of(service: str) -> dict[str, Any] | None:
    """None while the portal does not know it. Missing or old metadata is fetched now, for a few seconds at most."""
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=service)
    if entry.filter(due()).exists():
        refresh_service(service)
    return known_metadata_of(service) or None


def known_metadata_of(service: str) -> dict[str, Any]:
    """As it was last told, without asking; empty where it never was."""
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=service)
    found = entry.values_list("detail", flat=True).first()
    return found if isinstance(found, dict) else {}


def service_config_of(detail: dict[str, Any] | None) -> dict[str, Any] | None:
    config = (detail or {}).get("config")
    return config if isinstance(config, dict) else None


def naming_keys(service: str) -> tuple[str, ...] | None:
    """The keys of `config` that name the destination; None while the portal does not know them."""
    return naming_keys_of(service_config_of(metadata_of(service)))


def naming_keys_of(config: dict[str, Any] | None) -> tuple[str, ...] | None:
    if config is None:
        return None
    required, properties = config.get("required"), config.get("properties")
    for names in (required, properties):
        known = {name for name in names if isinstance(name, str)} if isinstance(names, (list, dict)) else set()
        for shape in sorted(NAMING_SHAPES, key=len, reverse=True):
            if known.issuperset(shape):
                return shape
    return ("schema",)  # Fivetran's most common shape
