"""Each check by itself, in each state that it can reach."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from connections import worker, workflow
from connections.fivetran import configured, rate_limit
from connections.models import (
    BreakerReason,
    CatalogEntry,
    CircuitBreaker,
    ConnectionRequest,
    PortalPolicy,
    Preset,
    ServiceRule,
    Stance,
)
from connections.spec.dry_run import Check, CheckState, Result
from connections.states import Owner, Status
from tests import factories
from tests.dry_run import FAILED, NOT_POSSIBLE, PASSED, WARNING, draft, dry_run_of, postgres, states, working
from tests.processes import until
from tests.sandbox_client import Fivetran

pytestmark = pytest.mark.usefixtures("group")
FORBIDDEN = {"status": 403, "body": {"code": "Forbidden", "message": "No"}}
SLOW = {"headers": {"Retry-After": "60"}, "body": {"code": "RateLimit", "message": "Slow down"}}
AWAY = {"status": 404, "body": {"code": "NotFound", "message": "No"}}


def answer(path: str, data: object = None, **more: Any) -> dict[str, Any]:
    """The next answers to a read of `path`, those to its repetitions too."""
    body = {"body": {"code": "Success", "message": "", "data": data}} if data is not None else {}
    return {"method": "GET", "path": path, "times": 3, "status": 200, **body, **more}


def told(found: Result, state: CheckState, *words: str, acts: Owner = Owner.NOBODY) -> None:
    """`found` is in this state, says these words, and leaves it to `acts`."""
    said = " ".join(found.sentences)
    assert (found.state, found.acts) == (state, acts), said
    for one in words:
        assert one in said, said


# --- account ----------------------------------------------------------------------------------------------------------
def test_account(fivetran: Fivetran) -> None:
    told(dry_run_of(draft())[Check.ACCOUNT], PASSED, "Sandbox Ltd (sandbox_account)")
    fivetran.next(answer("/v1/account/info", **FORBIDDEN))
    found = dry_run_of(draft(config__schema_prefix="b"))
    told(found[Check.ACCOUNT], NOT_POSSIBLE, "may not read this", acts=Owner.OPERATOR)
    told(found[Check.RIGHTS], FAILED, "may not read: the account", acts=Owner.OPERATOR)
    assert found[Check.NAME].state is PASSED  # the others go on


def test_a_key_that_is_not_accepted(fivetran: Fivetran) -> None:
    conn_request = draft()
    fivetran.settings(reject_all=True)
    found = dry_run_of(conn_request)
    told(found[Check.ACCOUNT], FAILED, "does not accept the portal's API key", acts=Owner.OPERATOR)
    told(found[Check.RIGHTS], NOT_POSSIBLE, "Nothing could be read")
    for check in (Check.DESTINATION, Check.NAME, Check.SERVICE):
        told(found[check], NOT_POSSIBLE, "does not accept", acts=Owner.OPERATOR)
    assert CircuitBreaker.objects.get().reason == BreakerReason.AUTH
    calls = len(fivetran.call("journal"))
    found = dry_run_of(conn_request)  # the breaker is open: it says so, and asks nothing
    told(found[Check.BUDGET], FAILED, "Nothing is sent until it does", acts=Owner.OPERATOR)
    told(found[Check.ACCOUNT], NOT_POSSIBLE, "nothing was asked")
    assert len(fivetran.call("journal")) == calls


@pytest.mark.parametrize(
    ("approved", "state", "words"),
    [
        ("{root} sandbox_account", PASSED, "for which the request was approved"),
        ("{root} another", FAILED, "approved for the account another"),
        ("https://api.example.com sandbox_account", FAILED, "approved for https://api.example.com"),
    ],
)
def test_the_account_of_the_approval(fivetran: Fivetran, approved: str, state: CheckState, words: str) -> None:
    conn_request = factories.approved(**postgres())
    ConnectionRequest.objects.update(approved_account=approved.format(root=fivetran.url))
    acts = Owner.NOBODY if state is PASSED else Owner.OPERATOR
    told(dry_run_of(conn_request)[Check.ACCOUNT], state, words, acts=acts)


# --- rights -----------------------------------------------------------------------------------------------------------
USER, SYSTEM_KEY = "/v1/users/polite_heron", "/v1/system-keys/key_one"


@pytest.mark.parametrize(
    ("data", "state", "words"),
    [
        ({"role": "Account Administrator", "email": "x@example.com"}, PASSED, "role “Account Administrator”"),
        ({"role": None}, PASSED, "no role in the whole account"),
        ({"role": "Account Reviewer"}, WARNING, "may not create connections"),
        ({"role": "Account Administrator", "active": False}, FAILED, "not active"),
    ],
)
def test_the_role_of_the_keys_user(fivetran: Fivetran, data: dict[str, Any], state: CheckState, words: str) -> None:
    fivetran.next(answer(USER, data))
    found = dry_run_of(draft())[Check.RIGHTS]
    told(found, state, words, acts=Owner.NOBODY if state is PASSED else Owner.OPERATOR)
    assert "x@example.com" not in str(found.as_json())


def _of_connectors(level: str) -> list[dict[str, str]]:
    return [{"resource_type": "CONNECTOR", "access_level": level}, {"resource_type": "USER", "access_level": "NONE"}]


@pytest.mark.parametrize(
    ("permissions", "state", "words"),
    [
        (_of_connectors("MANAGE"), PASSED, "may manage connections"),
        (_of_connectors("READ"), FAILED, "may not manage connections"),
        ([], WARNING, "names no right on connections"),
    ],
)
def test_the_permissions_of_a_system_key(
    fivetran: Fivetran, permissions: list[dict[str, str]], state: CheckState, words: str
) -> None:
    account = {"account_id": "sandbox_account", "account_name": "S", "system_key_id": "key_one"}
    fivetran.next(answer("/v1/account/info", account), answer(SYSTEM_KEY, {"permissions": permissions}))
    found = dry_run_of(draft())[Check.RIGHTS]
    told(found, state, words, acts=Owner.OPERATOR if state is not PASSED else Owner.NOBODY)


def test_a_role_that_cannot_be_read(fivetran: Fivetran) -> None:
    fivetran.next(answer(USER, **AWAY))
    told(dry_run_of(draft())[Check.RIGHTS], PASSED, "role could not be read")


# --- destination ------------------------------------------------------------------------------------------------------
def test_destination(fivetran: Fivetran) -> None:
    told(dry_run_of(draft())[Check.DESTINATION], PASSED, "exists and is set up")
    for group, words in (("dusty_orchard", "calls it BROKEN"), ("eager_compass", "calls it INCOMPLETE")):
        told(dry_run_of(draft(group_id=group))[Check.DESTINATION], FAILED, words, acts=Owner.REQUESTER)
    told(dry_run_of(draft(group_id="faded_willow"))[Check.DESTINATION], FAILED, "no destination", acts=Owner.REQUESTER)
    told(dry_run_of(draft(group_id=""))[Check.DESTINATION], FAILED, "choose a destination", acts=Owner.REQUESTER)


# --- name -------------------------------------------------------------------------------------------------------------
def test_a_name_that_another_request_holds(fivetran: Fivetran) -> None:
    factories.submitted(**postgres(config__schema_prefix="held"))
    found = dry_run_of(draft(config__schema_prefix="held"))[Check.NAME]
    told(found, FAILED, "Another request of this portal holds the name held", acts=Owner.REQUESTER)


def test_the_requests_own_connection_does_not_take_its_name(fivetran: Fivetran) -> None:
    conn_request = factories.approved(**postgres())
    worker.run("submit", conn_request.pk)
    found = dry_run_of(conn_request)
    assert ConnectionRequest.objects.get(pk=conn_request.pk).state is Status.CREATED
    told(found[Check.NAME], PASSED, "but for this request's own connection")
    told(found[Check.SANDBOX], NOT_POSSIBLE, "exists already")
    assert len(fivetran.posts()) == 1  # that of the creation


def test_an_own_attempt_whose_end_is_not_known(fivetran: Fivetran) -> None:
    conn_request = factories.request_in(Status.UNKNOWN, **postgres())
    fivetran.seed(group_id="amber_harbor", service="postgres", schema="orders_db")
    told(dry_run_of(conn_request)[Check.NAME], WARNING, "perhaps by this request's own attempt")


def test_a_draft_without_a_name(fivetran: Fivetran) -> None:
    found = dry_run_of(draft(config__schema_prefix=""))[Check.NAME]
    told(found, FAILED, "Destination schema prefix: enter", acts=Owner.REQUESTER)


# --- service ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "state", "acts"),
    [
        ("general_availability", PASSED, Owner.NOBODY),
        ("beta", PASSED, Owner.NOBODY),
        ("private_preview", WARNING, Owner.OPERATOR),
        ("development", WARNING, Owner.OPERATOR),
        ("sunset", FAILED, Owner.REQUESTER),
    ],
)
def test_the_services_status(fivetran: Fivetran, status: str, state: CheckState, acts: Owner) -> None:
    detail = CatalogEntry.objects.get(kind="service", fivetran_id="postgres").detail
    fivetran.next(answer("/v1/metadata/connector-types/postgres", {**(detail or {}), "service_status": status}))
    told(dry_run_of(draft())[Check.SERVICE], state, acts=acts)


def test_a_service_that_is_not_known_or_not_allowed(fivetran: Fivetran) -> None:
    found = dry_run_of(draft(service="nonsense"))
    told(found[Check.SERVICE], FAILED, "knows no service", acts=Owner.REQUESTER)
    assert found[Check.CONFIG].state is NOT_POSSIBLE and found[Check.ACCOUNT].state is PASSED
    ServiceRule.objects.create(service="postgres", stance=Stance.DENIED, note="Use the replica.")
    told(dry_run_of(draft())[Check.SERVICE], FAILED, "does not allow", "Use the replica", acts=Owner.REQUESTER)
    PortalPolicy.objects.update_or_create(pk=1, defaults={"only_listed_services": True})
    told(dry_run_of(draft(service="mysql"))[Check.SERVICE], FAILED, "not on it", acts=Owner.REQUESTER)


# --- config -----------------------------------------------------------------------------------------------------------
def metadata(fivetran: Fivetran, **properties: Any) -> None:
    """The next answer about postgres has these settings too, or no longer (None)."""
    detail: Any = CatalogEntry.objects.get(kind="service", fivetran_id="postgres").detail
    known = {**detail["config"]["properties"], **properties}
    config = {**detail["config"], "properties": {name: spec for name, spec in known.items() if spec}}
    fivetran.next(answer("/v1/metadata/connector-types/postgres", {**detail, "config": config}))


@pytest.mark.parametrize(
    ("properties", "state", "words"),
    [
        ({"database": {"type": "string", "fieldStatus": "sunset"}}, FAILED, "new connection cannot set it"),
        ({"database": {"type": "string", "deprecated": True}}, WARNING, "Database is deprecated"),
        ({"database": {"type": "string", "fieldStatus": "private_preview"}}, WARNING, "private preview"),
        ({"database": {"type": "string", "enum": ["one"]}}, WARNING, "does not list this value"),
        ({"database": {"type": "integer"}}, FAILED, "whole number"),
        ({"database": {"type": "string", "format": "password"}}, FAILED, "Leave out database"),
        ({"database": None}, WARNING, "does not list this setting"),
    ],
)
def test_settings_against_live_metadata(
    fivetran: Fivetran, properties: dict[str, Any], state: CheckState, words: str
) -> None:
    conn_request = factories.submitted(**postgres())
    metadata(fivetran, **properties)
    found = dry_run_of(conn_request)
    told(found[Check.CONFIG], state, words, acts=Owner.REQUESTER)
    assert [check for check in states(found) if check != "sandbox"] == ["config"]
    # The form knows it from now on too.
    stored: Any = CatalogEntry.objects.get(kind="service", fivetran_id="postgres").detail
    assert stored["config"]["properties"].get("database") == properties["database"]


def test_a_setting_that_is_needed(fivetran: Fivetran) -> None:
    detail: Any = CatalogEntry.objects.get(kind="service", fivetran_id="postgres").detail
    config = {**detail["config"], "required": [*detail["config"]["required"], "database"]}
    fivetran.next(answer("/v1/metadata/connector-types/postgres", {**detail, "config": config}))
    found = dry_run_of(draft(config__database=""))[Check.CONFIG]
    told(found, FAILED, "Database: enter the database", acts=Owner.REQUESTER)


# --- networking -------------------------------------------------------------------------------------------------------
LINK = {"networking_method": "PrivateLink"}


@pytest.mark.parametrize(
    ("asked", "state", "words", "acts"),
    [
        ({}, PASSED, "Directly: no link and no agent", Owner.NOBODY),
        ({"networking_method": "ProxyAgent", "proxy_agent_id": "proxy_office"}, PASSED, "is ready", Owner.NOBODY),
        (
            {"networking_method": "ProxyAgent", "proxy_agent_id": "proxy_plant"},
            WARNING,
            "Proxy agent Plant network: it is not connected",
            Owner.OPERATOR,
        ),
        ({"networking_method": "ProxyAgent"}, FAILED, "proxy agent", Owner.REQUESTER),
        ({"hybrid_deployment_agent_id": "agent_lab"}, WARNING, "it is not online", Owner.OPERATOR),
        ({"hybrid_deployment_agent_id": "agent_depot"}, FAILED, "another destination", Owner.REQUESTER),
        ({"hybrid_deployment_agent_id": "nobody"}, FAILED, "no hybrid deployment agent nobody", Owner.REQUESTER),
        ({"hybrid_deployment_agent_id": "../groups"}, FAILED, "Nothing was asked", Owner.REQUESTER),
        ({**LINK, "private_link_id": "link_new"}, FAILED, "not ready (CREATING)", Owner.OPERATOR),
        ({**LINK, "private_link_id": "link_orders"}, WARNING, "is in AWS_EU_CENTRAL_1", Owner.REQUESTER),
    ],
)
def test_networking(fivetran: Fivetran, asked: dict[str, Any], state: CheckState, words: str, acts: Owner) -> None:
    found = dry_run_of(draft(**asked))
    told(found[Check.NETWORKING], state, words, acts=acts)
    assert set(states(found)) - {"sandbox"} <= {"networking"}


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
