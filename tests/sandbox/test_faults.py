"""Every failure on demand: what the client meets, and what exists afterwards."""

import html
import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from connections.sandbox.faults import FAULTS, find
from tests.sandbox.api import Api, eventually

AFTER_EFFECT_NO_ANSWER = [
    ("lost_", {"timeout": 0.5}, requests.ReadTimeout),
    ("slow_", {"timeout": 0.5}, requests.ReadTimeout),
    ("drip_", {"timeout": 0.3}, requests.ReadTimeout),
    ("drop_", {}, requests.ConnectionError),
    ("reset_", {}, requests.ConnectionError),
    ("short_", {}, requests.RequestException),
    ("cut_", {}, requests.JSONDecodeError),
]
ALWAYS_REFUSED = [
    ("refused_", 400, "InvalidInput"),
    ("taken_", 400, "SchemaExists"),
    ("forbidden_", 403, "Forbidden"),
    ("gone_", 404, "NotFound_Group"),
    ("conflict_", 409, "Conflict"),
    ("limited_", 429, "TooManyRequests"),
]
AFTER_EFFECT_BAD_ANSWER = [("html_", 502), ("error_after_", 500), ("noid_", 201)]
FIRST_TIME_REFUSED = [("error_", 500), ("unauthorized_", 401)]


@pytest.mark.parametrize(("prefix", "patience", "error"), AFTER_EFFECT_NO_ANSWER)
def test_created_but_the_answer_is_lost(
    api: Api, prefix: str, patience: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        api.create(f"{prefix}orders", **patience).json()
    assert len(eventually(lambda: api.named(f"{prefix}orders.cells"))) == 1
    assert api.create(f"{prefix}orders").json()["code"] == "SchemaExists"


@pytest.mark.parametrize(("prefix", "status"), AFTER_EFFECT_BAD_ANSWER)
def test_created_but_the_answer_is_bad(api: Api, prefix: str, status: int) -> None:
    answer = api.create(f"{prefix}orders")
    assert answer.status_code == status
    assert '"id"' not in answer.text
    assert len(api.named(f"{prefix}orders.cells")) == 1


@pytest.mark.parametrize(("prefix", "status", "code"), ALWAYS_REFUSED)
def test_refused_again_and_again(api: Api, prefix: str, status: int, code: str) -> None:
    for _ in range(3):
        answer = api.create(f"{prefix}orders")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert "Retry-After" not in answer.headers
    assert api.named(f"{prefix}orders.cells") == []


@pytest.mark.parametrize(("prefix", "status"), FIRST_TIME_REFUSED)
def test_refused_once_then_created(api: Api, prefix: str, status: int) -> None:
    first = api.create(f"{prefix}orders")
    assert first.status_code == status
    assert first.json()["code"] != "Success"
    assert api.named(f"{prefix}orders.cells") == []
    assert api.create(f"{prefix}orders").status_code == 201


@pytest.mark.parametrize("prefix", ["lost_before_", "drop_before_"])
def test_lost_once_without_an_effect(api: Api, prefix: str) -> None:
    with pytest.raises((requests.ReadTimeout, requests.ConnectionError)):
        api.create(f"{prefix}orders", timeout=2)
    assert api.named(f"{prefix}orders.cells") == []
    assert api.create(f"{prefix}orders").status_code == 201


def test_late_appears_after_the_caller_gave_up(api: Api) -> None:
    api.settings(late_seconds=1)
    with pytest.raises(requests.ReadTimeout):
        api.create("late_orders", timeout=0.3)
    assert api.named("late_orders.cells") == []
    assert len(eventually(lambda: api.named("late_orders.cells"))) == 1
    assert api.create("late_orders").json()["code"] == "SchemaExists"


def test_busy_asks_twice_to_wait(api: Api) -> None:
    answers = [api.create("busy_orders") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 201]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["2", "2", None]


def test_slow_answers_in_the_end(api: Api) -> None:
    api.settings(slow_seconds=0.3)
    started = time.monotonic()
    assert api.create("slow_orders").status_code == 201
    assert time.monotonic() - started >= 0.3


def test_drip_sends_the_whole_answer_in_the_end(api: Api) -> None:
    api.settings(drip_seconds=0.0001)
    assert api.create("drip_orders", run_setup_tests=False).json()["data"]["id"]


def test_redirect_leads_elsewhere_and_creates_nothing(api: Api) -> None:
    answer = api.create("redirect_orders")
    assert answer.status_code == 307
    assert answer.headers["Location"] == f"{api.root}/_sandbox/elsewhere"
    assert api.journal(path="/_sandbox/elsewhere") == []
    requests.post(answer.headers["Location"], json={}, timeout=20)
    assert len(api.journal(path="/_sandbox/elsewhere")) == 1
    assert api.named("redirect_orders.cells") == []


def test_bomb_is_as_long_as_it_says_and_still_json(api: Api) -> None:
    api.settings(bomb_bytes=3_000_000)
    answer = api.create("bomb_orders")
    assert len(answer.content) == 3_000_000
    assert answer.json()["data"]["schema"] == "bomb_orders.cells"


def test_down_is_a_page_of_html(api: Api) -> None:
    for _ in range(2):
        answer = api.create("down_orders")
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html")
    assert api.named("down_orders.cells") == []


APPROVALS = [
    ("cert_", "certificates", "encoded_cert", "trust_certificates", 201),
    ("finger_", "fingerprints", "public_key", "trust_fingerprints", 201),
]


@pytest.mark.parametrize(("prefix", "kinds", "proof", "flag", "status"), APPROVALS)
def test_passes_once_approved(api: Api, prefix: str, kinds: str, proof: str, flag: str, status: int) -> None:
    made = api.create(f"{prefix}orders", "postgres").json()["data"]
    path = f"/v1/connections/{made['id']}"
    assert made["status"]["setup_state"] == "incomplete"
    details = made["setup_tests"][0]["details"]
    shown = details[0] if isinstance(details, list) else details
    assert isinstance(details, list) == (kinds == "certificates")
    again = api.call("POST", f"{path}/test", json={}).json()["data"]
    assert again["status"]["setup_state"] == "incomplete"

    body = {"hash": shown["hash"], proof: shown[proof]}
    assert api.call("POST", f"{path}/{kinds}", json={"hash": shown["hash"]}).status_code == 400
    approved = api.call("POST", f"{path}/{kinds}", json=body)
    assert approved.status_code == status
    passed = api.call("POST", f"{path}/test", json={}).json()["data"]
    assert passed["status"]["setup_state"] == "connected"
    assert {test["status"] for test in passed["setup_tests"]} == {"PASSED"}

    one = f"{path}/{kinds}/{approved.json()['data']['id']}"
    assert api.get(one)["hash"] == shown["hash"]
    assert len(api.get(f"{path}/{kinds}")["items"]) == 1
    assert api.call("DELETE", one).status_code == 200
    assert api.call("GET", one).status_code == 404
    broken = api.call("POST", f"{path}/test", json={}).json()["data"]
    assert broken["status"]["setup_state"] == "broken"


@pytest.mark.parametrize(("prefix", "kinds", "proof", "flag", "status"), APPROVALS)
def test_passes_once_trusted(api: Api, prefix: str, kinds: str, proof: str, flag: str, status: int) -> None:
    other = next(name for *_, name, _ in APPROVALS if name != flag)
    assert (
        api.create(f"{prefix}one", "google_sheets", **{other: True}).json()["data"]["status"]["setup_state"]
        == "incomplete"
    )
    made = api.create(f"{prefix}two", "google_sheets", **{flag: True}).json()["data"]
    assert made["status"]["setup_state"] == "connected"


def test_results_of_all_kinds(api: Api) -> None:
    def results(name: str) -> tuple[str, list[dict[str, Any]]]:
        data = api.create(name).json()["data"]
        return data["status"]["setup_state"], data["setup_tests"]

    state, tests = results("fails_orders")
    assert state == "incomplete"
    assert {test["status"] for test in tests} == {"FAILED", "SKIPPED"}
    state, tests = results("warns_orders")
    assert state == "connected"
    assert [test["status"] for test in tests].count("WARNING") == 1
    state, tests = results("odd_orders")
    assert {"PENDING_REVIEW", "JOB_FAILED"} <= {test["status"] for test in tests}
    assert {str, list, int} <= {type(test.get("details")) for test in tests}
    assert any("<script>" in test.get("message", "") for test in tests)
    assert any("message" not in test for test in tests)
    state, tests = results("huge_orders")
    assert len(tests) == 60
    assert min(len(test["message"]) for test in tests) > 300


def test_the_longest_prefix_counts_and_prefixes_work_in_every_shape(api: Api) -> None:
    assert (find("lost_before_x") or FAULTS[0]).prefix == "lost_before_"
    assert (find("lost_x") or FAULTS[-1]).prefix == "lost_"
    assert find("glost_x") is None
    for service in ("google_sheets", "postgres", "stripe"):
        assert api.create("forbidden_orders", service).status_code == 403


def test_a_bad_body_is_refused_before_any_fault(api: Api) -> None:
    assert api.create("lost_orders", sync_frequency=7).status_code == 400


def test_every_fault_is_tried_here_and_told_on_the_start_page(api: Api) -> None:
    page = requests.get(api.root, timeout=20)
    assert page.headers["Content-Type"].startswith("text/html")
    text = html.unescape(page.text)
    tried = Path(__file__).read_text(encoding="utf-8")
    for fault in FAULTS:
        assert f"<code>{fault.prefix}</code>" in text
        assert fault.says in text
        assert f"{fault.prefix}orders" in tried or f'"{fault.prefix}"' in tried, fault.prefix
    assert "sandbox-key" in text and "sandbox-secret" in text
    assert "<script" not in page.text and "style=" not in page.text


def test_the_journal_tells_what_happened_and_when(api: Api) -> None:
    with pytest.raises(requests.ReadTimeout):
        api.create("lost_orders", timeout=1)
    [made] = eventually(lambda: api.named("lost_orders.cells"))
    entry = eventually(lambda: [e for e in api.journal() if e["events"][-1]["phase"] == "gone"])[0]
    assert [event["phase"] for event in entry["events"]] == ["connected", "headers", "body", "effect", "gone"]
    assert entry["effect"] == made["id"]
    assert entry["fault"] == "lost_"
    assert entry["events"][-1]["ms"] >= 300
    assert entry["body"]["config"]["schema"] == "lost_orders"
    assert "sandbox-secret" not in json.dumps(entry)
