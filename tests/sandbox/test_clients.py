"""What clients of Fivetran's API send and read that the portal does not: each is the smallest case of one of theirs."""

from typing import Any

import pytest
import requests

from tests.sandbox.api import Api

DAILY = {"sync_frequency": 1440, "daily_sync_time": "03:00"}
CUSTOM = {"data_delay_sensitivity": "CUSTOM", "data_delay_threshold": 30}
PROXY = {"networking_method": "ProxyAgent", "proxy_agent_id": "proxy_office"}
LINK = {"networking_method": "PrivateLink", "private_link_id": "link_orders"}


def made(api: Api, service: str = "google_sheets", **fields: Any) -> str:
    """The address of a new connection."""
    return f"/v1/connections/{api.create('orders', service, **fields).json()['data']['id']}"


def changed(api: Api, path: str, **fields: Any) -> dict[str, Any]:
    """The connection after a PATCH that succeeds."""
    answer = api.call("PATCH", path, json={"run_setup_tests": False, **fields})
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    assert api.get(path) == data
    return data


# --- changes ---------------------------------------------------------------------------------------------------------
LEAVING: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (DAILY, {"sync_frequency": 60}, {"sync_frequency": 60, "daily_sync_time": None}),
    (DAILY, {"sync_frequency": 60, "daily_sync_time": None}, {"sync_frequency": 60, "daily_sync_time": None}),
    (DAILY, {"daily_sync_time": None}, {"sync_frequency": 1440, "daily_sync_time": None}),
    (DAILY, {"paused": True}, {"paused": True, **DAILY}),
    (DAILY, {"sync_frequency": None}, {"sync_frequency": 360, "daily_sync_time": None}),
    (CUSTOM, {"data_delay_sensitivity": "NORMAL"}, {"data_delay_sensitivity": "NORMAL", "data_delay_threshold": 0}),
    (CUSTOM, {"data_delay_threshold": None}, {"data_delay_sensitivity": "CUSTOM", "data_delay_threshold": 0}),
    (CUSTOM, {"data_delay_sensitivity": None}, {"data_delay_sensitivity": "NORMAL", "data_delay_threshold": 0}),
    (PROXY, {"networking_method": "Directly"}, {"networking_method": "Directly", "proxy_agent_id": None}),
    (
        PROXY,
        {"networking_method": "Directly", "proxy_agent_id": None},
        {"networking_method": "Directly", "proxy_agent_id": None},
    ),
    (PROXY, LINK, {**LINK, "proxy_agent_id": None}),
    (PROXY, {"paused": True}, {"paused": True, **PROXY}),
    (LINK, {"networking_method": None}, {"networking_method": "Directly", "private_link_id": None}),
]


@pytest.mark.parametrize(("stored", "sent", "then"), LEAVING)
def test_what_is_stored_gives_way_to_what_is_sent(
    api: Api, stored: dict[str, Any], sent: dict[str, Any], then: dict[str, Any]
) -> None:
    data = changed(api, made(api, **stored), **sent)
    assert {name: data.get(name) for name in then} == then


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (DAILY, {"sync_frequency": 60, "daily_sync_time": "04:00"}, "1440"),
    ({}, {"daily_sync_time": "04:00"}, "1440"),
    ({}, {"data_delay_threshold": 30}, "CUSTOM"),
    (CUSTOM, {"data_delay_sensitivity": "LOW", "data_delay_threshold": 30}, "CUSTOM"),
    ({}, {"proxy_agent_id": "proxy_office"}, "ProxyAgent"),
    ({}, {"networking_method": "ProxyAgent"}, "proxy_agent_id"),
    (PROXY, {"proxy_agent_id": None}, "proxy_agent_id"),
    (PROXY, {"proxy_agent_id": "no_such"}, "no_such"),
    ({}, {"destination_schema_names": "SOURCE_NAMING"}, "destination_schema_names"),
]


@pytest.mark.parametrize(("stored", "sent", "words"), REFUSED)
def test_what_is_sent_is_judged(api: Api, stored: dict[str, Any], sent: dict[str, Any], words: str) -> None:
    path = made(api, **stored)
    before = api.get(path)
    answer = api.call("PATCH", path, json=sent)
    assert answer.status_code in (400, 404) and words in answer.json()["message"]
    assert api.get(path) == before


def test_a_link_that_is_gone_stops_no_other_change(api: Api) -> None:
    path = made(api, **LINK)
    assert api.call("DELETE", "/v1/private-links/link_orders").status_code == 200
    assert changed(api, path, paused=True)["private_link_id"] == "link_orders"


def test_a_null_takes_back_a_key_of_the_config_and_no_name(api: Api) -> None:
    path = made(api, config={"named_range": "A1", "sheet_id": "one"})
    data = changed(api, path, config={"named_range": None, "schema": None})
    assert data["config"] == {"schema": "orders", "table": "cells", "auth_type": "ServiceAccount", "sheet_id": "one"}


def test_a_historical_sync_is_asked_for_by_a_change(api: Api) -> None:
    path = made(api)
    api.call("POST", f"{path}/sync", json={})
    assert api.get(path)["status"]["is_historical_sync"] is False
    data = changed(api, path, is_historical_sync=True)
    assert data["status"]["is_historical_sync"] is True and "is_historical_sync" not in data


def test_credentials_of_a_change_are_not_shown(api: Api) -> None:
    path = made(api, "postgres")
    secrets = {"auth": {"refresh_token": "canary"}, "external_secrets_keys_config": {"password": "canary"}}
    assert "canary" not in str(changed(api, path, **secrets))


# --- answers ---------------------------------------------------------------------------------------------------------
def test_the_ends_of_syncs_are_null_until_there_are_some(api: Api) -> None:
    path = made(api)
    for data in (api.get(path), api.get("/v1/connections")["items"][0]):
        assert (data["succeeded_at"], data["failed_at"]) == (None, None)
    api.call("POST", f"{path}/sync", json={})
    assert api.get(path)["succeeded_at"] is not None


def test_items_of_lists_have_what_the_connection_alone_has(api: Api) -> None:
    path = made(api, connect_card_config={"redirect_uri": "https://example.com/"}, run_setup_tests=False)
    api.call("POST", f"{path}/test", json={})
    for address in ("/v1/connections", "/v1/groups/amber_harbor/connections"):
        [item] = api.get(address)["items"]
        assert item == api.get(path)
        assert {"config", "setup_tests", "connect_card_config"} <= set(item)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/groups", "Groups retrieved successfully"),
        ("/v1/destinations", "Destinations list retrieved successfully"),
        ("/v1/connections", "Connections list retrieved successfully"),
        ("/v1/webhooks", "Operation performed."),
    ],
)
def test_lists_carry_a_message(api: Api, path: str, message: str) -> None:
    assert api.call("GET", path).json()["message"] == message


def test_services_have_icons(api: Api) -> None:
    for item in api.get("/v1/metadata/connector-types", limit=1000)["items"]:
        assert len(item["icons"]) == 2


@pytest.mark.parametrize("owner", ["connections", "destinations"])
@pytest.mark.parametrize(("kinds", "proof"), [("certificates", "encoded_cert"), ("fingerprints", "public_key")])
def test_approving_names_who_did(api: Api, owner: str, kinds: str, proof: str) -> None:
    path = f"{made(api) if owner == 'connections' else '/v1/destinations/amber_harbor'}/{kinds}"
    answer = api.call("POST", path, json={"hash": "test_hash", proof: "dGVzdA=="})
    assert (answer.status_code, answer.json()["data"]["validated_by"]) == (201, "Paula Heron")
    assert api.get(path)["items"] == [answer.json()["data"]]
    one = f"{path}/{answer.json()['data']['id']}"
    assert api.call("DELETE", one).status_code == 200
    assert api.call("GET", one).status_code == 404
    nobody = api.call("GET", f"/v1/{owner}/no_such/{kinds}")
    assert nobody.json()["code"] == f"NotFound_{owner[:-1].capitalize()}"


# --- addresses and bodies --------------------------------------------------------------------------------------------
def test_a_slash_at_the_end_is_taken(api: Api) -> None:
    path = made(api)
    assert api.get("/v1/groups/") == api.get("/v1/groups")
    assert api.get(f"{path}/") == api.get(path)
    assert api.create("slash", path="/v1/connections/").status_code == 201


def test_a_call_without_a_body_needs_no_media_type(api: Api) -> None:
    path = made(api)
    for name in ("sync", "force", "resync"):
        assert api.call("POST", path + "/" + name).status_code == 200, name
    assert api.call("POST", f"{path}/test").status_code == 400
    assert api.call("POST", "/v1/connections", data="group_id=x").status_code == 415


def test_a_connection_that_is_not_set_up_is_told_to_sync_and_does_not(api: Api) -> None:
    path = made(api, "postgres")
    for name in ("sync", "force"):
        answer = api.call("POST", f"{path}/{name}", json={"force": True})
        assert answer.status_code == 200 and path.rpartition("/")[2] in answer.json()["message"]
    assert api.get(path)["succeeded_at"] is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 200),
        ({"scope": {"sheet": ["cells"]}}, 200),
        ({"scope": {}}, 400),
        ({"scope": {"sheet": []}}, 400),
        ({"scope": "all"}, 400),
    ],
)
def test_the_scope_of_a_resync(api: Api, body: dict[str, Any], status: int) -> None:
    assert api.call("POST", f"{made(api)}/resync", json=body).status_code == status


def test_what_code_of_a_connector_keeps(api: Api) -> None:
    path = f"{made(api)}/state"
    assert api.get(path) == {"state": {}}
    assert api.call("PATCH", path, json={"state": {"cursor": 7}}).status_code == 200
    assert api.get(path) == {"state": {"cursor": 7}}
    assert api.call("PATCH", path, json={"state": 7}).status_code == 400


def test_moving_to_another_destination(api: Api) -> None:
    path = made(api)
    for body, status in (
        ({}, 400),
        ({"destination_group_id": "no_such"}, 404),
        ({"destination_group_id": "amber_harbor"}, 400),
    ):
        assert api.call("POST", f"{path}/move", json=body).status_code == status
    moved = api.call("POST", f"{path}/move", json={"destination_group_id": "calm_lantern"}).json()["data"]
    assert api.get(f"{path}/move/{moved['job_id']}") == moved
    assert api.get(path)["group_id"] == "calm_lantern"
    assert api.get("/v1/groups/amber_harbor/connections")["items"] == []
    assert len(api.get("/v1/groups/calm_lantern/connections", schema="orders.cells")["items"]) == 1
    back = made(api)
    taken = api.call("POST", f"{back}/move", json={"destination_group_id": "calm_lantern"})
    assert taken.json()["code"] == "SchemaExists"


def test_warnings_are_dismissed_one_by_one(api: Api) -> None:
    warnings = [{"code": code, "message": code, "details": ""} for code in ("one", "two")]
    status = {"setup_state": "connected", "sync_state": "scheduled", "warnings": warnings}
    body = {"group_id": "amber_harbor", "service": "stripe", "schema": "orders", "status": status}
    path = f"/v1/connections/{api.control('POST', 'connections', body)['id']}/warnings"
    assert [item["code"] for item in api.get(path)["items"]] == ["one", "two"]
    assert api.call("DELETE", f"{path}/one").status_code == 200
    assert [item["code"] for item in api.get(path)["items"]] == ["two"]


def test_without_the_key_no_new_address_is_told(api: Api) -> None:
    for path in ("/v1/users", "/v1/teams/", "/v1/no_such/"):
        assert requests.get(api.root + path, timeout=20).status_code == 401


def test_where_the_data_of_tables_went(api: Api) -> None:
    path = made(api)
    connection = path.rpartition("/")[2]
    assert api.get(f"/v1/metadata/connectors/{connection}/tables")["items"] == []
    api.call("POST", f"{path}/sync", json={})
    tables = api.get(f"/v1/metadata/connections/{connection}/tables")["items"]
    assert [item["id"] for item in tables] == ["orders.customers", "orders.orders"]


# --- what must not happen --------------------------------------------------------------------------------------------


def test_a_null_takes_an_object_back(api: Api) -> None:
    path = made(api, destination_configuration={"virtual_warehouse": "LOADING"})
    assert "destination_configuration" not in changed(api, path, destination_configuration=None)


def test_a_wrong_password_stays_wrong_until_another_is_sent(api: Api) -> None:
    config = {"schema_prefix": "orders", "host": "db.example.com", "port": 5432, "database": "d", "user": "u"}
    body = {"service": "postgres", "group_id": "amber_harbor", "config": {**config, "password": "wrong"}}
    path = f"/v1/connections/{api.call('POST', '/v1/connections', json=body).json()['data']['id']}"
    setup_states = []
    for fields in ({"paused": True}, {"config": {"port": 5433}}, {"config": {"password": "right"}}):
        answer = api.call("PATCH", path, json=fields)
        setup_states.append(answer.json()["data"]["status"]["setup_state"])
    assert setup_states == ["incomplete", "incomplete", "connected"]


def test_a_table_that_a_patch_names_has_no_columns_yet(api: Api) -> None:
    path = f"{made(api)}/schemas"
    added = {"schemas": {"a": {"tables": {"new": {"enabled": True}}}}}
    assert api.call("PATCH", path, json=added).status_code == 200
    assert api.get(f"{path}/a/tables/new/columns") == {"columns": {}}


def test_a_hash_that_is_no_text_of_its_own_is_answered(api: Api) -> None:
    path = f"{made(api)}/fingerprints"
    raw = b'{"hash": "\\ud800", "public_key": "ssh-rsa AAAA"}'
    answer = api.call("POST", path, data=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201


def test_a_large_package_is_taken_and_a_large_body_is_not(api: Api) -> None:
    large = b"x" * (2 * 1024 * 1024)
    assert api.call("POST", "/v1/connections", data=large).status_code == 413
    uploaded = api.call("POST", "/v1/connector-sdk/packages", files={"file": ("code.zip", large)})
    assert uploaded.status_code == 201, uploaded.text
