"""Creating, changing, testing and removing connections as Fivetran does it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.api import Api, sandbox

REFUSED: list[tuple[dict[str, Any], int, str, str]] = [
    ({"service": None}, 400, "InvalidInput", "Field 'service' is required"),
    ({"group_id": ""}, 400, "InvalidInput", "Field 'group_id' is required"),
    ({"service": "no_such"}, 400, "InvalidInput", "Unsupported connector service 'no_such'"),
    ({"group_id": "no_such"}, 404, "NotFound_Group", "no_such"),
    ({"config": {"schema": ""}}, 400, "InvalidInput", "Field 'schema' is required"),
    ({"config": {"table": None}}, 400, "InvalidInput", "Field 'table' is required"),
    ({"config": {"auth_type": "serviceaccount"}}, 400, "InvalidInput", "Invalid 'config' object"),
    ({"sync_frequency": 7}, 400, "InvalidInput", "sync_frequency"),
    ({"sync_frequency": "often"}, 400, "InvalidInput", "sync_frequency"),
    ({"paused": "maybe"}, 400, "InvalidInput", "paused"),
    ({"schedule_type": "cron"}, 400, "InvalidInput", "schedule_type"),
    ({"data_delay_sensitivity": ["LOW"]}, 400, "InvalidInput", "data_delay_sensitivity"),
    ({"daily_sync_time": "14:00"}, 400, "InvalidInput", "1440"),
    ({"daily_sync_time": "14:30", "sync_frequency": 1440}, 400, "InvalidInput", "HH:00"),
    ({"data_delay_threshold": 30}, 400, "InvalidInput", "CUSTOM"),
    ({"data_delay_threshold": -1, "data_delay_sensitivity": "CUSTOM"}, 400, "InvalidInput", "negative"),
    ({"private_link_id": "link_orders"}, 400, "InvalidInput", "Networking method must be PrivateLink"),
    ({"networking_method": "PrivateLink"}, 400, "InvalidInput", "private_link_id"),
    ({"networking_method": "PrivateLink", "private_link_id": "no"}, 404, "NotFound_PrivateLink", "no"),
    ({"networking_method": "PrivateLink", "private_link_id": "link_new"}, 400, "IllegalState", "CREATING"),
    ({"networking_method": "ProxyAgent"}, 400, "InvalidInput", "proxy_agent_id"),
    ({"hybrid_deployment_agent_id": "no"}, 404, "NotFound_RemoteExecutionAgent", "no"),
    ({"connect_card_config": {"redirect_uri": "https://x.test"}}, 400, "InvalidInput", "run_setup_tests"),
    ({"connect_card_config": {}, "run_setup_tests": False}, 400, "InvalidInput", "redirect_uri"),
    (
        {"connect_card_config": {"redirect_uri": "javascript:alert(1)"}, "run_setup_tests": False},
        400,
        "InvalidInput",
        "https or http",
    ),
]


@pytest.mark.parametrize(("fields", "status", "code", "words"), REFUSED)
def test_what_fivetran_refuses(api: Api, fields: dict[str, Any], status: int, code: str, words: str) -> None:
    answer = api.create("orders", **fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert words in answer.json()["message"]
    assert "data" not in answer.json()
    assert api.control("GET", "connections") == []


@pytest.mark.parametrize("raw", ["", "{", "[]", "null", '"text"', "[" * 100_000])
def test_a_body_that_is_no_object(api: Api, raw: str) -> None:
    answer = api.call("POST", "/v1/connections", data=raw, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidInput")


def test_a_plain_google_sheets_request_ends_connected(api: Api) -> None:
    answer = api.create("orders")
    assert answer.status_code == 201
    data = answer.json()["data"]
    assert (data["schema"], data["service"], data["group_id"]) == ("orders.cells", "google_sheets", "amber_harbor")
    assert data["status"]["setup_state"] == "connected"
    assert len(data["setup_tests"]) >= 2
    assert {test["status"] for test in data["setup_tests"]} == {"PASSED"}
    assert api.get(f"/v1/connections/{data['id']}") == data


def test_postgres_without_a_host_is_created_and_incomplete(api: Api) -> None:
    data = api.create("orders", "postgres").json()["data"]
    assert data["status"]["setup_state"] == "incomplete"
    results = {test["title"]: test["status"] for test in data["setup_tests"]}
    assert results["Connecting to database"] == "FAILED"
    assert "SKIPPED" in results.values()


def test_tests_can_be_left_for_later(api: Api) -> None:
    data = api.create("orders", run_setup_tests=False).json()["data"]
    assert "setup_tests" not in data
    assert data["status"]["setup_state"] == "incomplete"
    tested = api.call("POST", f"/v1/connections/{data['id']}/test", json={}).json()
    assert tested["message"] == "Setup tests have been completed"
    assert tested["data"]["status"]["setup_state"] == "connected"
    headers = {"Content-Type": "application/json"}
    assert api.call("POST", f"/v1/connections/{data['id']}/test", headers=headers).status_code == 400
    assert api.call("POST", "/v1/connections/no_such/test", json={}).json()["code"] == "NotFound_Connection"


def test_strings_are_coerced_and_nulls_ignored_as_live(api: Api) -> None:
    fields: dict[str, Any] = {
        "paused": "true",
        "sync_frequency": "1440",
        "daily_sync_time": "03:00",
        "proxy_agent_id": None,
    }
    data = api.create("orders", **fields).json()["data"]
    assert (data["paused"], data["sync_frequency"], data["daily_sync_time"]) == (True, 1440, "03:00")
    assert data["status"]["sync_state"] == "paused"


def test_unknown_config_keys_are_ignored_and_defaults_appear(api: Api) -> None:
    data = api.create("orders", config={"no_such": 1}).json()["data"]
    assert data["config"] == {"schema": "orders", "table": "cells", "auth_type": "ServiceAccount"}


def test_no_secret_comes_back_or_is_kept(api: Api) -> None:
    config = {"host": "db.example.com", "user": "fivetran", "password": "canary-1"}
    data = api.create("orders", "postgres", config=config, auth={"refresh_token": "canary-2"}).json()["data"]
    assert data["config"]["password"] == "******"
    assert data["status"]["setup_state"] == "connected"
    everything = str([data, api.journal(), api.control("GET", "connections")])
    assert "canary" not in everything


def test_one_connection_per_name_and_group(api: Api) -> None:
    assert api.create("orders").status_code == 201
    again = api.create("orders")
    assert (again.status_code, again.json()["code"]) == (400, "SchemaExists")
    assert "already exists" in again.json()["message"]
    assert api.create("orders", config={"table": "others"}).status_code == 201
    assert api.create("orders", group_id="faded_willow").status_code == 201
    api.settings(duplicate_status=409)
    assert api.create("orders").status_code == 409


def test_names_may_be_taken_twice_when_told_so() -> None:
    with sandbox("--duplicate-names") as (api, _):
        assert [api.create("orders").status_code for _ in range(2)] == [201, 201]
        assert len(api.get("/v1/connections", group_id="amber_harbor", schema="orders.cells")["items"]) == 2


@pytest.mark.parametrize(("typed", "named"), [("Apple-Sales", "apple_sales"), ("9lives", "_9lives"), ("ok_1", "ok_1")])
def test_names_are_brought_into_fivetrans_form(api: Api, typed: str, named: str) -> None:
    assert api.create(typed, "stripe").json()["data"]["schema"] == named
    kept = api.create(typed, "stripe", destination_schema_names="SOURCE_NAMING", group_id="calm_lantern")
    assert kept.json()["data"]["schema"] == typed


def test_the_default_that_differs_between_definitions_is_a_setting(api: Api) -> None:
    for default in ("NORMAL", "LOW"):
        assert api.call("POST", "/_sandbox/settings", json={"data_delay_sensitivity": default}).status_code == 200
        assert api.create(f"by_{default.lower()}").json()["data"]["data_delay_sensitivity"] == default
    body = {"data_delay_sensitivity": "NORMAL"}
    assert api.create("asked_for", **body).json()["data"]["data_delay_sensitivity"] == "NORMAL"


def test_changing(api: Api) -> None:
    path = f"/v1/connections/{api.create('orders').json()['data']['id']}"
    changed = api.call("PATCH", path, json={"paused": True, "run_setup_tests": False}).json()["data"]
    assert (changed["paused"], changed["status"]["sync_state"]) == (True, "paused")
    for refused in ({"run_setup_tests": False}, {}, {"config": {"schema": "other"}}, {"sync_frequency": 2}):
        assert api.call("PATCH", path, json=refused).status_code == 400
    assert api.call("POST", f"{path}/sync", json={"force": True}).status_code == 200


def test_the_history_of_syncs(api: Api) -> None:
    path = f"/v1/connections/{api.create('orders', sync_frequency=15).json()['data']['id']}"
    assert api.get(f"{path}/sync-history") == {"items": []}
    api.settings(behind_seconds=86_400)
    api.call("POST", f"{path}/sync", json={})  # the first, a day ago
    api.settings(behind_seconds=0)
    api.call("POST", f"{path}/sync", json={})
    week = {"start_time": "2020-01-01T00:00:00Z", "end_time": "2020-01-08T00:00:00Z"}
    assert api.get(f"{path}/sync-history", **week) == {"items": []}
    assert len(api.get(f"{path}/sync-history")["items"]) in (4, 5)  # without times, of the last hour
    start = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    span = {"start_time": start, "end_time": datetime.now(UTC).isoformat()}
    page = api.get(f"{path}/sync-history", limit=30, **span)
    whole = page["items"] + api.get(f"{path}/sync-history", cursor=page["next_cursor"], **span)["items"]
    assert len(page["items"]) == 30 and len(whole) == len({one["sync_id"] for one in whole}) == 40
    assert all(one["start"] < one["end"] for one in whole)
    assert [one["end"] for one in whole] == sorted((one["end"] for one in whole), reverse=True)
    assert {one["status"] for one in whole} <= {"COMPLETED", "FAILURE"} and whole[0]["status"] == "COMPLETED"
    assert whole[0]["end"] == datetime.fromisoformat(api.get(path)["succeeded_at"]).isoformat()
    for wrong in (
        {"start_time": "soon"},
        {"start_time": "2026-01-01T00:00:00"},
        {"start_time": week["start_time"], "end_time": "2020-01-08T00:00:01Z"},
        {"start_time": week["end_time"], "end_time": week["start_time"]},
    ):
        assert api.call("GET", f"{path}/sync-history", params=wrong).status_code == 400, wrong
    assert api.call("GET", "/v1/connections/no_such/sync-history").json()["code"] == "NotFound_Connection"


def test_deleting(api: Api) -> None:
    path = f"/v1/connections/{api.create('orders').json()['data']['id']}"
    assert api.call("DELETE", path).json()["code"] == "Success"
    for method in ("GET", "DELETE"):
        assert api.call(method, path).json()["code"] == "NotFound_Connection"
    assert api.create("orders").status_code == 201


def test_a_field_in_its_sunset_cannot_be_set(api: Api) -> None:
    body = {"group_id": "amber_harbor", "service": "s3"}
    config = {"schema": "files", "table_group_name": "daily", "is_public": True}
    answer = api.call("POST", "/v1/connections", json=body | {"config": config})
    assert answer.status_code == 400
    assert "sunset period" in answer.json()["message"]
