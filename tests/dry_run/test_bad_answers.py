"""Answers that are late, odd or hostile: the step says so, the others go on, and nothing of them gets to a page raw."""

import base64
import json
import time
from typing import Any

import pytest

from connections.dry_run import shown
from connections.dry_run.conducting import SECONDS
from connections.dry_run.reads import LATE, Reads
from connections.fivetran import configured
from connections.fivetran.exchanges import Exchange
from connections.fivetran.transport import boottime
from connections.models import BreakerReason, CatalogEntry, CircuitBreaker, ConnectionRequest, DryRun
from connections.spec.dry_run import Check
from tests.dry_run import FAILED, NOT_POSSIBLE, PASSED, draft, dry_run_of, states
from tests.sandbox_client import Fivetran

pytestmark = pytest.mark.usefixtures("group")
READS = (Check.ACCOUNT, Check.DESTINATION, Check.NAME, Check.SERVICE, Check.CONFIG)


def always(**answer: Any) -> dict[str, Any]:
    """The answer to every read of the API."""
    return {"method": "GET", "path": "/v1/*", "times": 100, "status": 200, **answer}


def breaker() -> str:
    return CircuitBreaker.objects.get().reason


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (always(body="<html>Sign in to the hotel's network</html>"), "not the JSON of Fivetran"),
        (always(body={"code": "Success", "data": []}), "what was asked for is not in it"),
        (always(status=302, headers={"Location": "https://example.com/"}), "redirect"),
        (always(delivery="reset"), "no usable answer"),
        (always(status=503, body="<h1>Down</h1>"), "no usable answer"),
    ],
    ids=["html", "odd", "redirect", "reset", "down"],
)
def test_no_usable_answer_to_any_read(fivetran: Fivetran, answer: dict[str, Any], words: str) -> None:
    conn_request = draft()
    fivetran.next(answer)
    found = dry_run_of(conn_request)
    for check in READS:
        assert found[check].state is (FAILED if check is Check.ACCOUNT else NOT_POSSIBLE), check
    assert words in found[Check.ACCOUNT].sentences[0]
    assert found[Check.REQUEST].state is PASSED
    assert breaker() == BreakerReason.CLOSED  # whoever tests must not hold up creations


def test_one_read_without_an_answer_leaves_the_others(fivetran: Fivetran) -> None:
    conn_request = draft()
    fivetran.next(always(path="/v1/destinations/*", body="<html>"))
    assert states(dry_run_of(conn_request)) == {"destination": "not_possible"}


def test_a_server_that_keeps_silent_holds_nobody_up(fivetran: Fivetran) -> None:
    conn_request, before = draft(), time.monotonic()
    fivetran.next(always(delivery="silent"))
    found = dry_run_of(conn_request)
    assert time.monotonic() - before < SECONDS
    assert {found[check].state for check in READS} == {FAILED, NOT_POSSIBLE}


def test_nobody_answers_at_all(fivetran: Fivetran, settings: Any) -> None:
    conn_request = draft()
    settings.FIVETRAN_BASE_URL = "http://127.0.0.1:9"
    found = dry_run_of(conn_request)
    assert found[Check.ACCOUNT].state is FAILED and "could not be reached" in found[Check.ACCOUNT].sentences[0]
    assert found[Check.SANDBOX].state is NOT_POSSIBLE
    assert found[Check.ACCOUNT].exchanges[0]["status"] is None
    assert breaker() == BreakerReason.CLOSED


def test_what_is_not_answered_in_time_is_not_waited_for(fivetran: Fivetran) -> None:
    fivetran.next(always(delay=1.0, status=200))
    reads = Reads(configured.reader(), boottime() + 0.1)
    reads.begin("account", lambda client: client.get_account())
    reads.wait()
    assert reads.done["account"].why_not == LATE and not reads.is_waiting
    reads.begin("late", lambda client: client.get_account())
    assert reads.done["late"].why_not == LATE
    reads.end()


def test_a_list_of_many_pages_ends_with_the_run(fivetran: Fivetran) -> None:
    page = {"code": "Success", "data": {"items": [], "next_cursor": "again"}}
    conn_request, before = draft(), time.monotonic()
    fivetran.next({"method": "GET", "path": "/v1/connections*", "times": 1, "status": 200, "body": page, "delay": 0.2})
    other = {"code": "Success", "data": {"items": [], "next_cursor": "and again"}}
    fivetran.next(
        {"method": "GET", "path": "/v1/connections*", "times": 50, "status": 200, "body": other, "delay": 0.2}
    )
    found = dry_run_of(conn_request)
    assert found[Check.NAME].state is NOT_POSSIBLE and "does not end" in found[Check.NAME].sentences[0]
    assert time.monotonic() - before < SECONDS and len(fivetran.looks()) == 2


def test_nothing_is_called_after_the_end_of_a_run(fivetran: Fivetran) -> None:
    page = {"code": "Success", "data": {"items": [], "next_cursor": "again"}}
    fivetran.next(always(path="/v1/connections*", body=page, delay=0.4, times=1))
    fivetran.next(always(path="/v1/connections*", body={**page, "data": {"items": [], "next_cursor": "b"}}, delay=0.4))
    reads = Reads(configured.reader(), boottime() + 0.6)
    reads.begin("name", lambda client: client.find_connections("amber_harbor", "orders_db"))
    while reads.is_waiting:
        reads.wait()
    time.sleep(1.0)
    calls = len(fivetran.looks())
    time.sleep(1.0)
    assert len(fivetran.looks()) == calls <= 2
    reads.end()


def test_a_call_that_fails_in_the_portal_itself_leaves_the_others(fivetran: Fivetran) -> None:
    def broken(client: Any) -> Any:
        raise TypeError("unheard of")

    reads = Reads(configured.reader(), boottime() + 5)
    reads.begin("account", broken)
    reads.begin("destination", lambda client: client.get_destination("amber_harbor"))
    while reads.is_waiting:
        reads.wait()
    assert "could not make this call (TypeError)" in reads.done["account"].why_not
    assert reads.done["destination"].is_answered
    reads.end()


HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"


def test_hostile_answers_are_masked_cut_and_told_as_text(fivetran: Fivetran, as_user: Any, cast: Any) -> None:
    account = {
        "account_id": HOSTILE,
        "account_name": f"{HOSTILE}{'x' * 5_000}",
        "password": "hunter2",
        "nested": [{"api_key": "hunter3", "email": "who@example.com"}],
        "echo": "sandbox-secret and Basic " + base64.b64encode(b"sandbox-key:sandbox-secret").decode(),
    }
    conn_request = draft(by=cast["requester"])
    fivetran.next(always(path="/v1/account/info", body={"code": "Success", "data": account}))
    found = dry_run_of(conn_request)[Check.ACCOUNT]
    stored = json.dumps(DryRun.objects.get().checks)
    for secret in ("hunter2", "hunter3", "who@example.com", "sandbox-secret", "c2FuZGJveC1rZXk6"):
        assert secret not in stored, secret
    assert len(found.exchanges[0]["answer"]) < shown.LONGEST + 100
    page = as_user("requester").get(f"/requests/{conn_request.pk}/").content.decode()
    assert "<script>alert" not in page and "\u202e" not in page and "&lt;script&gt;alert" in page


@pytest.mark.parametrize(
    "text",
    ["", "\x00\x1b[31m", "[" * 10_000, "{" + '"a":' * 70 + "1", "null", '"text"', "[1, 2]", "é" * 10_000, '{"a": NaN}'],
)
def test_any_text_can_be_shown(text: str) -> None:
    [one] = shown.shown("account", [Exchange("GET", "/v1/x", 200, 3, text)])
    assert len(one["answer"]) < shown.LONGEST + 100
    assert "\x00" not in one["answer"] and "\x1b" not in one["answer"]


def test_an_answer_that_is_too_long_is_not_kept(fivetran: Fivetran) -> None:
    data = {"account_id": "a", "account_name": "A", "filler": "x" * 600_000}
    conn_request = draft()
    fivetran.next(always(path="/v1/account/info", body={"code": "Success", "data": data}))
    found = dry_run_of(conn_request)[Check.ACCOUNT]
    assert found.state is PASSED and found.exchanges[0]["answer"] == "(too long to be shown)"


def test_odd_metadata_ends_no_run(fivetran: Fivetran) -> None:
    odd: list[Any] = [[], {"properties": []}, {"properties": {"host": 7, "port": {"type": ["a"]}}, "required": {}}]
    for config in odd:
        fivetran.next(always(path="/v1/metadata/*", times=1, body={"code": "Success", "data": {"config": config}}))
        found = dry_run_of(draft(config__schema_prefix=f"odd_{len(str(config))}"))
        assert not any("could not make" in one.sentences[0] for one in found.values())


def test_metadata_with_odd_names_of_what_is_required_is_used_all_the_same(fivetran: Fivetran) -> None:
    before: Any = CatalogEntry.objects.get(kind="service", fivetran_id="postgres").detail
    odd = {**before, "config": {**before["config"], "required": [{"name": "host"}]}}
    conn_request = draft()
    fivetran.next(always(path="/v1/metadata/*", body={"code": "Success", "data": odd}))
    found = dry_run_of(conn_request)
    assert states(found) == {} and found[Check.REQUEST].exchanges[0]["body"]
    assert CatalogEntry.objects.get(kind="service", fivetran_id="postgres").detail == odd


def test_stored_values_of_any_shape_end_no_run(fivetran: Fivetran) -> None:
    conn_request = draft()
    odd: dict[str, Any] = {
        "service": "postgres",
        "group_id": {"a": 1},
        "config.host": [[]],
        "config.port": {"x": [None]},
        "a.b": None,
    }
    for values in (
        odd,
        {},
        {"config.schema_prefix": 7, "service": "../account/info"},
        {"hybrid_deployment_agent_id": 7},
    ):
        ConnectionRequest.objects.update(values=values)
        for check, one in dry_run_of(conn_request).items():
            assert "ended before" not in one.sentences[0] and "could not make" not in one.sentences[0], (values, check)


def test_a_request_that_is_too_large_says_so(fivetran: Fivetran) -> None:
    conn_request = draft()
    ConnectionRequest.objects.update(values={**conn_request.values, "config.database": "x" * 70_000})
    found = dry_run_of(conn_request)
    assert found[Check.CONFIG].state is FAILED
    assert len(found[Check.REQUEST].exchanges[0]["body"]) < shown.LONGEST + 100
    ConnectionRequest.objects.update(payload={"service": "postgres", "config": {"database": "x" * 70_000}})
    found = dry_run_of(conn_request)
    assert found[Check.REQUEST].state is FAILED and "too much for one request" in found[Check.REQUEST].sentences[0]
