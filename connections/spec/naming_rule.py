"""The company's naming rule: a template such as `{team}_{service}`, and what it makes of a name. The template says how
a name begins; a person may add to it.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from connections.spec.fields import NAME_PATTERN

KNOWN = ("service", "destination", "user")  # placeholders that the portal fills itself
LONGEST_PART = 63  # characters
_LONGEST_TEXT = 500  # characters of a text that a name is made of: to sort accents takes the square of their number
_FREE = 3  # placeholders of any text in a name that is taken apart; with more that could take long
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_ALLOWED = re.compile(NAME_PATTERN.removeprefix("^").removesuffix("$"), re.ASCII)


@dataclass(frozen=True)
class Suggestion:
    name: str
    missing: tuple[str, ...]

    @property
    def whole(self) -> str:
        return "" if self.missing else self.name


def normalized(text: str) -> str:
    """The usable name nearest to `text`: `Vertrieb Süd 2` becomes `vertrieb_sud_2`; empty where nothing remains."""
    plain = (
        unicodedata.normalize("NFKD", text[:_LONGEST_TEXT].replace("ß", "ss"))
        .encode("ascii", "ignore")
        .decode()
        .lower()
    )
    name = re.sub(r"[^a-z0-9_]+", "_", re.sub(r"['’]", "", plain)).strip("_" if not plain.startswith("_") else "")
    name = re.sub(r"__+", "_", name)
    return f"_{name}" if name[:1].isdigit() else name if name.strip("_") else ""


def is_usable(name: str) -> bool:
    return _ALLOWED.fullmatch(name) is not None


def placeholders(template: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(template)))


def asked(template: str) -> tuple[str, ...]:
    """The placeholders that a person has to fill."""
    return tuple(name for name in placeholders(template) if name not in KNOWN)


def suggestion(template: str, parts: Mapping[str, str], *, longest: int) -> Suggestion:
    """`parts`: placeholder -> text. The name has at most `longest` characters."""
    values = {name: normalized(parts.get(name, "")[:LONGEST_PART]).strip("_") for name in placeholders(template)}
    missing = tuple(name for name, value in values.items() if not value)
    # A missing part stays in the name as its placeholder: the preview shows where it goes.
    name = _PLACEHOLDER.sub(lambda found: values[found[1]] or found[0], template)
    if missing:
        return Suggestion(name, missing)
    return Suggestion((f"_{name}" if name[:1].isdigit() else name)[:longest], ())


def follows(template: str, name: str, parts: Mapping[str, str]) -> bool:
    """Whether `name` begins as the rule says, with the known parts as they are and any text for the others."""
    return _matched(template, name, parts) is not None


def parts_in(template: str, name: str, parts: Mapping[str, str]) -> dict[str, str]:
    """What stands in `name` for the placeholders that a person fills."""
    found = _matched(template, name, parts)
    return {key: value for key, value in found.groupdict().items() if value} if found else {}


def _matched(template: str, name: str, parts: Mapping[str, str]) -> re.Match[str] | None:
    known = tuple((key, normalized(parts[key]).strip("_")) for key in KNOWN if parts.get(key))
    return template_pattern(template, known).match(name[:LONGEST_PART])


@lru_cache(maxsize=64)
def template_pattern(template: str, known: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    values, seen, pattern = dict(known), set(), ""
    if len(placeholders(template)) - len(values) > _FREE:
        return re.compile("")  # not judged: any name follows it
    for position, piece in enumerate(_PLACEHOLDER.split(template)):
        if position % 2 == 0:
            pattern += re.escape(piece)
        elif values.get(piece):
            pattern += re.escape(values[piece])
        elif piece in seen:
            pattern += f"(?P={piece})"
        else:
            seen.add(piece)
            pattern += f"(?P<{piece}>[a-z0-9][a-z0-9_]*?)"
    return re.compile(f"_?{pattern}(?:_|$)" if _PLACEHOLDER.search(template) else re.escape(template), re.ASCII)
