"""What POST /v1/connections would answer, asked beforehand."""

from typing import Any

import pytest
import requests

from tests.sandbox.api import KEY, Api, sandbox

VARYING = ("id", "created_at")
FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("google_sheets", {}),
    ("google_sheets", {"run_setup_tests": False}),
    ("google_sheets", {"group_id": "no_such"}),
    ("no_such", {}),
    ("google_sheets", {"sync_frequency": 7}),
    ("google_sheets", {"config": {"auth_type": "serviceaccount"}}),
    ("postgres", {}),
    ("postgres", {"config": {"host": "db.example.com", "user": "fivetran", "password": "canary"}}),
    ("postgres", {"networking_method": "PrivateLink", "private_link_id": "link_new"}),
]


def checked(api: Api, name: str, service: str = "google_sheets", **fields: Any) -> dict[str, Any]:
    """The answer's `{status, body}` to the body that `create` would send."""
    answer: dict[str, Any] = api.create(name, service, path="/_sandbox/check", **fields).json()
    return answer


def without(body: dict[str, Any]) -> dict[str, Any]:
    """The body without what differs from one creation to the next."""
    data = {name: value for name, value in body.get("data", {}).items() if name not in VARYING}
    return body | ({"data": data} if data else {})


@pytest.mark.parametrize(("service", "fields"), FIELDS)
def test_it_answers_what_the_creation_answers(api: Api, service: str, fields: dict[str, Any]) -> None:
    told = checked(api, "orders", service, **fields)
    assert api.control("GET", "connections") == [] == api.control("GET", "journal")
    real = api.create("orders", service, **fields)
    assert (told["status"], without(told["body"])) == (real.status_code, without(real.json()))
    assert "canary" not in str(told)


def test_a_taken_name_is_told_where_names_are_unique(api: Api) -> None:
    api.create("orders")
    assert checked(api, "orders")["status"] == 400
    assert checked(api, "orders")["body"]["code"] == "SchemaExists"
    assert checked(api, "orders", group_id="faded_willow")["status"] == 201
    api.settings(duplicate_status=409)
    assert checked(api, "orders")["status"] == 409
    api.settings(unique_names=False)
    assert checked(api, "orders")["status"] == 201
    assert len(api.named("orders.cells")) == 1


def test_the_id_that_it_tells_is_still_free(api: Api) -> None:
    api.settings(id_seed=1)
    told = checked(api, "orders")["body"]["data"]["id"]
    assert told == checked(api, "orders")["body"]["data"]["id"]
    assert told == api.create("orders").json()["data"]["id"]


@pytest.mark.parametrize(
    ("name", "status"), [("busy_x", 429), ("error_x", 500), ("unauthorized_x", 401), ("taken_x", 400), ("down_x", 503)]
)
def test_a_fault_is_told_and_still_strikes(api: Api, name: str, status: int) -> None:
    assert [checked(api, name)["status"] for _ in range(4)] == [status] * 4
    assert api.create(name).status_code == status
    assert api.named(f"{name}.cells") == []


@pytest.mark.parametrize("name", ["lost_x", "lost_before_x", "late_x", "drop_x", "cut_x"])
def test_how_an_answer_gets_lost_is_not_foretold(api: Api, name: str) -> None:
    assert checked(api, name)["status"] == 201
    assert api.named(f"{name}.cells") == []


def test_queued_answers_and_limits_are_not_used_up(api: Api) -> None:
    api.settings(next_answers=[{"path": "/v1/connections", "status": 503}])
    with sandbox(create_limit_per_minute=1) as (other, _):
        assert [checked(other, "orders")["status"] for _ in range(3)] == [201] * 3
        assert other.create("orders").status_code == 201
    assert checked(api, "orders")["status"] == 201
    assert api.create("orders").status_code == 503


def test_nobody_waits_for_the_tests(api: Api) -> None:
    api.settings(test_seconds=30, create_seconds=30)
    body = checked(api, "fails_orders")["body"]
    assert {test["status"] for test in body["data"]["setup_tests"]} == {"FAILED", "SKIPPED"}
    assert body["data"]["status"]["setup_state"] == "incomplete"


def test_a_card_is_announced_and_not_handed_out(api: Api) -> None:
    card = {"redirect_uri": "https://portal.example.com/back"}
    body = checked(api, "orders", "postgres", connect_card_config=card, run_setup_tests=False)["body"]
    assert body["data"]["connect_card"] == {"token": "******", "uri": "******"}
    assert body["data"]["connect_card_config"]["redirect_uri"] == card["redirect_uri"]


@pytest.mark.parametrize("raw", ["", "{", "[]", "null", "[" * 100_000])
def test_a_body_that_is_no_object(api: Api, raw: str) -> None:
    answer = api.call("POST", "/_sandbox/check", data=raw, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["status"]) == (200, 400)
    assert answer.json()["body"]["code"] == "InvalidInput"


@pytest.mark.parametrize("auth", [None, ("sandbox-key", "wrong")])
def test_it_asks_for_the_key_as_the_creation_does(api: Api, auth: tuple[str, str] | None) -> None:
    answer = requests.post(f"{api.root}/_sandbox/check", json={}, auth=auth, timeout=20)
    assert (answer.json()["status"], answer.json()["body"]["code"]) == (401, "AuthFailed")
    assert answer.headers["Fivetran-Sandbox"] == "1"
    api.settings(reject_all=True)
    assert requests.post(f"{api.root}/_sandbox/check", json={}, auth=KEY, timeout=20).json()["status"] == 401
