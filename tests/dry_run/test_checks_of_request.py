"""The checks of what would be sent, and of whether anything may be asked, each in each state that it can reach."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from connections import workflow
from connections.dry_run import of_request
from connections.dry_run.findings import Said, result
from connections.fivetran import configured, rate_limit
from connections.models import (
    BreakerReason,
    CircuitBreaker,
    ConnectionRequest,
    Preset,
)
from connections.spec.dry_run import Check, CheckState
from connections.states import Owner, Status
from tests import factories
from tests.dry_run import (
    FAILED,
    NOT_POSSIBLE,
    PASSED,
    SLOW,
    WARNING,
    answer,
    draft,
    dry_run_of,
    postgres,
    states,
    told,
    working,
)
from tests.processes import until
from tests.sandbox_client import Fivetran

pytestmark = pytest.mark.usefixtures("group")


# --- budget -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("columns", "state", "words", "acts"),
    [
        ({"paused_at": Now()}, WARNING, "An operator paused all calls", Owner.OPERATOR),
        ({"reason": BreakerReason.OPEN, "not_before": Now()}, WARNING, "no clear answers", Owner.NOBODY),
        ({"rate_limit": 1000, "rate_remaining": 5, "rate_read_at": Now()}, WARNING, "used up", Owner.NOBODY),
    ],
)
def test_where_no_call_may_be_made_the_checks_say_so(
    fivetran: Fivetran, columns: dict[str, Any], state: CheckState, words: str, acts: Owner
) -> None:
    CircuitBreaker.objects.update_or_create(pk=1, defaults=columns)
    rate_limit._latest.clear()
    conn_request, calls = draft(), len(fivetran.call("journal"))
    found = dry_run_of(conn_request)
    told(found[Check.BUDGET], state, words, acts=acts)
    for check in (Check.ACCOUNT, Check.RIGHTS, Check.DESTINATION, Check.NAME, Check.SERVICE, Check.CONFIG):
        assert found[check].state is NOT_POSSIBLE, check
    assert found[Check.REQUEST].state is PASSED  # it needs nobody
    assert len(fivetran.call("journal")) == calls


def test_a_wait_that_fivetran_asked_for(fivetran: Fivetran) -> None:
    fivetran.next({**answer("/v1/account/info", status=429), **SLOW})
    conn_request = draft()
    found = dry_run_of(conn_request)
    told(found[Check.ACCOUNT], NOT_POSSIBLE, "asked the portal to wait")
    told(found[Check.BUDGET], WARNING, "used up for the moment")
    assert CircuitBreaker.objects.get().reason == BreakerReason.RATE_LIMITED
    calls = len(fivetran.call("journal"))
    told(dry_run_of(conn_request)[Check.NAME], NOT_POSSIBLE, "asked the portal to wait until", "UTC")
    assert len(fivetran.call("journal")) == calls


def test_little_is_left_of_the_limit(fivetran: Fivetran) -> None:
    rate_limit._latest.clear()  # what this process has read meanwhile
    columns = {"rate_limit": 1000, "rate_remaining": 90, "rate_read_at": Now()}
    CircuitBreaker.objects.update_or_create(pk=1, defaults=columns)
    conn_request, calls = draft(), len(fivetran.call("journal"))
    found = dry_run_of(conn_request)
    told(found[Check.BUDGET], PASSED, "may wait a little", "90 more calls")
    told(found[Check.NAME], NOT_POSSIBLE, "is kept for creations")  # they come first
    assert len(fivetran.call("journal")) == calls


def test_what_is_left_of_the_limit_is_read_before_and_after(fivetran: Fivetran) -> None:
    told(dry_run_of(draft())[Check.BUDGET], PASSED, "more calls this hour")
    assert CircuitBreaker.objects.get().rate_remaining  # as this run's own answers said
    # Another call of this process, as a page of the form makes it: the breaker's row does not know it yet.
    left = {"X-Rate-Limit": "1000", "X-Rate-Limit-Remaining": "60"}
    account = {"account_id": "sandbox_account", "account_name": "S"}
    fivetran.next(answer("/v1/account/info", account, times=1, headers=left))
    configured.client().get_account()
    told(dry_run_of(draft(config__schema_prefix="b"))[Check.NAME], NOT_POSSIBLE, "is kept for creations")
    assert CircuitBreaker.objects.get().rate_remaining == 60


@pytest.mark.parametrize("hours", [2, -2])
def test_what_was_read_of_the_limit_long_ago_is_not_said(fivetran: Fivetran, hours: int) -> None:
    rate_limit._latest.clear()
    columns = {"rate_limit": 1000, "rate_remaining": 300, "rate_read_at": Now() - timedelta(hours=hours)}
    CircuitBreaker.objects.update_or_create(pk=1, defaults=columns)
    without = {"method": "GET", "path": "/v1/*", "times": 100, "status": 404, "body": {"code": "X", "message": "No"}}
    conn_request = draft()
    fivetran.next(without)
    [said] = dry_run_of(conn_request)[Check.BUDGET].sentences
    assert said == "Calls go through, and a creation could go now."


def test_a_wait_asked_for_by_any_read_is_heeded_at_once(fivetran: Fivetran) -> None:
    fivetran.next({**answer("/v1/destinations/*", status=429), **SLOW})
    fivetran.hold("headers", "GET", "/v1/account/info")
    conn_request = draft()
    workflow.ask_for_dry_run(by=conn_request.requester, conn_request=conn_request)
    with working(conn_request):
        until(lambda: CircuitBreaker.objects.filter(reason=BreakerReason.RATE_LIMITED).exists())
        # Asked for again while the account's call is out: what was read is neither lost nor an error.
        workflow.ask_for_dry_run(by=conn_request.requester, conn_request=conn_request)
        fivetran.release()
    called = {call["path"] for call in fivetran.call("journal")}
    assert not [path for path in called if path.startswith("/v1/users")]  # nothing more was begun


# --- request ----------------------------------------------------------------------------------------------------------
def test_what_would_be_sent(fivetran: Fivetran) -> None:
    found = dry_run_of(draft())[Check.REQUEST]
    [sent] = found.exchanges
    assert (sent["method"], sent["address"]) == ("POST", f"{fivetran.url}/v1/connections")
    assert sent["headers"]["Authorization"] == "Basic ******"
    assert '"schema_prefix": "orders_db"' in sent["body"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"reason": ""}, "reason"),
        ({"sync_frequency": 7}, "Sync frequency"),
        ({"data_delay_sensitivity": "CUSTOM"}, "threshold"),
    ],
)
def test_what_a_submission_would_be_refused_for(fivetran: Fivetran, asked: dict[str, Any], words: str) -> None:
    found = dry_run_of(draft(**asked))
    told(found[Check.REQUEST], FAILED, words, acts=Owner.REQUESTER)
    assert {check for check in states(found) if check != "sandbox"} == {"request"}


def test_an_empty_draft(fivetran: Fivetran) -> None:
    conn_request = workflow.save_draft(by=factories.person(), filing=workflow.Filing({}))
    found = dry_run_of(conn_request)
    assert {one.value for one in found} == {one.value for one in Check}
    assert found[Check.ACCOUNT].state is PASSED
    for check in (Check.DESTINATION, Check.SERVICE, Check.REQUEST):
        assert found[check].state is FAILED, check
    for check in (Check.NAME, Check.CONFIG):
        assert found[check].state in (FAILED, NOT_POSSIBLE), check


# --- sandbox ----------------------------------------------------------------------------------------------------------
def test_elsewhere_than_at_the_sandbox(fivetran: Fivetran) -> None:
    told(dry_run_of(draft())[Check.SANDBOX], PASSED, "It would be created")
    found = dry_run_of(draft(config__schema_prefix="b", use_connect_card=False, run_setup_tests=True))
    told(found[Check.SANDBOX], WARNING, "these setup tests would fail", acts=Owner.SOURCE_OWNER)


def test_what_only_the_sandbox_refuses(fivetran: Fivetran) -> None:
    found = dry_run_of(draft(config__schema_prefix="refused_it"))
    told(found[Check.SANDBOX], FAILED, "The sandbox would answer 400: ", acts=Owner.REQUESTER)


@pytest.mark.parametrize(
    ("name", "state", "words", "acts"),
    [
        ("conflict_", FAILED, "would answer 409: ", Owner.REQUESTER),
        ("unauthorized_", FAILED, "would answer 401: ", Owner.OPERATOR),
        ("busy_", WARNING, "would answer 429: ", Owner.NOBODY),
        ("limited_", WARNING, "would answer 429: ", Owner.NOBODY),
        ("error_", WARNING, "would answer 500: ", Owner.NOBODY),
        ("down_", WARNING, "would answer 503: ", Owner.NOBODY),
        ("redirect_", WARNING, "would answer 307: ", Owner.NOBODY),
    ],
)
def test_what_the_sandbox_foretells_is_not_what_happened(
    fivetran: Fivetran, name: str, state: CheckState, words: str, acts: Owner
) -> None:
    found = dry_run_of(draft(config__schema_prefix=f"{name}x"))
    told(found[Check.SANDBOX], state, words, acts=acts)
    told(found[Check.BUDGET], PASSED, "could go now")
    assert set(states(found)) == {"sandbox"}
    assert CircuitBreaker.objects.get().reason == BreakerReason.CLOSED


# --- presets ----------------------------------------------------------------------------------------------------------
def test_what_a_preset_decides_counts(fivetran: Fivetran) -> None:
    preset = Preset.objects.create(name="P", values={"sync_frequency": 60}, fixed=["sync_frequency"])
    conn_request = draft(sync_frequency=360)
    ConnectionRequest.objects.update(preset=preset)
    [sent] = dry_run_of(conn_request)[Check.REQUEST].exchanges
    assert '"sync_frequency": 60' in sent["body"]


def test_the_destination_that_a_preset_fixes_is_the_one_asked_about(fivetran: Fivetran) -> None:
    fivetran.seed(group_id="eager_compass", service="postgres", schema="orders_db")
    preset = Preset.objects.create(name="P", values={"group_id": "eager_compass"}, fixed=["group_id"])
    conn_request = draft()
    ConnectionRequest.objects.update(preset=preset)
    found = dry_run_of(conn_request)
    told(found[Check.NAME], FAILED, "has the name orders_db", acts=Owner.REQUESTER)
    told(found[Check.DESTINATION], FAILED, "calls it INCOMPLETE", acts=Owner.REQUESTER)
    assert "group_id=eager_compass" in found[Check.NAME].exchanges[0]["address"]


# --- what becomes of it -----------------------------------------------------------------------------------------------
def test_what_is_said_of_the_body_fits_the_state(fivetran: Fivetran) -> None:
    said = {
        Status.DRAFT: "would be sent once it is submitted and approved",
        Status.PENDING: "would be sent once it is approved",
        Status.APPROVED: "what will be sent",
        Status.REJECTED: "has ended, so this is not sent",
        Status.CREATED: "what was sent",
    }
    for status, words in said.items():
        conn_request = factories.request_in(status, **postgres(config__schema_prefix=f"in_{status}"))
        assert words in " ".join(of_request.what_becomes_of(conn_request).split()), status


def test_a_preset_that_was_changed_later_changes_nothing_that_was_submitted(fivetran: Fivetran) -> None:
    conn_request = factories.submitted(**postgres())
    preset = Preset.objects.create(name="P", values={"config.update_method": "WRONG"}, fixed=["config.update_method"])
    ConnectionRequest.objects.update(preset=preset)
    assert states(dry_run_of(conn_request)) == {}


# --- sentences --------------------------------------------------------------------------------------------------------
def test_sentences_are_bounded() -> None:
    found = result(Check.CONFIG, [Said(FAILED, f"{number} {'x' * 1000}") for number in range(30)])
    assert len(found.sentences) == 21 and found.sentences[-1] == "And 10 more."
    assert {len(words) for words in found.sentences[:-1]} == {500}
