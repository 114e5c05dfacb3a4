"""Values, lines and blocks in the language of Terraform (HCL), as `terraform fmt` writes them."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any


def hcl_block(heading: str, lines: Iterable[str]) -> str:
    inner = "".join(f"  {line}\n" if line else "\n" for line in lines)
    return f"{heading} {{\n{inner.rstrip()}\n}}\n"


def hcl_lines(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """As `terraform fmt` writes them: neighbouring one-line values share a column."""
    group: list[tuple[str, str]] = []
    for name, value in [*pairs, ("", "\n")]:
        if "\n" not in value:
            group.append((name, value))
            continue
        width = max((len(other) for other, _ in group), default=0)
        yield from (f"{other:<{width}} = {text}" for other, text in group)
        group = []
        if name:
            yield from f"{name} = {value}".split("\n")


def hcl_value(value: Any) -> str:
    if isinstance(value, str):
        return hcl_string(value)
    if isinstance(value, Mapping) and value:
        # A key that is no plain identifier of Terraform, or a word of its own, has to be quoted.
        keys = {key: key if _PLAIN_KEY.fullmatch(key) else hcl_string(key) for key in value}
        lines = hcl_lines((keys[key], hcl_value(item)) for key, item in value.items())
        return "\n".join(["{", *(f"  {line}" for line in lines), "}"])
    if isinstance(value, list) and any(isinstance(item, (Mapping, list)) and item for item in value):
        lines = (line for item in value for line in f"{hcl_value(item)},".split("\n"))
        return "\n".join(["[", *(f"  {line}" for line in lines), "]"])
    if isinstance(value, list):
        return f"[{', '.join(hcl_value(item) for item in value)}]"
    return "{}" if isinstance(value, Mapping) else json.dumps(value)  # a number, true, false or null


_PLAIN_KEY = re.compile(r"(?!(?:for|if|in|true|false|null)$)[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def hcl_string(text: str) -> str:
    """A quoted string of Terraform's language (HCL, "Quoted and Heredoc Templates") that is exactly `text`."""
    return f'"{"".join(_escaped(c, after) for c, after in zip(text, f"{text[1:]} ", strict=False))}"'


@lru_cache(maxsize=1_000)
def _escaped(character: str, after: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD  # a lone surrogate is no character in Terraform
    # A `$` or `%` before a brace would begin a template. Doubled, a row of them could be read in two ways.
    elif character.isprintable() and not (character in "$%" and after == "{"):
        return character
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
