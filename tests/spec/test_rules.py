"""The conditional rules: the table of cases that the browser runs too, and what must hold for any answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.spec.fields import BY_PATH, FIELDS
from connections.spec.payloads import build_body
from connections.spec.rules import RULES, Effect, as_json, check

CASES: list[dict[str, Any]] = json.loads((Path(__file__).with_name("rules.json")).read_text())
CONDITIONAL = {rule.path for rule in RULES if rule.effect is Effect.APPLIES}

values = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8))
answers = st.dictionaries(
    st.sampled_from([field.path for field in FIELDS]),
    st.one_of(values, st.sampled_from([choice for field in FIELDS for choice, _ in field.choices])),
)


def test_the_cases_are_many_and_named_once() -> None:
    assert len(CASES) >= 40
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_server_judges_every_case(case: dict[str, Any]) -> None:
    verdict = check(case["answers"])
    assert sorted(CONDITIONAL - set(verdict.hidden)) == case["shown"]
    assert sorted(verdict.required) == case["required"]
    assert verdict.forced == case["forced"]
    assert sorted(verdict.no_effect) == case["no_effect"]


def test_the_browser_gets_the_same_rules_as_json() -> None:
    rules = json.loads(json.dumps(as_json()))
    assert [rule["path"] for rule in rules] == [rule.path for rule in RULES]
    assert {rule["effect"] for rule in rules} <= {effect.value for effect in Effect}
    assert all(rule["reason"] for rule in rules)


def test_rules_speak_of_fields_that_exist() -> None:
    for rule in RULES:
        assert {rule.path, *(condition.path for condition in rule.when)} <= set(BY_PATH)


@given(answers)
def test_what_is_hidden_is_never_required_nor_sent(answers: dict[str, Any]) -> None:
    verdict = check(answers)
    assert not set(verdict.hidden) & set(verdict.required)
    body = build_body(answers)
    for path in check({**{f.path: f.default for f in FIELDS}, **answers}).hidden:
        *parents, last = path.split(".")
        part: Any = body
        for parent in parents:
            part = part.get(parent, {})
        assert last not in part
