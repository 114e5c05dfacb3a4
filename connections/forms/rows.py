"""Lists of objects as controls: `config__files__0__pattern` is `pattern` of the first entry of `config.files`.

Between the form's texts (name -> text), its answers (path -> value) and the stored values, where such a list is one
value: `{"config.files": [{"pattern": …}]}`. Pure.
"""

import re
from collections.abc import Mapping
from typing import Any

MOST = 100  # entries of a list that the form takes
_ROW = re.compile(r"(config(?:__[A-Za-z0-9_]+?)+)__([0-9]{1,4})", re.ASCII)
_CELL = re.compile(r"(config(?:\.[A-Za-z][A-Za-z0-9_]*)+)\.([0-9]{1,4})\.(.+)", re.ASCII)


def numbers(texts: Mapping[str, str], name: str) -> list[int]:
    """The numbers of the entries that `texts` hold of the list `name`, in order."""
    beginning = f"{name}__"
    parts = (key[len(beginning) :].partition("__") for key in texts if key.startswith(beginning))
    return sorted({int(n) for n, middle, _ in parts if middle and _is_number(n)})


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4


def too_many(texts: Mapping[str, str]) -> bool:
    """Whether a list in tidied `texts` has more entries than the form takes."""
    parts = (part for name in texts if name.startswith("config__") for part in name.split("__")[1:-1])
    return any(_is_number(part) and int(part) >= MOST for part in parts)


def tidied(texts: Mapping[str, str], action: str = "") -> dict[str, str]:
    """`texts` after a pressed `add:<list>` or `remove:<list>__<number>`, the entries of each list numbered from 0."""
    names = dict(texts)
    verb, _, target = action.partition(":")
    if verb == "remove" and _ROW.fullmatch(target):
        names = {name: text for name, text in names.items() if not name.startswith(f"{target}__")}
    elif verb == "add" and target.startswith("config__"):
        names[f"{target}__{max(numbers(names, target), default=-1) + 1}__"] = ""  # a trace of an entry without cells
    ranks: dict[tuple[str, ...], dict[str, str]] = {}
    return {_renumbered(name, names, ranks): text for name, text in names.items()}


def _renumbered(name: str, names: Mapping[str, str], ranks: dict[tuple[str, ...], dict[str, str]]) -> str:
    parts = name.split("__")
    if parts[0] != "config" or not any(_is_number(part) for part in parts):
        return name
    new = list(parts)
    for place, part in enumerate(parts):
        if _is_number(part) and place < len(parts) - 1:
            before = tuple(parts[:place])
            if before not in ranks:
                found = numbers(names, "__".join(before))
                ranks[before] = {str(number): str(rank) for rank, number in enumerate(found)}
            new[place] = ranks[before].get(str(int(part)), part)
    return "__".join(new)


def folded(answers: Mapping[str, Any]) -> dict[str, Any]:
    """`answers` (path -> value) with the cells of each list gathered into one value; entries without cells vanish."""
    found: dict[str, Any] = {}
    lists: dict[str, dict[int, dict[str, Any]]] = {}
    for path, value in answers.items():
        if cell := _CELL.fullmatch(path):
            lists.setdefault(cell[1], {}).setdefault(int(cell[2]), {})[f"config.{cell[3]}"] = value
        else:
            found[path] = value
    for path, entries in lists.items():
        found[path] = [_nested(folded(entries[number])) for number in sorted(entries)]
    return found


def _nested(cells: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for path, value in cells.items():
        *parents, last = path.split(".")[1:]
        inner = entry
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return entry


def unfolded(values: Mapping[str, Any]) -> dict[str, str]:
    """Stored values as the form's texts: the opposite of `folded`, each value as it is typed."""
    texts: dict[str, str] = {}
    for path, value in values.items():
        _spread(path.replace(".", "__"), value, texts)
    return texts


def _spread(name: str, value: Any, texts: dict[str, str]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _spread(f"{name}__{key}", inner, texts)
    elif isinstance(value, (list, tuple)) and any(isinstance(entry, Mapping) for entry in value):
        for number, entry in enumerate(value):
            _spread(f"{name}__{number}", entry, texts)
    elif isinstance(value, (list, tuple)):
        texts[name] = "\n".join(text_of(entry) for entry in value)
    elif value is not None:
        texts[name] = text_of(value)


def text_of(value: Any) -> str:
    """A value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)
