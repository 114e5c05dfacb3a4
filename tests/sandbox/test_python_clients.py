"""Python programs that people run against Fivetran, unchanged against the sandbox: Fivetran's command line, the deploy
of its connector SDK, and the MCP server that others publish. Only the address differs; their environment tells it.
"""

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients import program
from tests.sandbox.api import KEY, Api
from tests.sandbox.fivetran_address import Address, fivetran_address

TOKEN = base64.b64encode(":".join(KEY).encode()).decode()
GROUP = "amber_harbor"


@dataclass(frozen=True)
class Outside:
    """A place in which such programs run: a home of its own, and one name that leads somewhere."""

    home: Path
    address: Address

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{program('python').parent}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.home), "DO_NOT_TRACK": "1", **self.address.environment, **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Fivetran's command line."""
        environment = self.environment(FIVETRAN_API_KEY=TOKEN, **more)
        return subprocess.run(
            [str(program("fivetran")), *arguments],
            cwd=self.home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def told(self, *arguments: str) -> Any:
        """What a command of its beta prints as JSON; fails where it fails."""
        done = self.run("beta", *arguments, "--output", "json")
        assert done.returncode == 0, f"{arguments}: {done.stdout} {done.stderr}"
        return json.loads(done.stdout)


@pytest.fixture
def outside(api: Api, tmp_path: Path) -> Iterator[Outside]:
    """Such a place before the sandbox."""
    with fivetran_address(api.root, tmp_path) as address:
        yield Outside(tmp_path, address)


# --- fivetran-cli ----------------------------------------------------------------------------------------------------
ONE = ("--connection-id", "{id}")
OF_A_CONNECTION: list[tuple[tuple[str, ...], str, str]] = [
    (("connection", "get", *ONE), "GET", ""),
    (("connection", "update", *ONE, "--config", '{"paused": true}'), "PATCH", ""),
    (("connection", "test", *ONE, "--config", "{}"), "POST", "/test"),
    (("connection", "sync", *ONE), "POST", "/sync"),
    (("connection", "resync", *ONE, "--yes"), "POST", "/resync"),
    (("connection-schema", "get", *ONE), "GET", "/schemas"),
    (("connection-schema", "reload", *ONE, "--yes"), "POST", "/schemas/reload"),
    (("certificate", "connection", "list", *ONE), "GET", "/certificates"),
    (("fingerprint", "connection", "list", *ONE), "GET", "/fingerprints"),
    (("connection", "delete", *ONE, "--yes"), "DELETE", ""),
]
LISTS = [
    ("group", "list"),
    ("group", "get", "--group-id", GROUP),
    ("group", "connection", "list", "--group-id", GROUP),
    ("destination", "list"),
    ("destination", "get", "--destination-id", GROUP),
    ("destination", "test", "--destination-id", GROUP),
    ("connector-metadata", "list"),
    ("connector-metadata", "get", "--service", "postgres"),
    ("public-connector", "list"),
    ("private-link", "list"),
    ("proxy-agent", "list"),
    ("hybrid-deployment-agent", "list"),
    ("webhook", "list"),
    ("user", "list"),
    ("role", "list"),
    ("team", "list"),
    ("system-key", "list"),
    ("connector-sdk-package", "list"),
]


def test_the_command_line_creates_and_lists(api: Api, outside: Outside) -> None:
    body = {"group_id": GROUP, "service": "google_sheets", "config": {"schema": "by_cli", "table": "cells"}}
    made = outside.told("connection", "create", "--config", json.dumps(body))["data"]
    assert [there["id"] for there in api.named("by_cli.cells")] == [made["id"]]
    listed = outside.told("connection", "list", "--schema", "by_cli.cells", "--group-id", GROUP)["data"]["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    for number in range(3):
        api.create(f"more_{number}")
    assert len(outside.told("connection", "list")["data"]["items"]) == 4
    assert len(outside.told("connection", "list", "--limit", "2")["data"]["items"]) == 2
    assert outside.told("account", "get")["data"] == api.get("/v1/account/info")


@pytest.mark.parametrize(("command", "method", "path"), OF_A_CONNECTION, ids=str)
def test_the_command_line_works_on_a_connection(
    api: Api, outside: Outside, command: tuple[str, ...], method: str, path: str
) -> None:
    made = api.create("worked_on").json()["data"]["id"]
    outside.told(*(word.format(id=made) if word == "{id}" else word for word in command))
    [entry] = api.journal(method, f"/v1/connections/{made}{path}")
    assert entry["status"] in (200, 201)


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_the_command_line_reads_the_account(outside: Outside, command: tuple[str, ...]) -> None:
    assert outside.told(*command)["code"] == "Success"


def test_the_command_line_says_what_was_refused(api: Api, outside: Outside) -> None:
    wrong = outside.run("beta", "connection", "list", "--api-key", base64.b64encode(b"no:body").decode())
    assert wrong.returncode != 0 and "Invalid authorization credentials" in wrong.stderr
    made = api.create("tested").json()["data"]["id"]
    untold = outside.run("beta", "connection", "test", "--connection-id", made)
    assert untold.returncode != 0 and "Request body is missing" in untold.stderr, "400 at Fivetran too"
    nowhere = outside.run("beta", "connection", "get", "--connection-id", "no_such")
    assert nowhere.returncode != 0 and "no_such" in nowhere.stderr


# --- fivetran-connector-sdk ------------------------------------------------------------------------------------------
CONNECTOR = """\
from fivetran_connector_sdk import Connector, Operations as op


def update(configuration, state):
    op.upsert("orders", {"id": 1})
    op.checkpoint(state)


connector = Connector(update=update)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A connector to deploy, by somebody whose program has looked for a newer version of itself just now."""
    own = tmp_path / ".fivetran" / "connector_sdk"
    own.mkdir(parents=True)
    (own / "_last_version_check").write_text(str(int(time.time())))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "connector.py").write_text(CONNECTOR)
    (folder / "configuration.json").write_text('{"region": "eu"}')
    (folder / "requirements.txt").write_text("")
    return folder


def deploy(outside: Outside, project: Path, *more: str) -> str:
    """What `fivetran deploy` says."""
    names = ("--destination", "Warehouse_Production", "--connection", "by_sdk")
    settings = ("--configuration", str(project / "configuration.json"))
    done = outside.run("deploy", str(project), *names, *settings, "--yes", *more)
    assert done.returncode == 0, f"{done.stdout} {done.stderr}"
    return done.stdout


def test_the_connector_sdk_deploys_and_deploys_again(api: Api, outside: Outside, project: Path) -> None:
    said = deploy(outside, project)
    [made] = api.named("by_sdk")
    assert f"connection id: {made['id']}" in said
    assert (made["service"], made["group_id"], made["sync_frequency"]) == ("connector_sdk", GROUP, 360)
    [package] = api.get("/v1/connector-sdk/packages")["items"]
    assert made["config"]["package_id"] == package["id"] and package["connection_ids"] == [made["id"]]
    assert "connection updated" in deploy(outside, project, "--python-version", "3.12")
    [changed] = api.named("by_sdk")
    assert (changed["id"], changed["config"]["python_version"]) == (made["id"], "3.12")


def test_the_connector_sdk_takes_an_address_of_its_own(api: Api, outside: Outside, project: Path) -> None:
    file = outside.home / ".fivetran" / "connector_sdk" / "_config.json"
    file.write_text(json.dumps({"production_base_url": api.root}))
    done = outside.run(
        "deploy", str(project), "--destination", "Warehouse_Production", "--connection", "by_sdk", "--yes",
        "--configuration", str(project / "configuration.json"), NO_PROXY="127.0.0.1",
    )  # fmt: skip
    assert done.returncode == 0 and f"using custom production url: {api.root}" in done.stdout
    assert len(api.named("by_sdk")) == 1


# --- fivetran-mcp ----------------------------------------------------------------------------------------------------
def asked_of_mcp(outside: Outside, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """What the server's tools answer, called in a row as a client of the protocol calls them, by its lines of JSON."""
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    tools = [("tools/call", {"name": name, "arguments": arguments}) for name, arguments in calls]
    key, secret = KEY
    environment = outside.environment(FIVETRAN_API_KEY=key, FIVETRAN_API_SECRET=secret)
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    answers = []
    with subprocess.Popen([str(program("fivetran-mcp"))], cwd=outside.home, env=environment, **pipes) as server:
        assert server.stdin and server.stdout
        for number, (method, params) in enumerate([("initialize", about), *tools]):
            said = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            print(json.dumps(said), file=server.stdin, flush=True)
            answer = json.loads(server.stdout.readline())
            assert answer["id"] == number, answer
            answers.append(answer["result"])
            if method == "initialize":
                print('{"jsonrpc": "2.0", "method": "notifications/initialized"}', file=server.stdin, flush=True)
        server.stdin.close()
    return answers[1:]


def test_every_tool_of_the_mcp_server_answers_as_at_fivetran(api: Api, outside: Outside) -> None:
    made = api.create("by_mcp").json()["data"]["id"]
    of_one = {"connection_id": made}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list_groups", {}),
        ("list_connections", {}),
        *((name, of_one) for name in ("get_connection_status", "test_connection", "pause_connection")),
        *((name, of_one) for name in ("resume_connection", "trigger_sync", "trigger_resync", "get_schema")),
        *((name, of_one) for name in ("get_connection_schema", "list_tables", "reload_schema", "get_table_status")),
        ("get_table_columns", of_one | {"schema": "by_mcp", "table": "customers"}),
        ("resync_tables", of_one | {"tables": ["by_mcp.customers"]}),
    ]
    answers = asked_of_mcp(outside, *calls)
    failed = {name: str(answer) for (name, _), answer in zip(calls, answers, strict=True) if answer.get("isError")}
    assert list(failed) == ["test_connection"] and "(400): Request body is missing" in failed["test_connection"], (
        "Fivetran's OpenAPI file says 400 where the body is omitted, and this tool omits it"
    )
    listed, status = answers[1]["structuredContent"], answers[2]["structuredContent"]
    assert made in json.dumps(listed) and made in json.dumps(status)


def test_nobody_else_was_found(outside: Outside) -> None:
    """What such programs ask beside Fivetran's address (newer versions, telemetry) does not leave this machine."""
    outside.told("group", "list")
    assert all("api.fivetran.com" not in asked for asked in outside.address.refused)
    blocked = outside.run("beta", "group", "list", HTTPS_PROXY="http://127.0.0.1:1", https_proxy="http://127.0.0.1:1")
    assert blocked.returncode != 0, "it knows no other way"
