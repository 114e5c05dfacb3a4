"""The entries of the reference as the page shows them: their links, and which of them a search leaves in sight."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connections.models import ConnectionRequest
from connections.spec.characters import visible
from connections.spec.fields import OF_THE_SERVICE, defaults
from connections.spec.reference import Entry, Group, Piece, Sentence, Value, anchor_of
from connections.spec.rules import RULES, check

_IN_SIGHT, _MOST = 24, 500  # allowed values at once, and those that open: nobody reads more


@dataclass(frozen=True)
class Row:
    entry: Entry
    control: str  # address of its control in the form
    hidden: bool

    @property
    def values(self) -> tuple[Value, ...]:
        return self.entry.values[:_IN_SIGHT]

    @property
    def more_values(self) -> tuple[Value, ...]:
        return self.entry.values[_IN_SIGHT:_MOST]

    @property
    def tags(self) -> list[tuple[str, str]]:
        found = [(self.entry.required, "tag-info"), ("Secret" if self.entry.secret else "", "tag-warning")]
        return [(words, look) for words, look in found if words]

    @property
    def facts(self) -> list[tuple[str, str]]:
        facts = [("Default", self.entry.default), ("Example", self.entry.example)]
        return [(name, value) for name, value in facts if value]

    @property
    def remarks(self) -> list[SafeString | str]:
        """What it is, and when it counts."""
        conditions = format_html_join(" ", "{}", ((linked(sentence),) for sentence in self.entry.sentences))
        return [words for words in (visible(self.entry.text), conditions) if words]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.entry.path.rpartition(".")[2]

    @property
    def depth(self) -> int:
        return min(3, self.entry.path.count("."))


@dataclass(frozen=True)
class Section:
    key: str
    title: str
    text: str
    part: str
    rows: tuple[Row, ...]

    @property
    def hidden(self) -> bool:
        return all(row.hidden for row in self.rows)


@dataclass(frozen=True)
class Controls:
    """Where the controls are: in the request that the reader may edit, else in a new form for the service; nowhere for
    who only reads.
    """

    service: str
    edited: ConnectionRequest | None
    asks: bool = True

    def address_of(self, entry: Entry) -> str:
        if not (entry.control and self.asks):
            return ""
        if edited := self._form_with(entry):
            return f"{reverse('connections:edit', args=[edited.pk])}#id_{self._in_sight(entry)}"
        query = {**({"service": self.service} if self.service else {}), **dict(entry.query)}
        asked = f"?{urlencode(query)}" if query else ""
        return f"{reverse('connections:new')}{asked}#id_{entry.control}"

    def _form_with(self, entry: Entry) -> ConnectionRequest | None:
        # The form of a request has the settings of its own service alone.
        others = entry.path.partition(".")[0] in OF_THE_SERVICE and self.edited and self.edited.service != self.service
        return None if others else self.edited

    def _in_sight(self, entry: Entry) -> str:
        # A control that does not apply is hidden: the one that decides about it comes before it.
        return entry.query[0][0] if entry.query and entry.path in self._hidden else entry.control

    @cached_property
    def _hidden(self) -> dict[str, str]:
        values = self.edited.values if self.edited is not None else {}
        return check({**defaults(), **values}, RULES).hidden


def sections_of(groups: Iterable[Group], words: str, controls: Controls) -> Iterator[Section]:
    """Every entry, those that `words` do not find hidden: what is searched for next is on the page already."""
    asked = words.lower().split()
    for group in groups:
        rows = tuple(Row(one, controls.address_of(one), not has_all(one.searched, asked)) for one in group.entries)
        yield Section(group.key, group.title, group.text, group.part, rows)


def has_all(text: str, words: Iterable[str]) -> bool:
    return all(word in text for word in words)


def linked(sentence: Sentence) -> SafeString:
    return format_html_join("", "{}", ((_piece(piece),) for piece in sentence))


def _piece(piece: Piece) -> SafeString | str:
    if not piece.path:
        return piece.words
    return format_html('<a href="#{}"><code>{}</code></a>', anchor_of(piece.path), piece.words)
