"""What changed between two states of something, field by field, as the record keeps it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from connections.spec.payloads import MASK, is_secret, masked, secrets_of

LONGEST = 500  # characters of a value that is kept
MOST = 300  # fields


class Changed(TypedDict):
    field: str
    before: Any
    after: Any


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Changed]:
    """The fields with another value, groups of settings opened, in the order of `after`; an absent one is empty. What
    may be secret is masked, so that the record tells of its change alone.
    """
    old, new = dict(_flat(before)), dict(_flat(after))
    names = dict.fromkeys([*new, *old])
    differing = [name for name in names if not _same(old.get(name), new.get(name))]
    return [Changed(field=name, before=_kept(name, old), after=_kept(name, new)) for name in differing[:MOST]]


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _same(one: Any, other: Any) -> bool:
    # A control that was left alone says "" where an older form said nothing.
    empty: tuple[Any, ...] = (None, "", [], {})
    return (one in empty and other in empty) or (type(one) is type(other) and one == other)


def _kept(name: str, values: Mapping[str, Any]) -> Any:
    value = values.get(name)
    if value in (None, ""):
        return ""
    known = secrets_of(str(values.get("service") or ""))
    if any(part in known or is_secret(part) for part in name.split(".")):
        return MASK
    if isinstance(value, bool | int | float):
        return value
    text = _in_words(masked({"": value})[""])
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _in_words(value: Any) -> str:
    if isinstance(value, list) and not any(isinstance(one, list | dict) for one in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
