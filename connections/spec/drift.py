"""Drift: where a connection at Fivetran is no longer as it was approved. Pure functions over two JSON bodies."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from connections.spec.payloads import MASK, at, is_secret

# Fivetran's answers differ from what was sent in ways that are no drift (its API reference, and what users of its
# Terraform provider met): defaults that were never sent appear, numbers come back as text and lists as text, secrets
# are masked, fields are absent or null, and an old `hybrid_deployment_agent_id` is echoed. Therefore Fivetran's first
# answer is kept (`baseline`): what it changed there is no drift later; what it said there and says no longer is.

# The fields of the body that can be told apart; what is absent from a body has this value, or none that is known.
FIELDS: dict[str, Any] = {
    "group_id": None,  # a connection can be moved to another group
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
    "destination_configuration.virtual_warehouse": None,
    "external_secrets_manager_id": None,
}
# Not a field of Fivetran's: other connections of the same name in the same destination, as their ids in one text. There
# should be none; should Fivetran ever make two of one request, this is where people see it.
TWINS = "same_name"
# What Fivetran says of a schedule beside its plain fields, as one text: the only word on one that those cannot tell.
SCHEDULE = "schedule"
_UNSAID = ("", None, "Unknown")  # "Unknown" is Fivetran's own word for a networking method it cannot tell
_ONLY_SCHEDULED = ("sync_frequency", "daily_sync_time")
OF_SCHEDULE = ("schedule_type", *_ONLY_SCHEDULED)
_EVERY_DAY = 7
_LONGEST = 200  # characters of a value that is kept
CONFIG = "config."


class Difference(TypedDict, total=False):
    """A key of `config` comes without values."""

    field: str
    approved: Any
    live: Any


def live_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an answer's (or list item's) `data` that can drift: plain values, cut to 200 characters."""
    found = {field: _plain(data[field]) for field in (*FIELDS, TWINS) if field in data}
    found |= {field: _plain(value) for field in FIELDS if "." in field and (value := at(data, field)) is not None}
    return found | ({SCHEDULE: schedule_text(data[SCHEDULE])} if SCHEDULE in data else {})


def merged(known: Mapping[str, Any], data: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    # What the first answer said and a whole one leaves out is gone; a list's item may leave anything out.
    gone = {field: None for field in first if field != "config" and field not in data} if has_config(data) else {}
    return {**known, **gone, **live_fields(data)}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    return str(value)[:_LONGEST]


def schedule_text(value: Any) -> str | None:
    if not isinstance(value, Mapping) or not value.get("schedule_type"):
        return None
    kind = str(value["schedule_type"]).upper()  # {"schedule_type": "CRON", "cron": "0 3 * * *"}: "CRON 0 3 * * *"
    days = value.get("days_of_week")
    days = ",".join(sorted(str(day).upper() for day in days)) if isinstance(days, list) else ""
    parts = {"INTERVAL": ["interval"], "CRON": ["cron"], "TIME_OF_DAY": ["time_of_day"], "MANUAL": []}
    told = [str(value[key]) for key in parts.get(kind, ["interval", "cron", "time_of_day"]) if value.get(key)]
    return " ".join([kind, *told, *([days] if days else [])])[:_LONGEST]


def asks_for(schedule: str, body: Mapping[str, Any]) -> bool:
    kind, *rest = schedule.split()
    if kind == "MANUAL" or body.get("schedule_type") == "manual":
        return kind == "MANUAL" and body.get("schedule_type") == "manual"
    time = str(body.get("daily_sync_time") or "")
    match kind:
        case "INTERVAL":
            return not time and as_text(rest[0] if rest else "") == as_text(body.get("sync_frequency"))
        case "TIME_OF_DAY":
            every_day = len(rest) < 2 or len(rest[1].split(",")) == _EVERY_DAY
            return bool(rest) and time != "" and rest[0][:5] == time[:5] and every_day
    return False


def baseline(body: Mapping[str, Any], data: Mapping[str, Any], *, tidied: bool) -> dict[str, Any]:
    """What Fivetran's first answer `data` says of what `body` sent: its plain fields, and hashes of its `config`.

    With `tidied`, Fivetran answered our own call, so that another value is its spelling of ours. Without, only what
    agrees with `body` is kept: somebody else may have changed the rest.
    """
    said = {field: value for field, value in live_fields(data).items() if field != TWINS and value not in _UNSAID}
    config, sent = data.get("config"), body.get("config")
    prints = {}
    if isinstance(config, Mapping) and isinstance(sent, Mapping):
        prints = dict(config_hashes(CONFIG, sent, config, tidied=tidied))
    if not tidied:
        said = {field: value for field, value in said.items() if _agrees(field, value, body)}
    return said | ({"config": prints} if prints else {})


def _agrees(field: str, value: Any, body: Mapping[str, Any]) -> bool:
    return asks_for(value, body) if field == SCHEDULE else field in body and _word(value) == _word(body[field])


def rebased(first: Mapping[str, Any], body: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """`first` after an approved change with this `body`, which Fivetran answered with `data`."""
    of_schedule = {SCHEDULE} if any(field in body for field in OF_SCHEDULE) else set()
    kept = {field: value for field, value in first.items() if field not in {*body, *of_schedule}}
    said = {field: value for field, value in live_fields(data).items() if value not in _UNSAID}
    return kept | {f: v for f, v in said.items() if f in {*body, *of_schedule} and _agrees(f, v, body)}


def drift(
    body: Mapping[str, Any], live: Mapping[str, Any], first: Mapping[str, Any] | None = None, *, made_here: bool = True
) -> list[Difference]:
    """Where `live` (the `data` of a GET, or a list's item, which may have no `config`) differs from `body`.

    Only what was sent is compared, and only where `live` or the `first` answer (`baseline`) says anything about it.
    `made_here=False`: no default counts as approved.
    """
    first = first or {}
    found: list[Difference] = []
    for field, absent in FIELDS.items():
        approved, now = _held(body, field, absent if made_here else None), _plain(_held(live, field))
        if approved in _UNSAID or _is_as(field, approved, now, live, first):
            continue
        if field in _ONLY_SCHEDULED and body.get("schedule_type") == "manual":
            continue  # neither has an effect on a connection that is started by hand
        if field == "paused" and now is True and body.get("pause_after_trial") is True:
            continue  # Fivetran pauses it by itself when the trial is over
        found.append({"field": field, "approved": _plain(approved), "live": now})
    if not any(one["field"] in OF_SCHEDULE for one in found):
        found += _other_schedule(body, live, first)
    if twins := live.get(TWINS):
        found.append({"field": TWINS, "approved": None, "live": _plain(twins)})
    config, sent = live.get("config"), body.get("config")
    if isinstance(config, Mapping) and isinstance(sent, Mapping):
        found += [{"field": path} for path in _changed_keys(CONFIG, sent, config, first.get("config") or {})]
    return found


def _is_as(field: str, approved: Any, now: Any, live: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    if now not in _UNSAID:
        return _word(now) in (_word(approved), _word(first.get(field, approved)))
    by_schedule = field in OF_SCHEDULE and live_schedule(live)  # the schedule says it in other words
    vanished = now != "Unknown" and field in first and field in live
    return bool(not vanished or by_schedule)


def live_schedule(live: Mapping[str, Any]) -> str:
    told = live.get(SCHEDULE)
    return (schedule_text(told) if isinstance(told, Mapping) else told if isinstance(told, str) else "") or ""


def _other_schedule(body: Mapping[str, Any], live: Mapping[str, Any], first: Mapping[str, Any]) -> Iterator[Difference]:
    """A schedule that the plain fields cannot tell, and that is neither the approved one nor the first one."""
    now, before = live_schedule(live), str(first.get(SCHEDULE) or "")
    asked = body.get("schedule_type") == "manual" or body.get("sync_frequency") not in _UNSAID
    if now and now != before and (asked or before) and not (asked and asks_for(now, body)):
        yield {"field": SCHEDULE, "approved": asked_schedule(body) if asked else before, "live": now}


def asked_schedule(body: Mapping[str, Any]) -> str:
    """As the text that `live_fields` makes of Fivetran's `schedule`."""
    if body.get("schedule_type") == "manual":
        return "MANUAL"
    time = body.get("daily_sync_time")
    return f"TIME_OF_DAY {time}" if time else f"INTERVAL {body.get('sync_frequency')}"


def _held(data: Mapping[str, Any], field: str, absent: Any = None) -> Any:
    # A body has the field below its dotted path, a stored row under its whole name.
    return data.get(field, absent) if "." not in field or field in data else at(data, field)


def has_config(live: Mapping[str, Any]) -> bool:
    return isinstance(live.get("config"), Mapping)


def in_config(difference: Mapping[str, Any]) -> bool:
    return str(difference.get("field", "")).startswith(CONFIG)


def _changed_keys(
    path: str, sent: Mapping[str, Any], live: Mapping[str, Any], first: Mapping[str, Any]
) -> Iterator[str]:
    for here, approved, now in _comparable(path, sent, live):
        if now in (None, ""):
            if approved not in (None, "") and any(told == here or told.startswith(f"{here}.") for told in first):
                yield here  # it was there, and is no longer
        elif not same_value(approved, now) and not (here in first and has_hashes(now, first[here])):
            yield here


def config_hashes(
    path: str, sent: Mapping[str, Any], live: Mapping[str, Any], *, tidied: bool
) -> Iterator[tuple[str, list[str]]]:
    """(path, hashes) of each value of `live` that was sent, is said, and is no secret."""
    for here, approved, now in _comparable(path, sent, live):
        if now not in (None, "") and (tidied or same_value(approved, now)):
            yield here, value_hashes(now)


def _comparable(path: str, sent: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(path, sent, live) of each value that was sent, except secrets and what has another shape now."""
    for key, approved in sent.items():
        here, now = f"{path}{key}", live.get(key)
        if is_secret(key):
            continue
        if isinstance(approved, Mapping) and isinstance(now, Mapping):
            yield from _comparable(f"{here}.", approved, now)
        elif not (_masked(approved) or _masked(now)) and (now in (None, "") or not isinstance(approved, Mapping)):
            yield here, approved, now


def value_hashes(value: Any) -> list[str]:
    """Of its text (empty for a list), and of its items in any order."""
    items = sorted({as_text(item) for item in _items(value)})
    texts = ["" if isinstance(value, list) else as_text(value), json.dumps(items, default=str)]
    whole, sorted_items = (hashlib.blake2s(text.encode(errors="replace"), digest_size=12).hexdigest() for text in texts)
    return ["" if isinstance(value, list) else whole, sorted_items]


def has_hashes(value: Any, kept: Any) -> bool:
    text, items = value_hashes(value)
    if not isinstance(kept, list) or len(kept) != 2:  # two prints, as made above
        return False
    return bool(text == kept[0] if text and kept[0] else items == kept[1])


def _masked(value: Any) -> bool:
    return MASK in json.dumps(value, default=str)


def same_value(approved: Any, live: Any) -> bool:
    """Whatever their types: 360 and "360", a list in another order or as text."""
    if isinstance(approved, list) or isinstance(live, list):
        ours, theirs = _items(approved), _items(live)
        if any(isinstance(item, (Mapping, list)) for item in (*ours, *theirs)):
            return True  # Fivetran puts defaults of its own into objects
        return {as_text(item) for item in ours} == {as_text(item) for item in theirs}
    return isinstance(live, Mapping) or as_text(approved) == as_text(live)


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part for part in value.split(",") if part.strip()]
    return value if isinstance(value, list) else [value]


def as_text(value: Any) -> str:
    """360, 360.0 and "360" are the same, and so are true and "True"."""
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
    return text.lower() if text.lower() in ("true", "false") else text


def _word(value: Any) -> str:
    # Fivetran's documents spell its own words in several ways (CONNECTED, connected).
    return as_text(value).lower()
