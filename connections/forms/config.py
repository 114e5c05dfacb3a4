"""The settings of a service as fields of the form: what stands in sight, what in the closed group, by which rules."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from connections.catalog.metadata import Config, Property, Shape, leaves, names_of_secrets, parse
from connections.forms import rows
from connections.spec.addresses import address_rules
from connections.spec.fields import Field, Section, Type
from connections.spec.payloads import SECRETS_KEYS, SECRETS_MANAGER
from connections.spec.rules import Effect, Rule, When
from connections.spec.service_rules import FOLLOWING, curation, first_cells

_WITH_MANAGER = (When(SECRETS_MANAGER, (None,), negate=True),)
_TYPES = {Shape.WHOLE: Type.INTEGER, Shape.FLAG: Type.BOOLEAN, Shape.CHOICE: Type.CHOICE}


@dataclass(frozen=True)
class Setting(Field):
    """A field made from a property of the metadata; `entry` says which entry of a list it belongs to ("Files 2")."""

    part: Property = field(default=Property("", Shape.TEXT, ""))
    entry: str = ""

    @property
    def full_label(self) -> str:
        """The label as lists of fields need it, where the entry is not in sight."""
        return f"{self.entry}: {self.label}" if self.entry else self.label


@dataclass
class Room:
    """How many controls the form may still draw, besides one for each setting and the first entry of each list."""

    left: int
    lacking: list[str] = field(default_factory=list)  # labels of the lists that had more entries


@dataclass(frozen=True)
class Rows:
    """A list of objects: `entries` are its entries as they stand on the page, always one at least."""

    path: str
    label: str
    help: str
    required: bool
    entries: tuple[tuple["Piece", ...], ...]
    size: int  # controls of an entry
    room: Room

    @property
    def most(self) -> int:
        """How many entries it can have while the other lists of the form stay as they are."""
        return min(rows.MOST, len(self.entries) + max(0, self.room.left) // self.size)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another entry."""
        return len(self.entries) >= self.most

    @property
    def name(self) -> str:
        """As the name of a control: what the buttons for adding and removing name."""
        return self.path.replace(".", "__")


Piece = Setting | Rows


def settings_in(pieces: Iterable[Piece]) -> Iterator[Setting]:
    """Every setting in `pieces`, those in entries of lists included, as they stand on the page."""
    for piece in pieces:
        if isinstance(piece, Setting):
            yield piece
        else:
            for entry in piece.entries:
                yield from settings_in(entry)


@dataclass(frozen=True)
class ServiceConfig:
    """What follows from the chosen service besides its naming. Without metadata there is nothing in it."""

    in_sight: tuple[Piece, ...] = ()
    others: tuple[Piece, ...] = ()
    rules: tuple[Rule, ...] = ()
    metadata: Config = Config()
    known: bool = False
    lacking: tuple[str, ...] = ()  # labels of the lists that have more entries than there is room for

    @cached_property
    def fields(self) -> tuple[Setting, ...]:
        """All settings, as they stand on the page."""
        return tuple(settings_in((*self.in_sight, *self.others)))

    @cached_property
    def lists(self) -> dict[str, Rows]:
        """path -> every list of objects that is not itself inside one."""
        return {piece.path: piece for piece in (*self.in_sight, *self.others) if isinstance(piece, Rows)}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The labels of what only the source owner may enter."""
        return tuple(dict.fromkeys(label for _, label in self.metadata.secrets))

    def for_the_browser(self) -> tuple[Rule, ...]:
        """The rules about what stands on the page."""
        return tuple(rule for rule in self.rules if rule.path not in FOLLOWING)


def config_for(
    service: str, raw: Mapping[str, Any] | None, texts: Mapping[str, str], secrets: Any = None
) -> ServiceConfig:
    """The settings of `service` by its metadata `raw` (None: not told), with as many entries of lists as in `texts`.

    `secrets` is the metadata's `external_secrets_keys_config`, of the few services that have one.
    """
    if raw is None:
        return ServiceConfig(metadata=parse(None, service))
    named = tuple(_setting(f"{SECRETS_KEYS}.{part.name}", part, "") for part in names_of_secrets(secrets))
    metadata = parse(raw, service)
    listed = dict(leaves(metadata.properties))
    curated = curation(service, {path: part.choices for path, part in listed.items()})
    following = {rule.path for rule in curated.rules if rule.effect is Effect.FORCED}
    room = Room(rows.CONTROLS - len(named) - sum(_size(part) for part in listed.values()))
    order = dict.fromkeys((*curated.in_sight, *(path for path, part in listed.items() if part.required)))
    in_sight = tuple(_piece(path, listed[path], texts, room) for path in order if path not in following)
    others = [_piece(path, part, texts, room) for path, part in listed.items() if path not in {*order, *following}]
    return ServiceConfig(
        in_sight=in_sight,
        others=(*others, *named),
        rules=(
            *curated.rules,
            *address_rules(service, {path: part.help for path, part in listed.items()}),
            *(Rule(one.path, Effect.APPLIES, _WITH_MANAGER, "only with an external secrets manager") for one in named),
        ),
        metadata=metadata,
        known=True,
        lacking=tuple(dict.fromkeys(room.lacking)),
    )


def _size(part: Property) -> int:
    """The controls of a setting; of a list of objects those of one entry."""
    return sum(_size(cell) for _, cell in leaves(part.properties)) if part.shape is Shape.ROWS else 1


def _piece(path: str, part: Property, texts: Mapping[str, str], room: Room, entry: str = "") -> Piece:
    if part.shape is not Shape.ROWS:
        return _setting(path, part, entry)
    size, entries = _size(part), [tuple(_cells(f"{path}.0", part, texts, room, 1))]
    for number in range(1, min(rows.MOST, len(rows.numbers(texts, path.replace(".", "__"))))):
        if room.left < size:
            room.lacking.append(part.label)
            break
        room.left -= size
        entries.append(tuple(_cells(f"{path}.{number}", part, texts, room, number + 1)))
    return Rows(path, part.label, part.help, part.required, tuple(entries), size, room)


def _cells(path: str, part: Property, texts: Mapping[str, str], room: Room, count: int) -> Iterator[Piece]:
    first = first_cells(part.name)
    cells = list(leaves(part.properties, path))
    for inner_path, inner in sorted(cells, key=lambda cell: (*first, cell[1].name).index(cell[1].name)):
        yield _piece(inner_path, inner, texts, room, f"{part.label} {count}")


def _setting(path: str, part: Property, entry: str) -> Setting:
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
