"""The connections that exist at Fivetran, as in its last list: their names and, where known, their sources."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KT

from connections.models import CatalogEntry, ConnectionRequest, Kind
from connections.permissions import Person, let_approve

_KEPT = ("id", "group_id", "service", "schema", "created_at")
_LONGEST = 300


@dataclass(frozen=True)
class LiveConnection:
    id: str
    group_id: str
    service: str
    schema: str
    is_told: bool = False  # whether it was read for somebody who may approve such a connection


def kept(item: Mapping[str, Any]) -> dict[str, Any]:
    # Nothing of `config`: later only the hash that two connections of one source share.
    status = item.get("status")
    state = status.get("setup_state") if isinstance(status, dict) else ""
    return {key: str(item.get(key) or "")[:_LONGEST] for key in _KEPT} | {"setup_state": str(state or "")[:50]}


def named(group_id: str, schema: str) -> LiveConnection | None:
    """The connection that had this name in the group at the last refresh."""
    if not group_id or not schema:
        return None
    entries = CatalogEntry.objects.filter(kind=Kind.CONNECTION, name=schema)
    return next((one for one in map(live_connection, entries) if one.group_id == group_id), None)


def held(names: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of `names` (group id, schema) that a connection had at the last refresh."""
    entries = CatalogEntry.objects.filter(kind=Kind.CONNECTION, name__in={schema for _, schema in names})
    return {(entry.data.get("group_id", ""), entry.name) for entry in entries} & set(names)


def of_sources(source_keys: Collection[str], most: int, by: Person | None = None) -> dict[str, list[LiveConnection]]:
    """Key -> connections, at most `most` in all; `is_told` where `by` is one of those who approve them."""
    rows = CatalogEntry.objects.filter(kind=Kind.CONNECTION, source_key__in=set(source_keys) - {""})
    rows = rows.annotate(is_told=let_approve(by or AnonymousUser(), KT("data__group_id"), KT("data__service")))
    found: dict[str, list[LiveConnection]] = {}
    for entry in rows[:most]:
        found.setdefault(entry.source_key, []).append(replace(live_connection(entry), is_told=entry.is_told))
    return found


def live_connection(entry: CatalogEntry) -> LiveConnection:
    data = entry.data
    return LiveConnection(entry.fivetran_id, data.get("group_id", ""), data.get("service", ""), entry.name)


LOG_SERVICE = "fivetran_log"  # Fivetran's own log, one for each destination


def unclaimed(words: str = "", *, without_logs: bool = False) -> QuerySet[CatalogEntry]:
    """The connections that belong to no request; every word of `words` must match."""
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
