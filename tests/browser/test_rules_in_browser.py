"""The rules in the browser: `rules.js` gives the server's verdict on every case."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from django.templatetags.static import static

from connections.spec.hosts_and_ports import address_rules
from connections.spec.rules import RULES, Effect, Rule, When, as_json, check
from connections.spec.service_rules import curation
from tests.spec.test_rules import CASES

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
        judged = {key: value for key, value in verdict.items() if key != "why"}
        assert judged == asdict(expected), case["name"]
        said = {path: reason for path, reason in verdict["why"].items() if reason}
        assert said == {path: forcing[path] for path in expected.forced}, case["name"]
    assert json.dumps(answers) == json.dumps([case["answers"] for case in CASES])


DOUBTED = (
    *address_rules("postgres", {"config.host": "", "config.port": "", "config.hosts": ""}),
    *curation("s3", {"config.files": (), "config.file_mapping_method": ("EXTRACT_TABLES", "DEFINE_PER_TABLE")}).rules,
    Rule("agent", Effect.REFUSED, (When("agent", ("a",)), When("group", ("g", None), negate=True)), "of another"),
)


@pytest.mark.django_db(transaction=True)
def test_the_browser_doubts_what_the_server_doubts(page: Any, live_server: Any) -> None:
    page.goto(f"{live_server.url}/accounts/login/")
    answers: list[dict[str, Any]] = [
        {path: value}
        for path, values in {
            "config.host": ("db.example.com", "https://db.example.com/x", "db/x", "db:5432", "::1", "a b", "", None),
            "config.port": (0, 1, 22, 65535, 65536, 99999, -1, None),
            "config.files.0.table_name": ("one", "", None),
        }.items()
        for value in values
    ]
    answers += [{"agent": agent, "group": group} for agent in ("a", "b") for group in ("g", "h", None)]
    found = page.evaluate(_RUN, [static("connections/rules.js"), as_json(DOUBTED), answers])
    for told, verdict in zip(answers, found, strict=True):
        judged = {key: value for key, value in verdict.items() if key != "why"}
        assert judged == asdict(check(told, DOUBTED)), told
    assert sum(bool(verdict["refused"]) for verdict in found) == 6 and sum(bool(v["warned"]) for v in found) == 5
