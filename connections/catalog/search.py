"""Searching services as people name them: `static/connections/search.js` does the same in the browser, and
`tests/catalog/searches.json` is run through both.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from connections.catalog.offers import Service

_FILE = Path(__file__).with_name("aliases.json")
_LONGEST = 200  # characters of a search
_MOST_WORDS, _LONGEST_WORD = 6, 30  # words, and characters of one, that are forgiven a typing error
_MOST_TYPOS = 2
_FAR = 9  # more than any distance that counts
_ALIAS = -2.0  # better than any place in a name; its targets follow in their order, then what begins as they do
_TYPO = 6.0  # worse than any place in a name


@dataclass(frozen=True)
class Entry:
    """A service with the texts that are compared."""

    service: Service
    name: str
    category: str
    words: tuple[str, ...]


@cache
def _data() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return content


def aliases() -> dict[str, list[str]]:
    """What people call it -> ids of services, or what their ids begin with."""
    found: dict[str, list[str]] = _data()["aliases"]
    return found


def popular() -> list[str]:
    found: list[str] = _data()["popular"]
    return found


def search(services: Sequence[Service], text: str) -> list[Service]:
    """The services in which every word of `text` occurs, by name, id, category or alias, best first."""
    words = folded(text[:_LONGEST]).split()
    if not words:
        return list(services)
    entries = [prepared(service) for service in services]
    whole = "".join(words)
    if len(words) > 1 and whole in aliases():
        words = [whole]
    for forgiving in (False, True):
        if found := ranked(entries, words, forgiving=forgiving):
            return found
    return [entry.service for entry in entries if has_in_order(entry, whole)]


def ranked(entries: Sequence[Entry], words: Sequence[str], *, forgiving: bool) -> list[Service]:
    if forgiving and len(words) > _MOST_WORDS:
        return []
    scored = []
    for entry in entries:
        total = 0.0
        for word in words:
            found = score(entry, word, forgiving=forgiving)
            if found is None:  # the other words are not looked for: there may be hundreds
                break
            total += found
        else:
            same = " ".join(words) in (entry.name, entry.service.id)
            scored.append((total - (100 if same else 0) - (0.5 if entry.service.recommended else 0), entry.service))
    return [service for _, service in sorted(scored, key=lambda one: one[0])]


def score(entry: Entry, word: str, *, forgiving: bool) -> float | None:
    """0 or less is best; None where the word does not occur."""
    for place, target in enumerate(aliases().get(word, ())):
        if entry.service.id == target:
            return _ALIAS + place / 100
        if entry.service.id.startswith(f"{target}_"):
            return _ALIAS + 1 + place / 100
    if (found := place_in(entry, word)) is not None:
        return found
    if not forgiving:
        return None
    distance = min((typos(word, one) for one in entry.words), default=_FAR)
    return _TYPO + distance if distance < _FAR else None


def place_in(entry: Entry, word: str) -> float | None:
    at = entry.name.find(word)
    if at == 0:
        return 0
    if (at > 0 and not entry.name[at - 1].isalnum()) or entry.service.id.startswith(word):
        return 1
    if at > 0:
        return 2
    if word in entry.service.id:
        return 3
    return 4 if word in entry.category else None


@lru_cache(maxsize=2000)
def prepared(service: Service) -> Entry:
    name = folded(service.name)
    words = dict.fromkeys(re.findall(r"[^\W_]+", f"{name} {service.id.lower()}"))
    return Entry(service, name, folded(service.group), tuple(words))


# --- forgiveness -----------------------------------------------------------------------------------------------------
def typos(typed: str, word: str) -> int:
    """How many letters are wrong, missing, too many or swapped; `_FAR` where it is another word."""
    most = 0 if len(typed) < 4 else 1 if len(typed) < 6 else _MOST_TYPOS
    if not most or len(typed) > _LONGEST_WORD or len(typed) - len(word) > most:
        return _FAR
    if len(set(typed).difference(word)) > most:  # each letter that the word lacks is a mistake of its own
        return _FAR
    # People are still typing: the beginning of a word counts as well.
    whole = _FAR if len(word) - len(typed) > most else distance(typed, word)
    found = min(whole, distance(typed, word[: len(typed)]))
    return found if found <= most else _FAR


@lru_cache(maxsize=20_000)
def distance(one: str, other: str) -> int:
    """Damerau and Levenshtein's, in its restricted form ("optimal string alignment"); `_FAR` where it is too far."""
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, opposite in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != opposite))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == opposite:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > _MOST_TYPOS < min(above):  # a swap reaches over one row
            return _FAR
        before, above = above, row
    return above[-1]


def has_in_order(entry: Entry, letters: str) -> bool:
    """Whether the letters occur in this order, as those of "gsheets" in Google Sheets."""
    squeezed = re.sub(r"[\W_]", "", entry.name + entry.service.id)
    if len(letters) < 3 or squeezed[:1] != letters[0]:
        return False
    at = -1
    return all((at := squeezed.find(letter, at + 1)) >= 0 for letter in letters)


def folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).lower()
