"""The connections that exist at Fivetran, as its list last told: their names, and where the portal learnt it, sources.

Nothing of a connection's `config` is kept: only the hash that two connections of one source share.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from connections.models import CatalogEntry, ConnectionRequest, Kind

_KEPT = ("id", "group_id", "service", "schema", "created_at")
_LONGEST = 300


@dataclass(frozen=True)
class LiveConnection:
    """A connection at Fivetran: its id, the group it loads into, its service and its name."""

    id: str
    group_id: str
    service: str
    schema: str


def kept(item: Mapping[str, Any]) -> dict[str, Any]:
    """What the catalog stores of an item of the list: who it is and whether it is set up."""
    status = item.get("status")
    state = status.get("setup_state") if isinstance(status, dict) else ""
    return {key: str(item.get(key) or "")[:_LONGEST] for key in _KEPT} | {"setup_state": str(state or "")[:50]}


def named(group_id: str, schema: str) -> LiveConnection | None:
    """The connection that had the name `schema` in the group when Fivetran was last asked."""
    if not group_id or not schema:
        return None
    entries = CatalogEntry.objects.filter(kind=Kind.CONNECTION, name=schema)
    return next((one for one in map(_live, entries) if one.group_id == group_id), None)


def held(names: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of `names` (group id, schema) that a connection had when Fivetran was last asked."""
    entries = CatalogEntry.objects.filter(kind=Kind.CONNECTION, name__in={schema for _, schema in names})
    return {(entry.data.get("group_id", ""), entry.name) for entry in entries} & set(names)


def of_sources(source_keys: Collection[str], most: int) -> dict[str, list[LiveConnection]]:
    """Key -> the connections, at most so many in all, that are known to read the source of that key."""
    found: dict[str, list[LiveConnection]] = {}
    for entry in CatalogEntry.objects.filter(kind=Kind.CONNECTION, source_key__in=set(source_keys) - {""})[:most]:
        found.setdefault(entry.source_key, []).append(_live(entry))
    return found


def _live(entry: CatalogEntry) -> LiveConnection:
    data = entry.data
    return LiveConnection(entry.fivetran_id, data.get("group_id", ""), data.get("service", ""), entry.name)


LOG_SERVICE = "fivetran_log"  # Fivetran's own log, one for each destination


def unclaimed(words: str = "", *, without_logs: bool = False) -> QuerySet[CatalogEntry]:
    """The connections, by name, that Fivetran had when last asked and no request holds; `words` are all to be found."""
    claimed = ConnectionRequest.objects.filter(connection_id__isnull=False).values("connection_id")
    found = CatalogEntry.objects.filter(kind=Kind.CONNECTION).exclude(fivetran_id__in=claimed)
    if without_logs:
        found = found.exclude(data__service=LOG_SERVICE)
    for word in words.split()[:8]:
        found = found.filter(
            Q(name__icontains=word)
            | Q(fivetran_id__icontains=word)
            | Q(data__service__icontains=word)
            | Q(data__group_id__icontains=word)
        )
    return found
