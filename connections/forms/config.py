"""The settings of a service as fields of the form: which are always shown, which are in the closed group, by which
rules; and which of them name the destination.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from connections import catalog
from connections.catalog.metadata import Config, Property, Shape, leaves, names_of_secrets, parse
from connections.forms import rows
from connections.spec.fields import NAMING, Field, Section, Type
from connections.spec.hosts_and_ports import address_rules, is_port
from connections.spec.payloads import SECRETS_KEYS, SECRETS_MANAGER
from connections.spec.rules import NO_NUMBER, Effect, Rule, When
from connections.spec.service_rules import FOLLOWING, curation, first_cells

_WITH_MANAGER = (When(SECRETS_MANAGER, (None,), negate=True),)
_TYPES = {Shape.WHOLE: Type.INTEGER, Shape.FLAG: Type.BOOLEAN, Shape.CHOICE: Type.CHOICE}


@dataclass(frozen=True)
class Setting(Field):
    part: Property = field(default=Property("", Shape.TEXT, ""))
    entry: str = ""  # of a list: which one it belongs to ("Files 2")

    @property
    def full_label(self) -> str:
        return f"{self.entry}: {self.label}" if self.entry else self.label


@dataclass
class Room:
    """How many controls the form may still draw, besides one for each setting and the first entry of each list."""

    left: int
    lacking: list[str] = field(default_factory=list)  # labels of the lists that had more entries


@dataclass(frozen=True)
class Rows:
    path: str
    label: str
    help: str
    required: bool
    entries: tuple[tuple["Piece", ...], ...]  # at least one: a person needs something to fill in
    size: int  # controls of an entry
    room: Room

    @property
    def most(self) -> int:
        """How many entries it can have while the other lists of the form stay as they are."""
        return min(rows.MOST, len(self.entries) + max(0, self.room.left) // self.size)

    @property
    def is_full(self) -> bool:
        return len(self.entries) >= self.most

    @property
    def name(self) -> str:
        return self.path.replace(".", "__")


Piece = Setting | Rows


def settings_in(pieces: Iterable[Piece]) -> Iterator[Setting]:
    """In the order of the page, those in entries of lists included."""
    for piece in pieces:
        if isinstance(piece, Setting):
            yield piece
        else:
            for entry in piece.entries:
                yield from settings_in(entry)


@dataclass(frozen=True)
class ServiceConfig:
    in_sight: tuple[Piece, ...] = ()
    others: tuple[Piece, ...] = ()
    networking: tuple[Piece, ...] = ()  # those of one networking method, such as the host of an SSH tunnel
    rules: tuple[Rule, ...] = ()
    metadata: Config = Config()
    known: bool = False
    lacking: tuple[str, ...] = ()  # labels of the lists that have more entries than there is room for

    @cached_property
    def fields(self) -> tuple[Setting, ...]:
        return tuple(settings_in(self.pieces))

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return (*self.in_sight, *self.others, *self.networking)

    @cached_property
    def lists(self) -> dict[str, Rows]:
        """path -> every list of objects that is not itself inside one."""
        return {piece.path: piece for piece in self.pieces if isinstance(piece, Rows)}

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(label for _, label in self.metadata.secrets))

    def for_the_browser(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.path not in FOLLOWING)  # those have no control


def config_for(
    service: str, raw: Mapping[str, Any] | None, texts: Mapping[str, str], secrets: Any = None
) -> ServiceConfig:
    """`raw` is the service's metadata, None while it is not known; a list has as many entries as in `texts`.

    `secrets` is the metadata's `external_secrets_keys_config`, of the few services that have one.
    """
    if raw is None:
        return ServiceConfig(metadata=parse(None, service))
    named = tuple(setting_of(f"{SECRETS_KEYS}.{part.name}", part, "") for part in names_of_secrets(secrets))
    metadata = parse(raw, service)
    listed = dict(leaves(metadata.properties))
    curated = curation(service, {path: part.choices for path, part in listed.items()})
    following = {rule.path for rule in curated.rules if rule.effect is Effect.FORCED}
    # Each setting is drawn at least once; what is left of the server's limit goes to further entries of lists.
    room = Room(rows.CONTROLS - len(named) - sum(controls_of(part) for part in listed.values()))
    order = dict.fromkeys((*curated.in_sight, *(path for path, part in listed.items() if part.required)))
    in_sight = [piece_of(path, listed[path], texts, room) for path in order if path not in following]
    others = [piece_of(path, part, texts, room) for path, part in listed.items() if path not in {*order, *following}]
    of_method = {rule.path for rule in curated.rules if is_of_networking(rule)}
    return ServiceConfig(
        in_sight=tuple(piece for piece in in_sight if piece.path not in of_method),
        others=(*(piece for piece in others if piece.path not in of_method), *named),
        networking=tuple(piece for piece in (*in_sight, *others) if piece.path in of_method),
        rules=(
            *curated.rules,
            *address_rules(service, {path: part.help for path, part in listed.items()}),
            *(no_number(path) for path, part in listed.items() if part.shape is Shape.WHOLE and not is_port(path)),
            *(Rule(one.path, Effect.APPLIES, _WITH_MANAGER, "only with an external secrets manager") for one in named),
        ),
        metadata=metadata,
        known=True,
        lacking=tuple(dict.fromkeys(room.lacking)),
    )


def no_number(path: str) -> Rule:
    return Rule(path, Effect.REFUSED, (When(path, (), pattern=NO_NUMBER),), "enter a whole number")


def is_of_networking(rule: Rule) -> bool:
    return rule.effect is Effect.APPLIES and any(when.path == "networking_method" for when in rule.when)


def controls_of(part: Property) -> int:
    return sum(controls_of(cell) for _, cell in leaves(part.properties)) if part.shape is Shape.ROWS else 1


def piece_of(path: str, part: Property, texts: Mapping[str, str], room: Room, entry: str = "") -> Piece:
    if part.shape is not Shape.ROWS:
        return setting_of(path, part, entry)
    size, entries = controls_of(part), [tuple(cells_of(f"{path}.0", part, texts, room, 1))]
    for number in range(1, min(rows.MOST, len(rows.numbers(texts, path.replace(".", "__"))))):
        if room.left < size:
            room.lacking.append(part.label)
            break
        room.left -= size
        entries.append(tuple(cells_of(f"{path}.{number}", part, texts, room, number + 1)))
    return Rows(path, part.label, part.help, part.required, tuple(entries), size, room)


def cells_of(path: str, part: Property, texts: Mapping[str, str], room: Room, count: int) -> Iterator[Piece]:
    first = first_cells(part.name)
    cells = list(leaves(part.properties, path))
    for inner_path, inner in sorted(cells, key=lambda cell: (*first, cell[1].name).index(cell[1].name)):
        yield piece_of(inner_path, inner, texts, room, f"{part.label} {count}")


def setting_of(path: str, part: Property, entry: str) -> Setting:
    lower = part.label if part.label[1:2].isupper() else part.label[:1].lower() + part.label[1:]
    return Setting(
        path,
        _TYPES.get(part.shape, Type.STRING),
        Section.WHAT,
        part.label,
        part.help,
        required=part.required and not entry,
        enter=f"{'Choose' if part.shape is Shape.CHOICE else 'Enter'} the {lower}",
        part=part,
        entry=entry,
    )


# --- the keys that name the destination -------------------------------------------------------------------------------
@dataclass(frozen=True)
class Naming:
    fields: tuple[Field, ...]
    known: bool  # whether Fivetran has told which of them the service takes
    service: str


def naming_for(service: str, texts: Mapping[str, str], config: dict[str, Any] | None) -> Naming:
    """`config` is the service's metadata, None while it is not known."""
    if not service:  # then a text that came in must not vanish
        return Naming(tuple(f for f in NAMING.values() if texts.get(f.name)), known=False, service="")
    keys = catalog.naming_keys_of(config)
    if keys is None:
        return Naming(tuple(NAMING.values()), known=False, service=service)
    return Naming(tuple(replace(NAMING[f"config.{key}"], required=True) for key in keys), known=True, service=service)
