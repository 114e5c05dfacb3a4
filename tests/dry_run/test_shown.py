"""What of Fivetran's answers people get to read: what the request is about, and nothing of other people's."""

import json
from typing import Any

import pytest

from connections.dry_run import shown
from connections.fivetran.exchanges import Exchange
from connections.models import CatalogEntry, ConnectionRequest, DryRun
from connections.spec.dry_run import Check
from tests.dry_run import draft, dry_run_of
from tests.sandbox_client import Fivetran

THEIRS = {"host": "payroll.internal.example.com", "user": "payroll_reader", "sheet_id": "1AbC", "database": "salaries"}


def exchange(data: object) -> Exchange:
    """An answer of the API with this data."""
    return Exchange("GET", "/v1/x", 200, 3, json.dumps({"code": "Success", "data": data}))


def answer(name: str, data: object) -> str:
    """What is shown of an answer to the read of this name."""
    [one] = shown.shown(name, [exchange(data)])
    return str(one["answer"])


def test_nobody_reads_the_settings_of_another_persons_connection(fivetran: Fivetran, group: str) -> None:
    fivetran.seed(group_id="amber_harbor", service="postgres", schema="payroll", config=THEIRS)
    found = dry_run_of(draft(config__schema_prefix="payroll"))
    assert found[Check.NAME].state == "failed"
    told = json.loads(found[Check.NAME].exchanges[0]["answer"])["data"]["items"]
    assert [sorted(one) for one in told] == [["created_at", "group_id", "id", "schema", "service", "status"]]
    stored = json.dumps(DryRun.objects.get().checks)
    assert not [secret for secret in (*THEIRS.values(), "amber-harbor.example.com") if secret in stored]


@pytest.mark.parametrize(
    ("name", "data", "kept"),
    [
        ("name", {"items": [{"id": "a", "config": THEIRS, "connect_card": {}}, 7]}, {"items": [{"id": "a"}, {}]}),
        ("destination", {"id": "a", "setup_status": "X", "config": THEIRS}, {"id": "a", "setup_status": "X"}),
        ("hybrid_deployment_agent_id", {"id": "a", "usage": [{"schema": "payroll"}], "token": "t"}, {"id": "a"}),
        ("proxy_agent_id", {"id": "a", "status": "X", "proxy_server_uri": "x"}, {"id": "a", "status": "X"}),
        ("private_link_id", {"id": "a", "host": "x", "config": THEIRS}, {"id": "a"}),
        ("account", {"account_id": "a", "email": "who@example.com"}, {"account_id": "a"}),
        ("something_new", {"id": "a"}, {}),
    ],
)
def test_of_each_read_only_what_its_check_speaks_of_is_kept(name: str, data: Any, kept: Any) -> None:
    assert json.loads(answer(name, data))["data"] == kept


@pytest.mark.parametrize(
    "text",
    [
        '{"password": "hunter2", "password": "hunter2"}',
        '\ufeff{"password": "hunter2"}',
        '  {"number": NaN, "password": "hunter2"}',
        '{"password": "hunter2"',
        '[{"password": "hunter2"}]',
        '"hunter2"',
        '{"a":' * 70 + '"hunter2"' + "}" * 70,
    ],
)
def test_of_what_is_nearly_json_only_the_length_is_shown(text: str) -> None:
    for name in ("account", "metadata", "sandbox"):
        [one] = shown.shown(name, [Exchange("GET", "/v1/x", 200, 3, text)])
        assert "hunter2" not in one["answer"] and f"{len(text):,} characters" in one["answer"]


def test_secrets_that_only_the_service_knows_are_masked(fivetran: Fivetran, group: str) -> None:
    detail: Any = CatalogEntry.objects.get(kind="service", fivetran_id="postgres").detail
    properties = {**detail["config"]["properties"], "database": {"type": "string", "format": "password"}}
    live = {**detail, "config": {**detail["config"], "properties": properties}}
    body = {"code": "Success", "data": live}
    fivetran.next({"method": "GET", "path": "/v1/metadata/*", "times": 1, "status": 200, "body": body})
    conn_request = draft(config__database="hunter2")
    ConnectionRequest.objects.update(payload={"service": "postgres", "config": {"database": "hunter2", "host": "db"}})
    found = dry_run_of(conn_request)
    assert '"database": "******"' in found[Check.REQUEST].exchanges[0]["body"]
    assert "hunter2" not in json.dumps([found[check].as_json()["exchanges"] for check in Check])
