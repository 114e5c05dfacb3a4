"""What was said over the wire as people see it: secrets masked by their names, personal data left out, cut."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from connections.fivetran.answers import read_json
from connections.fivetran.errors import clean
from connections.fivetran.exchanges import Exchange
from connections.spec import payloads

LONGEST = 3_000  # characters of an answer
MOST = 6  # exchanges of a check; a call that failed was repeated
# Of people, and of a Connect Card, whose address and token are credentials.
_HIDDEN = frozenset({"email", "phone", "given_name", "family_name", "picture", "connect_card"})


def shown(exchanges: Iterable[Exchange]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "method": one.method,
            "address": clean(one.address, 500),
            "status": one.status,
            "milliseconds": one.milliseconds,
            "answer": answer_of(one.text),
        }
        for one in list(exchanges)[:MOST]
    )


def answer_of(text: str) -> str:
    try:
        value = read_json(text.encode(errors="replace"))
    except ValueError:
        return cut(clean(text, LONGEST))
    masked = payloads.masked({"": _without_personal(value)})[""]
    return cut(json.dumps(masked, indent=1, ensure_ascii=False))


def _without_personal(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_personal(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {key: payloads.MASK if key in _HIDDEN else _without_personal(inner) for key, inner in value.items()}


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
