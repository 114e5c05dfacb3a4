"""Lists of objects as controls: `config__files__0__pattern` is `pattern` of the first entry of `config.files`. Converts
between texts (name -> text), answers (path -> value) and stored values (`{"config.files": [{"pattern": …}]}`).
"""

import json
from collections.abc import Mapping
from typing import Any

from connections.forms.typed_text import in_codes, is_separator
from connections.spec.payloads import nested

MOST = 100  # entries of a list that the form takes
CONTROLS = 880  # for settings in one form; with the rest of the form fewer than the 1,000 that the server takes
_DEEPEST = 12  # parts of a control's name: `catalog.metadata` goes four levels deep, each with the number of an entry
_LONGEST = 500  # characters of one: there a key has at most 80


def numbers(texts: Mapping[str, str], name: str) -> list[int]:
    """The numbers of the entries of the list `name`, in order."""
    beginning = f"{name}__"
    parts = (key[len(beginning) :].partition("__") for key in texts if key.startswith(beginning))
    return sorted({int(n) for n, middle, _ in parts if middle and is_number(n)})


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4


def parts_of(name: str) -> list[str]:
    """None of them where `name` cannot be the name of a setting's control."""
    if not name.startswith("config__") or len(name) > _LONGEST:
        return []
    parts = name.split("__")
    return parts if len(parts) <= _DEEPEST else []


def too_many(texts: Mapping[str, str]) -> bool:
    return any(is_number(part) and int(part) >= MOST for name in texts for part in parts_of(name)[1:-1])


def tidied(texts: Mapping[str, str], action: str = "") -> dict[str, str]:
    """`texts` after a pressed `add:<list>` or `remove:<list>__<number>`, the entries of each list numbered from 0."""
    names = dict(texts)
    verb, _, target = action.partition(":")
    path = parts_of(target)
    if verb == "remove" and len(path) > 2 and is_number(path[-1]):
        names = {name: text for name, text in names.items() if not name.startswith(f"{target}__")}
    elif verb == "add" and path:
        names[f"{target}__{max(numbers(names, target), default=-1) + 1}__"] = ""  # a trace of an entry without cells
    # 1. The parts of each list's name -> the numbers of its entries.
    found: dict[tuple[str, ...], set[int]] = {}
    for name in names:
        parts = parts_of(name)
        for place, part in enumerate(parts[:-1]):
            if is_number(part):
                found.setdefault(tuple(parts[:place]), set()).add(int(part))
    # 2. The number of each entry -> its place, from 0: a removed entry leaves no gap.
    ranks = {path: {number: str(rank) for rank, number in enumerate(sorted(held))} for path, held in found.items()}

    # 3. Each name with places instead of numbers.
    def renumbered(name: str) -> str:
        parts = parts_of(name)
        new = [ranks[tuple(parts[:at])][int(part)] if is_number(part) else part for at, part in enumerate(parts[:-1])]
        return "__".join([*new, parts[-1]]) if parts else name

    return {renumbered(name): text for name, text in names.items()}


def folded(answers: Mapping[str, Any]) -> dict[str, Any]:
    """`answers` (path -> value) with the cells of each list gathered into one value; entries without cells vanish."""
    found: dict[str, Any] = {}
    lists: dict[str, dict[int, dict[str, Any]]] = {}
    for path, value in answers.items():
        parts = path.split(".")
        place = next((place for place, part in enumerate(parts) if is_number(part)), 0)  # of the entry's number
        name, inner = ".".join(parts[:place]), ".".join(parts[place + 1 :])
        if place > 1 and parts[0] == "config" and inner:
            lists.setdefault(name, {}).setdefault(int(parts[place]), {})[f"config.{inner}"] = value
        else:
            found[path] = value
    for path, entries in lists.items():
        rows = [folded(entries[number]) for number in sorted(entries)]
        found[path] = [nested({path.removeprefix("config."): cell for path, cell in row.items()}) for row in rows]
    return found


def unfolded(values: Mapping[str, Any]) -> dict[str, str]:
    """Stored values as the form's texts: the opposite of `folded`."""
    texts: dict[str, str] = {}
    for path, value in values.items():
        spread(path.replace(".", "__"), value, texts)
    return texts


def spread(name: str, value: Any, texts: dict[str, str]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            spread(f"{name}__{key}", inner, texts)
    elif isinstance(value, (list, tuple)) and any(isinstance(entry, Mapping) for entry in value):
        for number, entry in enumerate(value):
            spread(f"{name}__{number}", entry, texts)
    elif isinstance(value, (list, tuple)):
        lines = [text_of(one) for one in value]
        # One value a line; as a JSON array where a line would not be read as the value that it is.
        is_plain = all(line == line.strip() != "" and not any(mark in line for mark in "[,;\t\n") for line in lines)
        texts[name] = "\n".join(lines) if is_plain else json.dumps(list(value), ensure_ascii=False)
    elif value is not None:
        texts[name] = in_codes(value) if isinstance(value, str) and is_separator(name) else text_of(value)


def text_of(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
