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
_PERSONAL = frozenset({"email", "phone", "given_name", "family_name", "picture"})
_CARD = frozenset({"connect_card"})  # its address and its token are credentials


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
        value = _masked(read_json(text.encode(errors="replace")))
    except ValueError:
        return cut(clean(text, LONGEST))
    return cut(json.dumps(value, indent=1, ensure_ascii=False))


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    hidden = _PERSONAL | _CARD
    return payloads.masked({key: payloads.MASK if key in hidden else _masked(inner) for key, inner in value.items()})


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
