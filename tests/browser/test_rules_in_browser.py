"""The rules in the browser: `rules.js` gives the server's verdict on every case."""

import json
from typing import Any

import pytest
from django.templatetags.static import static

from connections.rules import RULES, Effect, as_json, check
from tests.test_rules import CASES

_RUN = """async ([address, rules, cases]) => {
  const { check, whyForced } = await import(address);
  return cases.map((answers) => ({
    ...check(answers, rules),
    why: Object.fromEntries(rules.map((rule) => [rule.path, whyForced(rule.path, answers, rules) ?? null])),
  }));
}"""


@pytest.mark.django_db(transaction=True)
def test_the_browser_judges_as_the_server_does(page: Any, live_server: Any) -> None:
    page.goto(f"{live_server.url}/accounts/login/")
    answers = [case["answers"] for case in CASES]
    found = page.evaluate(_RUN, [static("connections/rules.js"), as_json(), answers])
    assert len(found) == len(CASES)
    for case, verdict in zip(CASES, found, strict=True):
        expected = check(case["answers"])
        forcing = {rule.path: rule.reason for rule in RULES if rule.effect is Effect.FORCED}
        assert {key: verdict[key] for key in ("hidden", "required", "forced", "no_effect")} == {
            "hidden": expected.hidden,
            "required": expected.required,
            "forced": expected.forced,
            "no_effect": expected.no_effect,
        }, case["name"]
        said = {path: reason for path, reason in verdict["why"].items() if reason}
        assert said == {path: forcing[path] for path in expected.forced}, case["name"]
    assert json.dumps(answers) == json.dumps([case["answers"] for case in CASES])
