"""What one service takes in `config`, from Fivetran's own metadata, as entries of the reference."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from connections import catalog
from connections.catalog.metadata import Shape, leaves
from connections.forms.config import Naming, Piece, Rows, ServiceConfig, Setting, config_for, naming_for, setting_of
from connections.spec.fields import OBJECTS
from connections.spec.payloads import SECRETS_KEYS
from connections.spec.reference import Entry, Group, Value, as_json, entry_of
from connections.spec.rules import Rule
from connections.spec.service_rules import FOLLOWING

_TYPES = {
    Shape.WHOLE: "integer",
    Shape.NUMBER: "number",
    Shape.FLAG: "boolean",
    Shape.LIST: "array",
    Shape.ROWS: "array of objects",
}
_ONLY_AT_FIVETRAN = "A secret: entered at Fivetran by the source owner, never here."


def of_service(service: str, name: str, detail: dict[str, Any] | None) -> Group:
    """`detail` is the service's metadata, None while the portal does not know it."""
    told = catalog.service_config_of(detail)
    config = config_for(service, told, {}, (detail or {}).get(SECRETS_KEYS))
    naming = naming_for(service, {}, told)
    entries = entries_of(config, naming)
    if catalog.needs_authorisation(detail):
        entries.append(Entry("auth", "object", text=OBJECTS["auth"], secret=True))
    return Group("config", f"Settings of {name}", tuple(entries))


def naming_of(service: str, detail: dict[str, Any] | None) -> Naming:
    return naming_for(service, {}, catalog.service_config_of(detail))


def entries_of(config: ServiceConfig, naming: Naming) -> list[Entry]:
    own = [Entry("config", "object", text=OBJECTS["config"], required="Required")]
    own += [entry_of(field) for field in naming.fields]
    holders: dict[str, None] = {"config": None}
    for piece in (*config.in_sight, *config.networking, *config.others):
        for holder in holders_of(piece.path):
            if holder not in holders:
                holders[holder] = None
                own.append(Entry(holder, "object", text=OBJECTS.get(holder, "")))
        own += entries_of_piece(piece, config.rules)
    own += following(config)
    return [*own, *map(secret, config.metadata.secrets)]


def holders_of(path: str) -> Iterator[str]:
    parts = path.split(".")[:-1]
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def entries_of_piece(piece: Piece, rules: Iterable[Rule]) -> Iterator[Entry]:
    if isinstance(piece, Rows):
        yield of_rows(piece)
        for cell in piece.entries[0]:
            yield from entries_of_piece(cell, rules)
    else:
        yield of_setting(piece, rules)


def of_rows(rows: Rows) -> Entry:
    words = "Required" if rows.required else ""
    first = next(iter(rows.entries[0])).path.replace(".", "__")
    return Entry(plain(rows.path), _TYPES[Shape.ROWS], rows.label, rows.help, required=words, control=first)


def of_setting(setting: Setting, rules: Iterable[Rule]) -> Entry:
    part, made = setting.part, entry_of(setting, rules)
    kind = _TYPES.get(part.shape, "string")
    of_items = f" of {_TYPES.get(part.item, 'string')}s" if part.shape is Shape.LIST else ""
    in_entry = "Required in each entry" if setting.entry and part.required else made.required
    values = tuple(Value(as_json(value)) for value in part.choices)
    return replace(made, path=plain(setting.path), type=f"{kind}{of_items}", required=in_entry, values=values)


def plain(path: str) -> str:
    """`config.files.0.name` as `config.files[].name`."""
    return ".".join(path.split(".")).replace(".0.", "[].")


def following(config: ServiceConfig) -> Iterator[Entry]:
    """What has no control of its own, because it says what the networking method says."""
    for path, part in leaves(config.metadata.properties):
        if path in FOLLOWING and any(rule.path == path for rule in config.rules):
            yield replace(of_setting(setting_of(path, part, ""), config.rules), control="networking_method", query=())


def secret(told: tuple[str, str]) -> Entry:
    path, label = told
    return Entry(f"config.{path}", "string", label, _ONLY_AT_FIVETRAN, secret=True)
