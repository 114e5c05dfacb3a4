"""Two runs of the setup tests side by side: which tests fail now, pass now, are gone, are new."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from connections.views.labels import FAILED_TESTS

Key = tuple[str, int]  # a title, and which of the tests of that title it is
Told = tuple[str, str]  # title and status, as Fivetran said

_FAILING, _PASSING, _NEW = "newly failing", "newly passing", "new"
_MOST_TITLES = 10  # named in a sentence; the tests themselves carry their marks


@dataclass(frozen=True)
class Comparison:
    """A mark for each test that changed, and sentences about all of them."""

    marks: dict[Key, str] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)


def keys(tests: Iterable[Told]) -> list[tuple[Key, str]]:
    # Tests of one title are told apart by their order.
    seen: Counter[str] = Counter()
    found = []
    for title, status in tests:
        found.append(((title, seen[title]), status))
        seen[title] += 1
    return found


def compare(newer: Iterable[Told], older: Iterable[Told] | None) -> Comparison:
    """Both in Fivetran's order."""
    if older is None:
        return Comparison()
    now, before = dict(keys(newer)), dict(keys(older))
    marks = {key: mark for key, status in now.items() if (mark := mark_of(status, before.get(key)))}
    gone = [key for key in before if key not in now]
    return Comparison(marks, sentences_of(marks, gone))


def mark_of(status: str, before: str | None) -> str:
    if before is None:
        return _NEW
    if status == before:
        return ""
    if status in FAILED_TESTS and before not in FAILED_TESTS:
        return _FAILING
    return _PASSING if status == "PASSED" else f"was {before}"


def sentences_of(marks: Mapping[Key, str], gone: list[Key]) -> list[str]:
    groups = {
        "Newly failing": [key for key, mark in marks.items() if mark == _FAILING],
        "Newly passing": [key for key, mark in marks.items() if mark == _PASSING],
        "New": [key for key, mark in marks.items() if mark == _NEW],
        "Changed otherwise": [key for key, mark in marks.items() if mark.startswith("was ")],
        "No longer there": gone,
    }
    said = [f"{words}: {titles_of(found)}." for words, found in groups.items() if found]
    return said or ["The same as in the run before."]


def titles_of(found: list[Key]) -> str:
    names = [title for title, _ in found]
    more = len(names) - _MOST_TITLES
    return ", ".join(names[:_MOST_TITLES]) + (f" and {more} more" if more > 0 else "")
