"""Agents and links that a body names, as of the last refresh: not connected, or of another destination."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from connections.models import CatalogEntry, Kind

_KINDS = {
    "hybrid_deployment_agent_id": Kind.HYBRID_AGENT,
    "proxy_agent_id": Kind.PROXY_AGENT,
    "private_link_id": Kind.PRIVATE_LINK,
}
Known = Mapping[tuple[str, str], CatalogEntry]


def known(bodies: Collection[Mapping[str, Any]]) -> Known:
    """(kind, id) -> each agent and link that the bodies name."""
    ids = {str(body[path]) for body in bodies for path in _KINDS if body.get(path)}
    if not ids:
        return {}
    entries = CatalogEntry.objects.filter(kind__in=list(_KINDS.values()), fivetran_id__in=ids).defer("detail")
    return {(entry.kind, entry.fivetran_id): entry for entry in entries}


def remarks(body: Mapping[str, Any], entries: Known) -> list[str]:
    found = []
    for path, kind in _KINDS.items():
        entry = entries.get((kind, str(body.get(path, ""))))
        if entry is not None:  # the catalog may be older than the agent: an unknown one is no flaw
            found += [f"{kind.label[:-1]} {entry.name}: {flaw.words}" for flaw in flaws(kind, entry.data, body)]
    return found


class Lack(Enum):
    AWAY = "it works once somebody starts it"
    UNREADY = "it does not work yet"
    ELSEWHERE = "it never works here"


@dataclass(frozen=True)
class Flaw:
    lack: Lack
    words: str


def flaws(kind: Kind, data: Mapping[str, Any], body: Mapping[str, Any]) -> list[Flaw]:
    match kind:
        case Kind.HYBRID_AGENT:
            elsewhere = data.get("group_id") and data["group_id"] != body.get("group_id")
            return [
                *([] if data.get("online") else [Flaw(Lack.AWAY, "it is not online")]),
                *([Flaw(Lack.AWAY, "it is disabled")] if data.get("enabled") is False else []),
                *([Flaw(Lack.ELSEWHERE, "it belongs to another destination")] if elsewhere else []),
            ]
        case Kind.PROXY_AGENT:
            return [] if data.get("status") == "CONNECTED" else [Flaw(Lack.AWAY, "it is not connected")]
    state = str(data.get("state", ""))
    is_ready = state == "OK" or state.startswith("SOURCE_")
    return [] if is_ready else [Flaw(Lack.UNREADY, f"it is not ready ({state[:50] or 'state unknown'})")]
