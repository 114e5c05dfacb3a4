"""Drift: where a connection at Fivetran is no longer as it was approved. Pure functions over two JSON bodies.

Fivetran's answers differ from what was sent in ways that are no drift (api reference, and what users of its Terraform
provider met): defaults that were never sent appear, numbers come back as text and lists as text, secrets are masked,
fields are absent or null, and an old `hybrid_deployment_agent_id` is echoed. None of that counts here.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from connections.payloads import MASK, is_secret

# The fields of the body that can be told apart; what is absent from a body has this value, or none that is known.
FIELDS: dict[str, Any] = {
    "paused": None,
    "schedule_type": None,
    "sync_frequency": None,
    "daily_sync_time": None,
    "pause_after_trial": None,
    "networking_method": "Directly",  # never sent, since it says nothing
    "private_link_id": None,
    "proxy_agent_id": None,
    "data_delay_sensitivity": None,
    "data_delay_threshold": None,
}
# Not a field of Fivetran's: other connections of the same name in the same destination, as their ids in one text. There
# should be none; should Fivetran ever make two of one request, this is where people see it.
TWINS = "same_name"
_UNSAID = ("", None, "Unknown")  # "Unknown" is Fivetran's own word for a networking method it cannot tell
_ONLY_SCHEDULED = ("sync_frequency", "daily_sync_time")
_LONGEST = 200  # characters of a value that is kept
CONFIG = "config."


class Difference(TypedDict, total=False):
    """A field that differs, with the approved value and the live one; a key of `config` comes without values."""

    field: str
    approved: Any
    live: Any


def live_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an answer's (or list item's) `data` that can drift, as Fivetran has them: plain values, cut."""
    return {field: _plain(data[field]) for field in (*FIELDS, TWINS) if field in data}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    return str(value)[:_LONGEST]


def drift(body: Mapping[str, Any], live: Mapping[str, Any]) -> list[Difference]:
    """What `live` (the `data` of a GET, or of a list's item, which has no `config`) has otherwise than `body`.

    Only what was sent is compared, only where the answer says anything about it. Keys of `config` are named by their
    path and shown without values; `config` is compared by whoever has a `live` with it (see `has_config`).
    """
    found: list[Difference] = []
    for field, absent in FIELDS.items():
        approved, now = body.get(field, absent), live.get(field)
        if approved in _UNSAID or now in _UNSAID or _word(approved) == _word(_plain(now)):
            continue
        if field in _ONLY_SCHEDULED and body.get("schedule_type") == "manual":
            continue  # neither has an effect on a connection that is started by hand
        if field == "paused" and now is True and body.get("pause_after_trial") is True:
            continue  # Fivetran pauses it by itself when the trial is over
        found.append({"field": field, "approved": _plain(approved), "live": _plain(now)})
    if twins := live.get(TWINS):
        found.append({"field": TWINS, "approved": None, "live": _plain(twins)})
    config, sent = live.get("config"), body.get("config")
    if isinstance(config, Mapping) and isinstance(sent, Mapping):
        found += [{"field": path} for path in _changed_keys(CONFIG, sent, config)]
    return found


def has_config(live: Mapping[str, Any]) -> bool:
    """Whether `live` tells the connection's configuration: a GET does, the item of a list does not."""
    return isinstance(live.get("config"), Mapping)


def in_config(difference: Mapping[str, Any]) -> bool:
    """Whether the difference is one of a key of `config`."""
    return str(difference.get("field", "")).startswith(CONFIG)


def _changed_keys(path: str, sent: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[str]:
    for key, approved in sent.items():
        now = live.get(key)
        if is_secret(key) or _masked(approved) or _masked(now) or now is None:
            continue
        if isinstance(approved, Mapping):
            if isinstance(now, Mapping):
                yield from _changed_keys(f"{path}{key}.", approved, now)
        elif not _same(approved, now):
            yield f"{path}{key}"


def _masked(value: Any) -> bool:
    return MASK in json.dumps(value, default=str)


def _same(approved: Any, live: Any) -> bool:
    """Whether two values say the same, whatever their types: 360 and "360", a list in another order or as text.

    Lists of objects count as the same: Fivetran puts defaults of its own into them.
    """
    if isinstance(approved, list) or isinstance(live, list):
        ours, theirs = _items(approved), _items(live)
        if any(isinstance(item, (Mapping, list)) for item in (*ours, *theirs)):
            return True
        return {_text(item) for item in ours} == {_text(item) for item in theirs}
    return isinstance(live, Mapping) or _text(approved) == _text(live)


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part for part in value.split(",") if part.strip()]
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """A value as text: 360, 360.0 and "360" are the same, and so are true and "True"."""
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
    return text.lower() if text.lower() in ("true", "false") else text


def _word(value: Any) -> str:
    """As text in lower case: Fivetran's documents spell its own words in several ways (CONNECTED, connected)."""
    return _text(value).lower()
