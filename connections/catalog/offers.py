"""What the form can offer, read from the cached copy; no call to Fivetran here but the one for a chosen service."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connections.catalog.refresh import refresh_service
from connections.fields import NAMING_SHAPES
from connections.models import CatalogEntry, CatalogRefresh, Kind


@dataclass(frozen=True)
class Option:
    """Something to choose: the id that goes into the body, its name, a remark, and its group where it has one."""

    id: str
    name: str
    remark: str = ""
    group: str = ""


@dataclass(frozen=True)
class Freshness:
    """How old the copy of a kind is: None where there is none; `error` is what went wrong since."""

    fetched_at: datetime | None
    error: str


_LIFECYCLE = {
    "beta": "beta",
    "private_preview": "private preview",
    "sunset": "sunset: being retired",
    "development": "in development",
}


def _entries(kind: Kind) -> list[CatalogEntry]:
    return list(CatalogEntry.objects.filter(kind=kind).defer("detail"))


def freshness(kind: Kind) -> Freshness:
    """When `kind` was last fetched whole, and what has gone wrong since."""
    row = CatalogRefresh.objects.filter(kind=kind).first()
    return Freshness(row.fetched_at, row.error) if row else Freshness(None, "")


def services() -> list[Option]:
    """The services of the account, by name; those that are not generally available are marked."""
    return [
        Option(
            e.fivetran_id, e.name, _LIFECYCLE.get(str(e.data.get("service_status")), ""), str(e.data.get("type", ""))
        )
        for e in _entries(Kind.SERVICE)
    ]


def destinations() -> list[Option]:
    """The groups whose destination is connected (Fivetran's API does not check this), named by their group."""
    groups = {e.fivetran_id: e.name for e in _entries(Kind.GROUP)}
    found = [
        Option(e.fivetran_id, groups.get(e.fivetran_id, e.fivetran_id), _where(e.data))
        for e in _entries(Kind.DESTINATION)
        if str(e.data.get("setup_status", "")).upper() == "CONNECTED"
    ]
    return sorted(found, key=lambda option: (option.name.lower(), option.id))


def _where(data: dict[str, Any]) -> str:
    return " · ".join(str(data[key]) for key in ("service", "region") if data.get(key))


def private_links() -> list[Option]:
    """The private links that are ready; Fivetran refuses those still being made."""
    return [
        Option(e.fivetran_id, e.name, _where(e.data))
        for e in _entries(Kind.PRIVATE_LINK)
        if str(e.data.get("state", "")) == "OK" or str(e.data.get("state", "")).startswith("SOURCE_")
    ]


def proxy_agents() -> list[Option]:
    """The proxy agents, with those that are not connected marked."""
    return [
        Option(e.fivetran_id, e.name, "" if e.data.get("status") == "CONNECTED" else "not connected")
        for e in _entries(Kind.PROXY_AGENT)
    ]


def hybrid_agents() -> list[Option]:
    """The hybrid deployment agents, each with the group it belongs to."""
    return [
        Option(e.fivetran_id, e.name, "" if e.data.get("online") else "not online", str(e.data.get("group_id") or ""))
        for e in _entries(Kind.HYBRID_AGENT)
    ]


def naming_keys(service: str) -> tuple[str, ...] | None:
    """The keys of `config` that name the destination for `service`; None while Fivetran has not told.

    Read from the service's metadata (the naming keys among its required properties, else among all of them), which is
    fetched now if it never was. A service without any such property takes `schema` (Fivetran's most common shape).
    """
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=service).first()
    if entry is not None and entry.detail is None and entry.detail_at is None and refresh_service(service):
        entry.refresh_from_db()
    config = (entry.detail or {}).get("config") if entry is not None else None
    if not isinstance(config, dict):
        return None
    required, properties = config.get("required"), config.get("properties")
    for names in (required, properties):
        known = set(names) if isinstance(names, (list, dict)) else set()
        for shape in sorted(NAMING_SHAPES, key=len, reverse=True):
            if known.issuperset(shape):
                return shape
    return ("schema",)
