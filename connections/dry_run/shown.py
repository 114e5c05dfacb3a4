"""What was said over the wire as people see it: what this request is about and nothing of others, masked and cut."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from connections.catalog.metadata import Config
from connections.fivetran.answers import read_json
from connections.fivetran.errors import clean
from connections.fivetran.exchanges import Exchange
from connections.spec import payloads

NOTHING = Config()
LONGEST = 3_000  # characters of an answer
MOST = 6  # exchanges of a check; a call that failed was repeated
_LINK = frozenset({"id", "name", "region", "service", "state", "state_summary", "cloud_provider", "created_at"})
_AGENT = frozenset({"id", "display_name", "region", "status", "version", "registered_at", "created_at"})
# Whoever tests may name any destination, name or agent, so the answers tell of connections and sources of other people.
# Of each read only what its check says something of is kept: no settings, no people, no lists of users of an agent.
_KEPT: dict[str, frozenset[str]] = {
    "account": frozenset({"account_id", "account_name", "user_id", "system_key_id"}),
    "role": frozenset({"id", "role", "active", "permissions"}),
    "destination": frozenset({"id", "group_id", "service", "region", "time_zone_offset", "setup_status"}),
    "name": frozenset({"id", "group_id", "service", "schema", "created_at", "status"}),
    "private_link_id": _LINK,
    "proxy_agent_id": _AGENT,
    "hybrid_deployment_agent_id": _AGENT | {"group_id", "online", "enabled", "env_type"},
}
_ALL = frozenset({"metadata", "sandbox"})  # what a service takes is public, and the sandbox tells of this request alone
# Of people, and of a Connect Card, whose address and token are credentials.
_HIDDEN = frozenset({"email", "phone", "given_name", "family_name", "picture", "connect_card"})


def shown(name: str, exchanges: Iterable[Exchange], known: Config = NOTHING) -> tuple[dict[str, Any], ...]:
    """`name` of the read; `known` says which settings of the service are secrets, besides those that say it."""
    return tuple(
        {
            "method": one.method,
            "address": clean(one.address, 500),
            "status": one.status,
            "milliseconds": one.milliseconds,
            "answer": answer_of(name, one.text, known),
        }
        for one in list(exchanges)[:MOST]
    )


def answer_of(name: str, text: str, known: Config = NOTHING) -> str:
    try:
        value = read_json(text.encode(errors="replace"))
    except ValueError:
        value = None
    if isinstance(value, Mapping):
        kept = value if name in _ALL else _kept(value, _KEPT.get(name, frozenset()))
        return spelled(kept, known)
    # What is nearly JSON may hold what nobody could mask or leave out.
    if value is not None or text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return f"({len(text):,} characters that are no answer of Fivetran's API)"
    return cut(clean(text, LONGEST))


def _kept(envelope: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    """The answer with these keys of what it tells of: one thing, or each of a list."""
    found, data = {name: envelope[name] for name in ("code", "message") if name in envelope}, envelope.get("data")
    if isinstance(data, Mapping):
        items = data.get("items")
        of_list = {"items": [_only(item, keys) for item in items]} if isinstance(items, list) else {}
        found["data"] = of_list or _only(data, keys)
    return found


def _only(item: object, keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key in keys} if isinstance(item, Mapping) else {}


def spelled(body: Mapping[str, Any], known: Config = NOTHING) -> str:
    return cut(json.dumps(payloads.masked(_without_secrets(body, known)), indent=1, ensure_ascii=False))


def _without_secrets(value: Any, known: Config, path: tuple[str, ...] | None = None) -> Any:
    """`path` within the settings of the service."""
    if isinstance(value, list):
        return [_without_secrets(item, known, path) for item in value]
    if not isinstance(value, Mapping):
        return value
    found = {}
    for key, inner in value.items():
        here = (*path, key) if path is not None else () if key == "config" else None
        is_secret = key in _HIDDEN or (here and known.is_secret(".".join(here)))
        found[key] = payloads.MASK if is_secret else _without_secrets(inner, known, here)
    return found


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
