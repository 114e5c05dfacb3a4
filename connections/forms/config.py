"""The settings of a service as fields of the form: what stands in sight, what in the closed group, by which rules."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from connections.addresses import address_rules
from connections.catalog.metadata import Config, Property, Shape, leaves, names_of_secrets, parse
from connections.curation import FOLLOWING, curation, first_cells
from connections.fields import Field, Section, Type
from connections.forms import rows
from connections.payloads import SECRETS_KEYS, SECRETS_MANAGER
from connections.rules import Effect, Rule, When

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


@dataclass(frozen=True)
class Rows:
    """A list of objects: `entries` are its entries as they stand on the page, always one at least."""

    path: str
    label: str
    help: str
    required: bool
    entries: tuple[tuple["Piece", ...], ...]

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
    order = dict.fromkeys((*curated.in_sight, *(path for path, part in listed.items() if part.required)))
    return ServiceConfig(
        in_sight=tuple(_piece(path, listed[path], texts) for path in order if path not in following),
        others=(
            *(_piece(path, part, texts) for path, part in listed.items() if path not in {*order, *following}),
            *named,
        ),
        rules=(
            *curated.rules,
            *address_rules(service, {path: part.help for path, part in listed.items()}),
            *(Rule(one.path, Effect.APPLIES, _WITH_MANAGER, "only with an external secrets manager") for one in named),
        ),
        metadata=metadata,
        known=True,
    )


def _piece(path: str, part: Property, texts: Mapping[str, str], entry: str = "") -> Piece:
    if part.shape is not Shape.ROWS:
        return _setting(path, part, entry)
    found = rows.numbers(texts, path.replace(".", "__"))[: rows.MOST]
    return Rows(
        path,
        part.label,
        part.help,
        part.required,
        tuple(tuple(_cells(f"{path}.{number}", part, texts, number + 1)) for number in range(max(1, len(found)))),
    )


def _cells(path: str, part: Property, texts: Mapping[str, str], count: int) -> Iterator[Piece]:
    first = first_cells(part.name)
    cells = list(leaves(part.properties, path))
    for inner_path, inner in sorted(cells, key=lambda cell: (*first, cell[1].name).index(cell[1].name)):
        yield _piece(inner_path, inner, texts, f"{part.label} {count}")


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
