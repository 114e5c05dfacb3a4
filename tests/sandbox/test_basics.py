"""Auth, envelope, headers, media types, routes, paging and the lists of the account."""

import ast
import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from connections import sandbox as package
from connections.sandbox import catalog
from connections.sandbox.cli import OTHERS
from tests import processes
from tests.sandbox.api import Api, sandbox


def test_every_answer_carries_the_envelope_and_the_headers(api: Api) -> None:
    for path, status, code in (("/v1/groups", 200, "Success"), ("/v1/nowhere", 404, "NotFound")):
        answer = api.call("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["X-Request-Id"]
        assert int(answer.headers["X-Rate-Limit-Remaining"]) <= int(answer.headers["X-Rate-Limit"])


@pytest.mark.parametrize("auth", [None, ("sandbox-key", "wrong"), ("", "")])
def test_without_the_key_nothing_is_told(api: Api, auth: tuple[str, str] | None) -> None:
    for path in ("/v1/groups", "/v1/nowhere"):
        answer = api.call("GET", path, auth=auth)
        assert (answer.status_code, answer.json()["code"]) == (401, "AuthFailed")
        assert "data" not in answer.json()
        assert answer.headers["X-Rate-Limit"]


def test_the_key_can_be_rotated(api: Api) -> None:
    api.settings(secret="rotated")
    assert api.call("GET", "/v1/groups").status_code == 401
    assert api.call("GET", "/v1/groups", auth=("sandbox-key", "rotated")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/groups", {"Accept": "text/html"}, 406),
        ("GET", "/v1/groups", {"Accept": "application/json;version=2"}, 200),
        ("POST", "/v1/connections", {"Content-Type": "text/plain"}, 415),
        ("DELETE", "/v1/groups", {}, 405),
        ("PUT", "/v1/connections", {"Content-Type": "application/json"}, 405),
    ],
)
def test_media_types_and_methods(api: Api, method: str, path: str, headers: dict[str, str], status: int) -> None:
    answer = api.call(method, path, headers=headers, data="{}" if method in ("POST", "PUT") else None)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"


def test_pages_hold_everything_once(api: Api) -> None:
    seen, cursor = [], None
    while True:
        data = api.get("/v1/groups", limit=3, **({"cursor": cursor} if cursor else {}))
        assert len(data["items"]) <= 3
        seen += [group["id"] for group in data["items"]]
        if not (cursor := data.get("next_cursor")):
            break
    assert seen == [group["id"] for group in api.get("/v1/groups")["items"]]
    assert len(seen) == len(set(seen)) >= 5


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=ten", "cursor=x", "cursor=bnVsbA", "cursor=W10"])
def test_a_page_that_cannot_be_is_refused(api: Api, query: str) -> None:
    answer = api.call("GET", f"/v1/groups?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidInput")


def test_connections_are_paged_and_selected_by_the_database(api: Api) -> None:
    for number in range(5):
        assert api.create(f"orders_{number}", run_setup_tests=False).status_code == 201
    first = api.get("/v1/connections", limit=2)
    rest = api.get("/v1/connections", limit=3, cursor=first["next_cursor"])
    names = [item["schema"] for item in first["items"] + rest["items"]]
    assert names == [f"orders_{number}.cells" for number in range(5)]
    assert "next_cursor" not in rest
    assert [item["schema"] for item in api.get("/v1/connections", schema="orders_3.cells")["items"]] == names[3:4]
    assert api.get("/v1/connections", schema="orders")["items"] == []
    assert api.get("/v1/connections", group_id="calm_lantern")["items"] == []
    assert len(api.get("/v1/groups/amber_harbor/connections", schema="orders_1.cells")["items"]) == 1


def test_the_account_has_what_a_form_must_cope_with(api: Api) -> None:
    destinations = {item["id"]: item for item in api.get("/v1/destinations")["items"]}
    assert len(destinations) >= 5
    assert {item["setup_status"] for item in destinations.values()} == {"CONNECTED", "BROKEN", "INCOMPLETE"}
    assert {group["id"] for group in api.get("/v1/groups")["items"]} - set(destinations)
    assert {"OK", "CREATING"} <= {item["state"] for item in api.get("/v1/private-links")["items"]}
    assert {"CONNECTED", "NOT_CONNECTED"} == {item["status"] for item in api.get("/v1/proxy")["items"]}
    assert len(api.get("/v1/hybrid-deployment-agents")["items"]) == 2
    assert len(api.get("/v1/hybrid-deployment-agents", groupId="amber_harbor")["items"]) == 1
    assert api.get("/v1/groups/amber_harbor/public-key")["public_key"].startswith("ssh-rsa ")
    assert "@" in api.get("/v1/groups/amber_harbor/service-account")["service_account"]
    assert api.call("GET", "/v1/groups/nobody").json()["code"] == "NotFound_Group"


def test_at_least_25_services_in_all_four_naming_shapes(api: Api) -> None:
    listed = api.get("/v1/metadata/connector-types", limit=1000)["items"]
    assert len(listed) >= 25
    assert {"general_availability", "beta", "private_preview", "sunset"} == {item["service_status"] for item in listed}
    shapes = set()
    for item in listed:
        config = api.get(f"/v1/metadata/connector-types/{item['id']}")["config"]
        assert set(config["required"]) <= set(config["properties"])
        assert all(isinstance(spec["readonly"], bool) for spec in config["properties"].values())
        shapes.add(tuple(config["required"]))
    assert shapes == {("schema",), ("schema", "table"), ("schema_prefix",), ("schema", "table_group_name")}
    public = requests.get(f"{api.root}/public/connector-types", timeout=20).json()["data"]
    assert public == listed


def test_webhooks_come_and_go(api: Api) -> None:
    body = {"url": "https://example.com/hook", "events": ["sync_end"], "active": False, "secret": "canary"}
    made = api.call("POST", "/v1/webhooks/group/amber_harbor", json=body)
    assert made.status_code == 200 and "canary" not in made.text
    hook = f"/v1/webhooks/{made.json()['data']['id']}"
    assert api.call("PATCH", hook, json={"active": True}).json()["data"]["active"] is True
    assert api.call("POST", f"{hook}/test", json={"event": "sync_end"}).json()["data"]["succeed"] is True
    assert len(api.get("/v1/webhooks")["items"]) == 1
    assert api.call("DELETE", hook).status_code == 200
    assert api.call("GET", hook).json()["code"] == "NotFound_Webhook"


def test_the_old_spelling_of_the_paths_answers_too(api: Api) -> None:
    assert api.create("old").status_code == 201
    body = {"group_id": "amber_harbor", "service": "stripe", "config": {"schema": "older"}}
    assert api.call("POST", "/v1/connectors", json=body).status_code == 201
    assert len(api.get("/v1/groups/amber_harbor/connectors")["items"]) == 2


def test_it_imports_nothing_of_the_portal_and_only_the_standard_library() -> None:
    for file in Path(package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.level == 1, file
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] in sys.stdlib_module_names, (file, node.module)
            elif isinstance(node, ast.Import):
                assert all(name.name.split(".")[0] in sys.stdlib_module_names for name in node.names), file


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.sqlite3"
    with sandbox("--state", str(file)) as (api, process):
        made = api.create("kept").json()["data"]
        process.kill()
        process.wait()
    with sandbox("--state", str(file)) as (api, _):
        assert api.get(f"/v1/connections/{made['id']}") == made
        assert api.create("kept").json()["code"] == "SchemaExists"


def test_a_port_in_use_is_said_and_ends_it(api: Api) -> None:
    port = api.root.rpartition(":")[2]
    command = [sys.executable, "-m", "connections.sandbox", "--port", port]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=processes.ROOT, check=False)
    assert second.returncode == 2
    assert port in second.stderr
    assert second.stdout == ""


def test_it_ends_with_status_0_when_told_to() -> None:
    with sandbox() as (_, process):
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_manage_py_starts_the_same() -> None:
    command = [sys.executable, "manage.py", "fivetran_sandbox", "--port", "0", "--sandbox-settings", '{"key": "k"}']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=processes.ROOT) as process:
        assert process.stdout
        root = process.stdout.readline().split()[-1]
        assert requests.get(f"{root}/v1/groups", auth=("k", "sandbox-secret"), timeout=20).status_code == 200
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_manage_py_starts_it_where_nothing_is_configured() -> None:
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"SANDBOX_PORT": "0"}
    command = [sys.executable, "manage.py", "fivetran_sandbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=processes.ROOT, env=bare) as process:
        assert process.stdout
        root = process.stdout.readline().split()[-1]
        assert root.startswith("http://127.0.0.1:") and not root.endswith(":8100")
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_beside_the_services_with_settings_the_demo_lists_others_by_category() -> None:
    own, known = catalog.load(), catalog.load(OTHERS)
    assert len(known.services) > 3 * len(own.services)
    for service in known:
        written = own.get(service.id)
        if written is None:
            assert service.about["name"] != service.id and service.about["type"] != "API", service.id
            assert set(service.naming) <= set(service.config), service.id
        else:
            assert service == written, f"{service.id} has settings of its own"


def test_a_catalog_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "services.json"
    one = {"schema_format": "schema_prefix", "config": {"token": {"type": "string", "secret": True}}, "auth": None}
    file.write_text(json.dumps({"services": {"new_thing": one}}))
    with sandbox("--catalog", str(file)) as (api, _):
        properties = api.get("/v1/metadata/connector-types/new_thing")["config"]["properties"]
        assert properties["token"]["format"] == "password"
        assert api.get("/v1/metadata/connector-types/google_sheets")["name"] == "Google Sheets"


@pytest.mark.parametrize(
    "raw", [b"GARBAGE\r\n\r\n", b"POST /v1/connections HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01"]
)
def test_nonsense_on_the_wire_does_not_end_it(api: Api, raw: bytes) -> None:
    import socket

    host, port = api.root.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(raw)
        client.shutdown(socket.SHUT_WR)
        client.recv(1000)
    assert api.get("/v1/account/info")["account_id"]


def test_a_basic_header_that_is_not_base64(api: Api) -> None:
    good = base64.b64encode(b"sandbox-key:sandbox-secret").decode()
    for value, status in ((f"Basic {good}", 200), ("Basic ???", 401), (f"Bearer {good}", 401)):
        answer = requests.get(f"{api.root}/v1/groups", headers={"Authorization": value}, timeout=20)
        assert answer.status_code == status
