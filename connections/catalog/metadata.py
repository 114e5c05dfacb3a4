"""The `config` object of a service's metadata call as a tree of properties that a form can offer."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import unescape
from typing import Any

from connections.spec.fields import NAMING
from connections.spec.payloads import is_secret, secrets_of

# Source of the shape: Fivetran's answer to `GET /v1/metadata/connector-types/{service}`. The data come from outside:
# what does not look like a property is left out, and every text is cut.
_LABEL, _HELP, _CHOICE = 80, 400, 2_000  # characters
_DEEPEST, _MOST = 4, 200  # levels of nesting; properties of one object
_VALUES = 5_000  # of one list; any other can be typed
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", re.ASCII)  # so that `__` in a control's name is unambiguous
_NOT_YET = frozenset({"private_preview", "development", "sunset"})
_NAMES = frozenset(path.removeprefix("config.") for path in NAMING)


class Shape(StrEnum):
    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    LIST = "list"  # of texts or numbers
    ROWS = "rows"  # a list of objects
    OBJECT = "object"


_SHAPES = {"string": Shape.TEXT, "integer": Shape.WHOLE, "number": Shape.NUMBER, "boolean": Shape.FLAG}


@dataclass(frozen=True)
class Property:
    name: str
    shape: Shape
    label: str
    help: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()  # of a CHOICE, or of the values of a LIST
    item: Shape = Shape.TEXT  # of a LIST
    properties: tuple["Property", ...] = ()  # of an OBJECT, or of each row of ROWS


@dataclass(frozen=True)
class Config:
    """What a person can be asked for, and the secrets (dotted path, label) that only the source owner may enter."""

    properties: tuple[Property, ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    silent: frozenset[str] = frozenset()  # keys that are secrets whatever the metadata says

    def is_secret(self, path: str) -> bool:
        """Whether the dotted `path` is, or lies below, a secret; numbers of rows in it are ignored."""
        plain = ".".join(part for part in path.split(".") if not part.isdigit())
        if plain.partition(".")[0] in self.silent:
            return True
        return any(plain == secret or plain.startswith(f"{secret}.") for secret, _ in self.secrets)


def parse(config: Any, service: str = "") -> Config:
    """Without naming keys (they have fields of their own), read-only properties and what is not for everybody."""
    secrets: list[tuple[str, str]] = []
    found = properties_of(config, (), secrets)
    silent = secrets_of(service)
    secrets += [(p.name, p.label) for p in found if p.name in silent]
    return Config(tuple(p for p in found if p.name not in {*_NAMES, *silent}), tuple(secrets), silent)


def properties_of(holder: Any, path: tuple[str, ...], secrets: list[tuple[str, str]]) -> tuple[Property, ...]:
    named = holder.get("properties") if isinstance(holder, Mapping) else None
    if not isinstance(named, Mapping) or len(path) >= _DEEPEST:
        return ()
    required = holder.get("required")
    required = required if isinstance(required, list) else []
    found = (
        property_of(name, spec, path, secrets, required=name in required)
        for name, spec in list(named.items())[:_MOST]
        if isinstance(spec, Mapping) and isinstance(name, str) and len(name) <= _LABEL and _NAME.fullmatch(name)
    )
    return tuple(p for p in found if p is not None)


def property_of(
    name: str, spec: Mapping[str, Any], path: tuple[str, ...], secrets: list[tuple[str, str]], *, required: bool
) -> Property | None:
    if spec.get("readonly") is True or str(spec.get("fieldStatus", "")).lower() in _NOT_YET:
        return None
    shape, here = shape_of(spec), (*path, name)
    label = _cut(plain_text(spec.get("title")), _LABEL) or words_of(name)
    told = spec.get("items")
    items: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    below: list[tuple[str, str]] = []
    parts: tuple[Property, ...] = ()
    if shape in (Shape.OBJECT, Shape.ROWS):
        parts = properties_of(items if shape is Shape.ROWS else spec, here, below)
    # A row without its secret says nothing, so the whole list is the source owner's.
    is_named = shape in (Shape.TEXT, Shape.LIST) and is_secret(name)
    if spec.get("format") == "password" or is_named or (shape is Shape.ROWS and below):
        secrets.append((".".join(here), label))
        return None
    secrets += below
    if shape is None or (shape in (Shape.OBJECT, Shape.ROWS) and not parts):
        return None
    item = (shape_of(items) or Shape.TEXT) if shape is Shape.LIST else Shape.TEXT
    return Property(
        name=name,
        shape=shape,
        label=label,
        help=help_of(name, spec, shape),
        required=required,
        choices=choices_of(items if shape is Shape.LIST else spec),
        item=Shape.TEXT if item is Shape.CHOICE else item,
        properties=parts,
    )


def shape_of(spec: Mapping[str, Any]) -> Shape | None:
    kind = spec.get("type")
    if kind == "array":
        items = spec.get("items")
        rows = isinstance(items, Mapping) and isinstance(items.get("properties"), Mapping)
        return Shape.ROWS if rows else Shape.LIST
    if choices_of(spec) and kind in ("string", "object", None):  # the OpenAPI file says "object" of string enums
        return Shape.CHOICE
    # None where the portal cannot tell what to ask for.
    if kind == "object":
        return Shape.OBJECT if isinstance(spec.get("properties"), Mapping) else None
    return _SHAPES.get(kind) if isinstance(kind, str) else None


def choices_of(spec: Mapping[str, Any]) -> tuple[str, ...]:
    values = spec.get("enum")
    if not isinstance(values, list):
        return ()
    return tuple(dict.fromkeys(v for v in values[:_VALUES] if isinstance(v, str) and 0 < len(v) <= _CHOICE))


def help_of(name: str, spec: Mapping[str, Any], shape: Shape) -> str:
    said = plain_text(spec.get("description"))
    if said.lower() in (name.lower(), words_of(name).lower()):
        said = ""  # many descriptions only repeat the name
    said = _cut(said, _HELP)
    is_typed = shape not in (Shape.CHOICE, Shape.FLAG, Shape.ROWS, Shape.OBJECT)
    example = example_of(spec.get("example")) if is_typed else ""
    if said and said[-1] not in ".!?:…":
        said += "."
    return f"{said} Example: {example}".strip() if example and example != name else said


def example_of(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    shown = [str(v).strip() for v in values[:3] if isinstance(v, (str, int, float)) and not isinstance(v, bool)]
    text = ", ".join(v for v in shown if v and v.lower() not in ("string", "null"))
    return text if len(text) <= _LABEL else ""


def names_of_secrets(told: Any) -> tuple[Property, ...]:
    # Source: Fivetran's OpenAPI file, where all of them are strings ("ESM key for the user's password").
    named = told.get("properties") if isinstance(told, Mapping) else None
    found = named.items() if isinstance(named, Mapping) else ()
    return tuple(
        Property(
            name, Shape.TEXT, f"{words_of(name)}: its name in the secrets manager", help_of(name, spec, Shape.TEXT)
        )
        for name, spec in list(found)[:_MOST]
        if isinstance(spec, Mapping) and isinstance(name, str) and len(name) <= _LABEL and _NAME.fullmatch(name)
    )


def leaves(properties: Iterable[Property], prefix: str = "config") -> Iterable[tuple[str, Property]]:
    """(dotted path, property) of everything that has a value of its own: objects are opened, rows are not."""
    for part in properties:
        path = f"{prefix}.{part.name}"
        if part.shape is Shape.OBJECT:
            yield from leaves(part.properties, path)
        else:
            yield path, part


# --- words -----------------------------------------------------------------------------------------------------------

_WORDS = (
    "api arn aws csv ftp gcs gcp hva http https iam id ids ip json jwt pdb pgp s3 sas sdk sftp sql ssh ssl tde tls uri"
    " url urls utc xml"
)
_CAPITALS = frozenset(_WORDS.split())


def words_of(name: str) -> str:
    """A key as words: `tunnel_host` is "Tunnel host", `client_id` is "Client ID"."""
    words = [word.upper() if word.lower() in _CAPITALS else word for word in name.split("_")]
    text = " ".join(words).replace("IDS", "IDs").replace("URLS", "URLs").replace("oauth", "OAuth")
    return text[:1].upper() + text[1:]


# Not `html.parser`, whose time on unclosed tags is the square of their number: a description could take 0.4 s.
_BREAK = re.compile(r"<(?:br|p|li|ul|div)\b[^<>]*>", re.IGNORECASE)  # a line break or a block separates words
_TAG = re.compile(r"<[A-Za-z/!][^<>]*>")
_LINK = re.compile(r"\[([^\]\[]{1,200})\]\([^()\s]{0,500}\)")
_MARKS = re.compile(r"\*\*|`")


def plain_text(text: Any) -> str:
    """HTML and Markdown, as in Fivetran's descriptions, as plain words in one line."""
    if not isinstance(text, str):
        return ""
    plain = unescape(_TAG.sub("", _BREAK.sub(" ", text[:4000])))
    return " ".join(_MARKS.sub("", _LINK.sub(r"\1", plain)).split())


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[: length - 1].rsplit(' ', 1)[0]}…"
