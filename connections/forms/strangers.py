"""Names that came in and that no control has: which of them mean nothing here, and which name was perhaps meant."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from connections.catalog.metadata import words_of
from connections.forms.rows import is_number
from connections.spec.characters import visible
from connections.spec.fields import FIELDS, NAMING

_NAMED = 8  # names that one sentence lists, each at most this long:
_LONGEST = 60
_LIKE = 0.7  # of 1, by `difflib`: "proxy_agent" is like "proxy_agent_id", "owner" is like nothing
_OF_A_LINK = ("preset", "from_connection")
_OF_THE_PAGE = frozenset({*_OF_A_LINK, "csrfmiddlewaretoken", "form_token", "keep", "origin", "edited"}) | {
    *("version", "action", "drawn_for", "user"),
}
# What mail programs, advertisements and chat programs append to any link that somebody clicks.
_TRACKING = re.compile(
    r"utm_\w+|_?ga|_gl|gclid|gbraid|wbraid|dclid|fbclid|msclkid|mc_[ce]id|_hs\w+|ref_src|igshid", re.ASCII
)
_BY_LABEL = {f.label.lower().replace(" ", "_"): f.name for f in (*FIELDS, *NAMING.values())}


def with_underscores(texts: Mapping[str, str]) -> dict[str, str]:
    """`texts` with `config.schema`, as the API writes it, read as `config__schema`, unless both are there."""
    plain = {name: name.replace(".", "__") for name in texts}
    return {name if plain[name] in texts else plain[name]: text for name, text in texts.items()}


def strangers(given: Iterable[str], known: Collection[str]) -> list[str]:
    constant = {field.name for field in FIELDS if field.constant}
    left = (name for name in given if name not in known and name not in _OF_THE_PAGE and name not in constant)
    return sorted(name for name in left if not _TRACKING.fullmatch(name.lower()))


def named(names: Collection[str]) -> str:
    shown = ", ".join(name[:_LONGEST] for name in list(names)[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def nearest(name: str, known: Iterable[str]) -> str:
    """The name in `known` that is most like `name`; empty where none is like it."""
    names = list(known)
    found = {**_BY_LABEL, **{one.rpartition("__")[2]: one for one in names}, **{one: one for one in names}}
    low = re.sub(r"[\s.\[\]-]+", "_", name.lower())[:_LONGEST]
    near = get_close_matches(low, found, 1, _LIKE) or get_close_matches(low.rpartition("__")[2], found, 1, _LIKE)
    return found[near[0]] if near else ""


def meant(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f" Did you mean {near}?" if near else ""


def unknown_words(names: Collection[str], known: Collection[str]) -> list[str]:
    listed, all_known = list(names), (*known, *_OF_A_LINK)
    sentences = [
        f"There is no field {visible(n[:_LONGEST])}: it is left out.{meant(n, all_known)}" for n in listed[:_NAMED]
    ]
    if len(listed) > _NAMED:
        sentences.append(f"{len(listed) - _NAMED} more names that no request has are left out.")
    return sentences


def words_of_path(path: str) -> str:
    """The path of a setting without a control as a label: "Files 1: Table name"."""
    words = (f"{int(p) + 1}:" if is_number(p) else words_of(p[:_LONGEST]) for p in path.split(".")[1:])
    return visible(" ".join(words))
