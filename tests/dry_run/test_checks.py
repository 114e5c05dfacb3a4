"""Each check by itself, in each state that it can reach."""

from typing import Any

import pytest

from connections import worker
from connections.models import (
    BreakerReason,
    CatalogEntry,
    CircuitBreaker,
    ConnectionRequest,
    PortalPolicy,
    ServiceRule,
    Stance,
)
from connections.spec.dry_run import Check, CheckState
from connections.states import Owner, Status
from tests import factories
from tests.dry_run import (
    AWAY,
    FAILED,
    FORBIDDEN,
    NOT_POSSIBLE,
    PASSED,
    WARNING,
    answer,
    draft,
    dry_run_of,
    postgres,
    states,
    told,
)
from tests.sandbox_client import Fivetran

pytestmark = pytest.mark.usefixtures("group")


# --- account ----------------------------------------------------------------------------------------------------------
def test_account(fivetran: Fivetran) -> None:
    told(dry_run_of(draft())[Check.ACCOUNT], PASSED, "Sandbox Ltd (sandbox_account)")
    fivetran.next(answer("/v1/account/info", **FORBIDDEN))
    found = dry_run_of(draft(config__schema_prefix="b"))
    told(found[Check.ACCOUNT], NOT_POSSIBLE, "may not read this", acts=Owner.OPERATOR)
    told(found[Check.RIGHTS], WARNING, "may not read: the account", acts=Owner.OPERATOR)
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
        ({"role": "Account Reviewer"}, WARNING, "probably may not create connections"),
        ({"role": "Spreadsheet team"}, PASSED, "role “Spreadsheet team”"),
        ({"role": "Account Administrator", "active": False}, FAILED, "not active"),
    ],
)
def test_the_role_of_the_keys_user(fivetran: Fivetran, data: dict[str, Any], state: CheckState, words: str) -> None:
    fivetran.next(answer(USER, data))
    found = dry_run_of(draft())[Check.RIGHTS]
    told(found, state, words, acts=Owner.NOBODY if state is PASSED else Owner.OPERATOR)
    assert "x@example.com" not in str(found.as_json())


@pytest.mark.parametrize(
    ("path", "state"),
    [
        ("/v1/connections*", FAILED),
        ("/v1/metadata/*", WARNING),
        ("/v1/destinations/*", WARNING),
        ("/v1/proxy/*", WARNING),
    ],
)
def test_only_what_a_creation_reads_is_needed(fivetran: Fivetran, path: str, state: CheckState) -> None:
    conn_request = draft(networking_method="ProxyAgent", proxy_agent_id="proxy_office")
    fivetran.next(answer(path, **FORBIDDEN))
    told(dry_run_of(conn_request)[Check.RIGHTS], state, "may not read", acts=Owner.OPERATOR)


def _of_connectors(level: str, **limit: list[str]) -> list[dict[str, Any]]:
    right = {"resource_type": "CONNECTOR", "access_level": level, **({"resource_filter": limit} if limit else {})}
    return [right, {"resource_type": "USER", "access_level": "NONE"}]


@pytest.mark.parametrize(
    ("permissions", "state", "words"),
    [
        (_of_connectors("MANAGE"), PASSED, "may manage connections"),
        (_of_connectors("READ"), FAILED, "may not manage connections"),
        (_of_connectors("MANAGE", group_ids=["amber_harbor"]), PASSED, "may manage connections"),
        (_of_connectors("MANAGE", group_ids=["another"]), FAILED, "makes none in this destination"),
        (_of_connectors("MANAGE", ids=["a_connection"], group_ids=[]), FAILED, "makes none in this destination"),
        (_of_connectors("MANAGE", ids=[], group_ids=[]), PASSED, "may manage connections"),
        ([], WARNING, "names no right on connections"),
    ],
)
def test_the_permissions_of_a_system_key(
    fivetran: Fivetran, permissions: list[dict[str, Any]], state: CheckState, words: str
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


def test_metadata_that_tells_no_settings_is_no_fit(fivetran: Fivetran) -> None:
    odd: list[Any] = [{"config": []}, {}, {"config": {"properties": []}}]
    for number, data in enumerate(odd):
        fivetran.next(answer("/v1/metadata/connector-types/postgres", {"id": "postgres", **data}, times=1))
        found = dry_run_of(draft(config__schema_prefix=f"odd_{number}"))
        told(found[Check.CONFIG], NOT_POSSIBLE, "tells no settings")
        told(found[Check.SERVICE], PASSED, "offers")


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


def test_an_agent_that_is_disabled(fivetran: Fivetran) -> None:
    data = {"id": "agent_lab", "display_name": "Lab", "group_id": "amber_harbor", "online": True, "enabled": False}
    conn_request = draft(hybrid_deployment_agent_id="agent_lab")
    fivetran.next(answer("/v1/hybrid-deployment-agents/*", data))
    told(dry_run_of(conn_request)[Check.NETWORKING], WARNING, "Lab: it is disabled", acts=Owner.OPERATOR)
