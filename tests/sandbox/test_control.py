"""The sandbox's own addresses: journal, holds, queued answers, limits, settings, seeds."""

import base64
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.sandbox.api import Api, eventually, sandbox


def test_journal_selects_and_forgets(api: Api) -> None:
    api.get("/v1/groups")
    api.create("orders")
    # The answer is with the caller a moment before the sandbox notes that it is.
    first, second = eventually(
        lambda: (
            (seen := api.control("GET", "journal"))
            and all(entry["events"][-1]["phase"] == "answered" for entry in seen)
            and seen
        )
    )
    assert (first["method"], first["path"], first["status"]) == ("GET", "/v1/groups", 200)
    assert (second["status"], second["code"]) == (201, "Success")
    assert second["request_id"]
    assert [event["phase"] for event in second["events"]] == ["connected", "headers", "body", "effect", "answered"]
    assert api.control("GET", "journal", since=first["n"]) == [second]
    assert api.control("GET", "journal", path="/v1/con*") == [second]
    api.control("DELETE", "journal")
    assert api.control("GET", "journal") == []


@pytest.mark.parametrize(
    ("phase", "exists"), [("headers", 0), ("body", 0), ("effect", 1), ("half", 1), ("answered", 1)]
)
def test_a_call_can_be_stopped_at_each_phase(api: Api, phase: str, exists: int) -> None:
    answers: list[int] = []
    api.control("POST", "hold", {"phase": phase})
    caller = threading.Thread(target=lambda: answers.append(api.create("orders").status_code), daemon=True)
    caller.start()
    [waiting] = eventually(lambda: api.control("GET", "hold")["waiting"])
    assert waiting["phase"] == phase
    assert len(api.named("orders.cells")) == exists
    assert api.get("/v1/groups")["items"], "other calls go on"
    if phase != "answered":
        assert answers == []
    api.control("POST", "release", {"phase": phase})
    caller.join(10)
    assert answers == [201]
    # The answer is with the caller a moment before the sandbox takes the call off its list.
    eventually(lambda: api.control("GET", "hold") == {"held": {}, "waiting": []})


def test_a_held_call_has_its_effect_though_the_caller_left(api: Api) -> None:
    api.control("POST", "hold", {"phase": "body"})
    with pytest.raises(requests.ReadTimeout):
        api.create("orders", timeout=0.3)
    assert api.named("orders.cells") == []
    api.control("DELETE", "hold")
    assert eventually(lambda: api.named("orders.cells"))


QUEUED: list[tuple[dict[str, Any], int, int]] = [
    ({"status": 503, "body": "<h1>no</h1>", "headers": {"Content-Type": "text/html"}}, 503, 0),
    ({"status": 429, "headers": {"Retry-After": "Wed, 21 Oct 2037 07:28:00 GMT"}, "body": {"code": "T"}}, 429, 0),
    ({"status": 500, "effect": True}, 500, 1),
    ({"delay": 0.05}, 201, 1),
    ({"status": 204, "raw_base64": base64.b64encode(b"HTTP/1.1 299 Odd\r\n\r\n{").decode()}, 299, 0),
]


@pytest.mark.parametrize(("spec", "status", "exists"), QUEUED)
def test_queued_answers(api: Api, spec: dict[str, Any], status: int, exists: int) -> None:
    api.settings(next_answers=[{"path": "/v1/connections", **spec}])
    answer = api.create("orders")
    assert answer.status_code == status
    for name, value in spec.get("headers", {}).items():
        assert answer.headers[name] == value
    assert len(api.named("orders.cells")) == exists
    assert api.control("GET", "settings")["next_answers"] == 0


@pytest.mark.parametrize("delivery", ["drop", "reset", "short", "silent"])
def test_queued_ways_of_not_answering(api: Api, delivery: str) -> None:
    queued = {"method": "GET", "path": "/v1/groups*", "times": 2, "delivery": delivery}
    api.settings(next_answers=[queued])
    for _ in range(2):
        with pytest.raises(requests.RequestException):
            api.call("GET", "/v1/groups", timeout=0.4)
    eventually(
        lambda: api.control("GET", "settings")["next_answers"] == 0
    )  # the caller may give up before one is taken
    assert api.call("GET", "/v1/groups").status_code == 200


def test_rate_limits_are_real_when_switched_on() -> None:
    with sandbox(create_limit_per_minute=2, rate_window_seconds=60) as (api, _):  # with nothing counted so far
        answers = [api.create(f"orders_{number}") for number in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2].json()["code"] == "TooManyRequests"
        assert int(answers[2].headers["Retry-After"]) >= 1
        assert api.call("GET", "/v1/groups").status_code == 200
        api.settings(rate_window_seconds=1)
        eventually(lambda: api.create("orders_2").status_code == 201)


def test_everybody_can_be_refused(api: Api) -> None:
    api.settings(reject_all=True)
    assert api.create("orders").status_code == 401
    api.settings(reject_all=False)
    assert api.create("orders").status_code == 201


def test_a_strangers_connection(api: Api) -> None:
    old = {
        "group_id": "amber_harbor",
        "service": "stripe",
        "schema": "orders.cells",
        "created_at": "2020-01-01T00:00:00Z",
    }
    seeded = api.control("POST", "connections", old)
    assert api.get(f"/v1/connections/{seeded['id']}")["created_at"] == "2020-01-01T00:00:00Z"
    assert api.create("orders").json()["code"] == "SchemaExists"
    assert api.control("POST", "connections", old)["id"] != seeded["id"], "strangers may even share a name"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("settings", {"no_such": 1}),
        ("settings", {"test_seconds": "long"}),
        ("settings", {"unique_names": "yes"}),
        ("settings", {"test_seconds": True}),
        ("settings", {"next_answers": [{"nope": 1}]}),
        ("settings", {"next_answers": [{"path": "/", "delivery": "pigeon"}]}),
        ("hold", {"phase": "later"}),
        ("connections", {"service": "stripe"}),
    ],
)
def test_what_control_does_not_understand(api: Api, path: str, body: dict[str, Any]) -> None:
    answer = requests.post(f"{api.root}/_sandbox/{path}", json=body, timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidInput")


def test_a_web_page_cannot_reach_the_controls(api: Api) -> None:
    style = requests.get(f"{api.root}/_sandbox/sandbox.css", headers={"Host": "card.example"}, timeout=20)
    assert style.status_code == 200
    foreign = requests.get(f"{api.root}/_sandbox/journal", headers={"Host": "evil.example"}, timeout=20)
    assert foreign.status_code == 403
    form = requests.post(f"{api.root}/_sandbox/settings", data='{"secret": "x"}', timeout=20)
    assert form.status_code == 415


def test_the_time_of_tests_can_be_set(api: Api) -> None:
    api.settings(test_seconds=0.4, create_seconds=0.2)
    assert api.create("orders").elapsed.total_seconds() >= 0.6
    api.settings(test_seconds=60)  # longer than the caller's patience
    assert api.create("others", run_setup_tests=False).status_code == 201


# --- what a scenario is made with ------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/", "/v1/groups", "/_sandbox/settings", "/nowhere"])
def test_every_answer_says_that_it_is_the_sandbox(api: Api, path: str) -> None:
    assert api.call("GET", path, auth=None).headers["Fivetran-Sandbox"] == "1"


def test_a_clock_that_is_put_back_dates_what_is_made_and_synced(api: Api) -> None:
    api.settings(behind_seconds=40 * 86_400)
    made = api.create("orders").json()["data"]
    api.control("POST", f"connections/{made['id']}/sync")
    api.settings(behind_seconds=0)
    found = api.get(f"/v1/connections/{made['id']}")
    for moment in (found["created_at"], found["succeeded_at"]):
        age = datetime.now(UTC) - datetime.fromisoformat(moment)
        assert timedelta(days=40) <= age < timedelta(days=40, minutes=5)


def test_ids_follow_from_a_seed_and_stay_different(api: Api) -> None:
    def ids(seed: int) -> list[str]:
        api.settings(id_seed=seed)
        made = [api.create(name).json()["data"]["id"] for name in ("orders", "returns")]
        api.control("DELETE", "connections")
        return made

    first = ids(seed=1)
    assert ids(seed=1) == first
    assert ids(seed=2) != first
    assert ids(seed=0) != ids(seed=0)
    assert len(set(first)) == 2
