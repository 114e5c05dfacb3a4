"""The body as JSON, and what the other ways share: a name for it, and what to say of a secret."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from connections.spec.payloads import MASK, config_of, natural_key


def as_json(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return "".join(c if c == "\n" or c.isprintable() else json_escape(c) for c in text)


@lru_cache(maxsize=1_000)
def json_escape(character: str) -> str:
    """One UTF-16 unit or two."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def script_notes(body: Mapping[str, Any]) -> str:
    """The comments at the top of a script, for a shell or for Python."""
    notes = (
        "# Creates a connection at Fivetran. Set FIVETRAN_API_KEY and FIVETRAN_API_SECRET in the environment first.\n"
    )
    if MASK in as_json(body):
        notes += f"# {MASK} stands where a secret was: put the secret there, or leave the line out.\n"
    return notes


def plain_name(body: Mapping[str, Any]) -> str:
    """What the connection is called where only letters, digits and `_` may stand."""
    key = natural_key(config_of(body)) or str(body.get("service") or "connection")
    name = re.sub(r"[^A-Za-z0-9_]+", "_", key)[:100]
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"
