"""The bodies of changes, what is approved after them, and what is kept of a connection that was made elsewhere."""

from typing import Any

import pytest

from connections.spec import payloads

CREATED = {
    "service": "google_sheets",
    "sync_frequency": 1440,
    "daily_sync_time": "05:00",
    "schedule_type": "auto",
    "paused": False,
    "run_setup_tests": True,
    "config": {"schema": "sales"},
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], {}),
        ([payloads.pause_body(paused=True)], {"paused": True}),
        ([payloads.pause_body(paused=True), payloads.pause_body(paused=False)], {}),
        ([{}], {}),
        (
            [payloads.schedule_body({"sync_frequency": 60, "schedule_type": "auto", "daily_sync_time": "05:00"})],
            {"sync_frequency": 60, "daily_sync_time": None},
        ),
        (
            [payloads.schedule_body({"sync_frequency": 1440, "schedule_type": "manual"})],
            {"schedule_type": "manual", "daily_sync_time": None},
        ),
        (
            [payloads.schedule_body({"sync_frequency": 1440, "schedule_type": "auto", "daily_sync_time": "23:00"})],
            {"daily_sync_time": "23:00"},
        ),
        ([{"config": {"schema": "other"}}], {"config": {"schema": "other"}}),
    ],
    ids=["none", "pause", "pause-unpause", "delete", "hourly", "manual", "later-hour", "config"],
)
def test_what_is_approved_after_the_changes(changes: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    wanted = {key: value for key, value in {**CREATED, **expected}.items() if value is not None}
    before = repr(CREATED)
    assert payloads.overlaid(CREATED, changes) == wanted
    assert repr(CREATED) == before


def test_the_order_of_the_changes_counts() -> None:
    hourly = payloads.schedule_body({"sync_frequency": 60, "schedule_type": "auto"})
    daily = payloads.schedule_body({"sync_frequency": 1440, "schedule_type": "auto", "daily_sync_time": "07:00"})
    assert payloads.overlaid(CREATED, [hourly, daily])["daily_sync_time"] == "07:00"
    assert "daily_sync_time" not in payloads.overlaid(CREATED, [daily, hourly])


@pytest.mark.parametrize("body", [payloads.pause_body(paused=True), payloads.schedule_body({"sync_frequency": 5})])
def test_a_change_runs_no_setup_tests_and_has_a_field_that_lasts(body: dict[str, Any]) -> None:
    assert body["run_setup_tests"] is False
    assert set(body) - {"run_setup_tests"}


def test_what_is_kept_of_a_connection_made_elsewhere() -> None:
    data = {
        "id": "odd_name",
        "service": "mysql",
        "group_id": "g",
        "schema": "crm",
        "paused": True,
        "sync_frequency": 15,
        "created_at": "2020-01-01T00:00:00Z",
        "status": {"setup_state": "connected"},
        "setup_tests": [{"title": "x"}],
        "connect_card_config": {"redirect_uri": "http://x/"},
        "config": {
            "schema_prefix": "crm",
            "host": "db.example.com",
            "password": "secret",
            "token": "******",
            "user": "******",
            "nested": {"private_key": "k", "bucket": "b"},
        },
    }
    assert payloads.nested(payloads.adopted(data)) == {
        "service": "mysql",
        "group_id": "g",
        "paused": True,
        "sync_frequency": 15,
        "config": {"schema_prefix": "crm", "host": "db.example.com", "nested": {"bucket": "b"}},
    }


@pytest.mark.parametrize("config", [None, [], "text", {"schema": 7}])
def test_an_odd_config_is_no_obstacle(config: Any) -> None:
    kept = payloads.adopted({"service": "mysql", "config": config})
    assert "config.schema_prefix" not in kept and kept["service"] == "mysql"


@pytest.mark.parametrize("odd", [[360], {"a": 1}, [[]]])
def test_a_field_of_another_shape_is_left_out(odd: Any) -> None:
    kept = payloads.adopted({"service": "mysql", "sync_frequency": odd, "schedule_type": odd, "paused": odd})
    assert kept == {"service": "mysql"}
    assert payloads.schedule_in_words(kept) == "every 6 hours"
