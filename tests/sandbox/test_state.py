"""What the sandbox remembers: over a restart, from an earlier release, and what it begins with."""

import json
import sqlite3
from pathlib import Path

from tests.sandbox.api import Api, sandbox


def test_starting_over_brings_back_what_was_there(api: Api) -> None:
    before = api.get("/v1/groups")
    for group in before["items"]:
        api.call("DELETE", f"/v1/groups/{group['id']}")
    assert api.get("/v1/groups")["items"] == []
    api.control("DELETE", "")
    assert api.get("/v1/groups") == before


def test_an_account_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    groups = [{"id": "only_one", "name": "Only", "created_at": "2026-01-01T00:00:00Z"}]
    file.write_text(json.dumps({"groups": groups, "destinations": []}))
    with sandbox("--account", str(file)) as (api, _):
        assert api.get("/v1/groups")["items"] == groups
        assert api.get("/v1/destinations")["items"] == []
        assert api.get("/v1/private-links")["items"], "what the file leaves out is as it was"
        assert api.create("orders", group_id="only_one").status_code == 201


def test_what_was_made_outlives_a_restart_and_what_was_deleted_stays_away(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "sandbox.sqlite3"))
    with sandbox(*state) as (api, _):
        made = api.call("POST", "/v1/groups", json={"name": "kept"}).json()["data"]["id"]
        api.call("DELETE", "/v1/groups/calm_lantern")
    with sandbox(*state) as (api, _):
        ids = [group["id"] for group in api.get("/v1/groups")["items"]]
        assert made in ids and "calm_lantern" not in ids and "amber_harbor" in ids


def test_a_state_file_of_an_earlier_release_keeps_its_webhooks_and_approvals(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.sqlite3"
    hook = {"id": "old_hook", "type": "account", "active": False, "url": "https://example.com/", "events": []}
    connection = {"id": "old_one", "group_id": "amber_harbor", "service": "stripe", "schema": "orders"}
    status = {"setup_state": "connected", "sync_state": "scheduled", "warnings": [], "tasks": []}
    approval = {"id": "aGFzaA", "hash": "hash"}
    with sqlite3.connect(file) as db:
        db.executescript(
            "CREATE TABLE webhooks (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, doc TEXT);"
            "CREATE TABLE approvals (connection_id TEXT, kind TEXT, id TEXT, doc TEXT);"
            "CREATE TABLE connections (seq INTEGER PRIMARY KEY, id TEXT, group_id TEXT, name TEXT, doc TEXT);"
        )
        db.execute("INSERT INTO webhooks (id, doc) VALUES ('old_hook', ?)", [json.dumps(hook)])
        db.execute("INSERT INTO approvals VALUES ('old_one', 'certificate', 'aGFzaA', ?)", [json.dumps(approval)])
        doc = json.dumps(connection | {"status": status, "config": {}})
        db.execute("INSERT INTO connections VALUES (1, 'old_one', 'amber_harbor', 'orders', ?)", [doc])
    for _ in range(2):
        with sandbox("--state", str(file)) as (api, _process):
            assert [one["id"] for one in api.get("/v1/webhooks")["items"]] == ["old_hook"]
            assert api.get("/v1/connections/old_one/certificates")["items"] == [approval]
            assert api.get("/v1/groups")["items"], "what it begins with comes too"
