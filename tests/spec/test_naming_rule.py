"""The company's naming rule: what it suggests, what follows it, and what becomes of a text that is no name."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from connections.spec.fields import NAME_PATTERN
from connections.spec.naming_rule import asked, follows, is_usable, normalized, parts_in, suggestion

RULE = "{team}_{service}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Sales EU", "sales_eu"),
        ("  Vertrieb Süd-2 ", "vertrieb_sud_2"),
        ("O'Hara’s", "oharas"),
        ("2024 figures", "_2024_figures"),
        ("_kept", "_kept"),
        ("a__b", "a_b"),
        ("Straße", "strasse"),
        ("売上", ""),
        ("---", ""),
        ("_", ""),
        ("", ""),
    ],
)
def test_the_nearest_name(text: str, name: str) -> None:
    assert normalized(text) == name


@given(some.text(max_size=80))
def test_a_nearest_name_is_usable_and_stays_what_it_is(text: str) -> None:
    name = normalized(text)
    assert name == "" or re.fullmatch(NAME_PATTERN, name)
    assert normalized(name) == name


def test_what_is_asked_for_is_what_the_portal_does_not_know() -> None:
    assert asked("{region}_{service}_{team}_{user}_{destination}_{team}") == ("region", "team")
    assert asked("plain") == ()


def test_the_suggestion() -> None:
    parts = {"service": "google_sheets", "team": "Sales EU"}
    assert suggestion(RULE, parts, longest=63).whole == "sales_eu_google_sheets"
    assert suggestion(RULE, {"team": "x" * 99, "service": "mysql"}, longest=20).whole == "x" * 20
    assert suggestion("{year}_{service}", {"year": "2026", "service": "mysql"}, longest=63).whole == "_2026_mysql"


def test_a_missing_part_stays_in_the_preview() -> None:
    made = suggestion(RULE, {"service": "mysql", "team": " - "}, longest=63)
    assert (made.name, made.missing, made.whole) == ("{team}_mysql", ("team",), "")


@pytest.mark.parametrize(
    ("name", "does"),
    [
        ("sales_mysql", True),
        ("sales_eu_mysql", True),
        ("sales_mysql_orders", True),
        ("_2026_mysql", True),
        ("sales", False),
        ("mysql", False),
        ("sales_mysqlx", False),
        ("sales_postgres", False),
        ("Sales_mysql", False),
    ],
)
def test_what_follows_the_rule(name: str, does: bool) -> None:
    assert follows(RULE, name, {"service": "mysql"}) is does


def test_the_parts_in_a_name() -> None:
    assert parts_in(RULE, "sales_eu_mysql", {"service": "mysql"}) == {"team": "sales_eu"}
    assert parts_in("{a}_x_{a}", "one_x_one", {}) == {"a": "one"}
    assert parts_in("{a}_x_{a}", "one_x_two", {}) == {}
    assert parts_in(RULE, "anything", {"service": "mysql"}) == {}


def test_a_rule_without_placeholders_is_a_beginning() -> None:
    assert follows("raw_", "raw_orders", {})
    assert not follows("raw_", "orders", {})


@pytest.mark.parametrize("template", ["{a}_{b}_{c}", "{a}{b}{c}{d}{e}{f}{g}{h}x", "{a}_{b}_{c}_{d}_{e}_{f}_{g}!"])
def test_no_name_takes_long(template: str) -> None:
    started = time.process_time()
    for name in ("a_" * 40, "a" * 5000, "_" * 80):
        follows(template, name, {})
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("name", "usable"), [("a", True), ("_a1", True), ("1a", False), ("A", False), ("", False), ("a\n", False)]
)
def test_what_fivetran_takes(name: str, usable: bool) -> None:
    assert is_usable(name) is usable
