"""Lists of objects between texts, answers and stored values: nothing is lost on the way, however numbers are given."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.forms.rows import folded, numbers, tidied, unfolded


def test_there_and_back() -> None:
    values = {
        "service": "x",
        "paused": False,
        "sync_frequency": 360,
        "config.host": "h",
        "config.hosts": ["a", "b"],
        "config.store.bucket": "b",
        "config.reports": [
            {"table": "one", "metrics": ["m", "n"], "window": 3, "filters": [{"field": "f"}, {"field": "g"}]},
            {"table": "two", "inner": {"deep": "d"}},
        ],
    }
    texts = unfolded(values)
    assert texts["config__hosts"] == "a\nb" and texts["paused"] == "false"
    assert texts["config__reports__0__filters__1__field"] == "g"
    assert texts["config__reports__1__inner__deep"] == "d"
    cells = {name.replace("__", "."): text for name, text in texts.items() if name.startswith("config__reports")}
    assert folded(cells) == {
        "config.reports": [
            {"table": "one", "metrics": "m\nn", "window": "3", "filters": [{"field": "f"}, {"field": "g"}]},
            {"table": "two", "inner": {"deep": "d"}},
        ]
    }


ENTRY = st.dictionaries(st.sampled_from(["table", "file_pattern", "a1"]), st.text(min_size=1, max_size=5), min_size=1)
NESTED = st.builds(
    lambda cells, inner: cells | ({"filters": inner} if inner else {}), ENTRY, st.lists(ENTRY, max_size=3)
)


@given(st.lists(NESTED, min_size=1, max_size=12))
def test_any_list_survives(entries: list[dict[str, Any]]) -> None:
    values = {"config.host": "h", "config.files": entries}
    texts = tidied(unfolded(values))
    assert folded({name.replace("__", "."): text for name, text in texts.items()}) == values


@given(st.sets(st.integers(0, 9999), max_size=12))
def test_entries_are_numbered_from_zero_in_their_order(given_numbers: set[int]) -> None:
    texts = {f"config__files__{n}__pattern": str(n) for n in given_numbers}
    tidy = tidied(texts)
    assert numbers(tidy, "config__files") == list(range(len(given_numbers)))
    assert [tidy[f"config__files__{i}__pattern"] for i in range(len(tidy))] == [str(n) for n in sorted(given_numbers)]


def test_adding_and_removing() -> None:
    texts = {f"config__files__{n}__pattern": letter for n, letter in enumerate("abc")} | {"reason": "r"}
    added = tidied(texts, "add:config__files")
    assert numbers(added, "config__files") == [0, 1, 2, 3]
    removed = tidied(texts, "remove:config__files__1")
    assert removed == {"config__files__0__pattern": "a", "config__files__1__pattern": "c", "reason": "r"}
    inner = {"config__r__0__f__0__x": "1", "config__r__0__f__1__x": "2", "config__r__1__f__0__x": "3"}
    assert tidied(inner, "remove:config__r__0__f__0") == {"config__r__0__f__0__x": "2", "config__r__1__f__0__x": "3"}
    assert tidied(inner, "remove:config__r__0") == {"config__r__0__f__0__x": "3"}


@pytest.mark.parametrize(
    "action",
    ["add:", "add:reason", "remove:", "remove:reason", "remove:config", "remove:config__files", "remove:config__x__y"],
)
def test_a_strange_button_changes_nothing(action: str) -> None:
    texts = {"reason": "r", "config__files__0__pattern": "a", "config__host": "h"}
    assert tidied(texts, action) == texts


@given(
    st.dictionaries(st.from_regex(r"(config)?(__)?[a-z0-9_]{0,12}", fullmatch=True), st.text(max_size=3), max_size=8)
)
def test_strange_names_break_nothing(texts: dict[str, str]) -> None:
    assert set(tidied(texts).values()) <= set(texts.values())
    folded({name.replace("__", "."): text for name, text in tidied(texts).items()})
