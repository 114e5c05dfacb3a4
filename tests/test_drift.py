"""What counts as drift between the approved body and Fivetran's answer, and what never does."""

from typing import Any

import pytest

from connections import drift
from connections.payloads import build_body
from tests import factories

BODY: dict[str, Any] = {
    "service": "postgres",
    "group_id": "projected_sickle",
    "paused": False,
    "pause_after_trial": False,
    "sync_frequency": 1440,
    "schedule_type": "auto",
    "daily_sync_time": "03:00",
    "data_delay_sensitivity": "CUSTOM",
    "data_delay_threshold": 60,
    "hybrid_deployment_agent_id": "agent_one",
    "destination_schema_names": "FIVETRAN_NAMING",
    "run_setup_tests": True,
    "config": {
        "schema_prefix": "crm",
        "host": "db.example.com",
        "port": 5432,
        "always_encrypted": True,
        "databases": ["b", "a"],
        "tunnel": {"host": "bastion", "passphrase": "p"},
        "reports": [{"name": "one"}],
    },
}
SAME: dict[str, Any] = {
    **BODY,
    "id": "speak_inexpensive",
    "sync_frequency": "1440",
    "paused": "False",
    "data_delay_sensitivity": "custom",
    "data_delay_threshold": 60.0,
    "networking_method": "Directly",
    "private_link_id": None,
    "hybrid_deployment_agent_id": "a_stale_one",
    "config": {
        "schema_prefix": "crm",
        "host": " db.example.com",
        "port": "5432",
        "always_encrypted": "TRUE",
        "databases": "a,b",
        "tunnel": {"host": "bastion", "passphrase": "******", "keep_alive": True},
        "reports": [{"name": "one", "time_zone": "UTC"}],
        "timeframe_months": "TWELVE",
        "password": "******",
    },
}


def fields(body: dict[str, Any], live: dict[str, Any]) -> list[str]:
    return [one["field"] for one in drift.drift(body, live)]


def test_what_fivetran_does_to_every_body_is_no_drift() -> None:
    assert drift.drift(BODY, SAME) == []


@pytest.mark.parametrize(
    ("field", "live"),
    [
        ("paused", True),
        ("pause_after_trial", True),
        ("sync_frequency", 60),
        ("schedule_type", "manual"),
        ("daily_sync_time", "04:00"),
        ("networking_method", "SshTunnel"),
        ("data_delay_sensitivity", "LOW"),
        ("data_delay_threshold", 0),
    ],
)
def test_each_field_that_was_sent_is_compared(field: str, live: Any) -> None:
    [found] = drift.drift(BODY, {**SAME, field: live})
    assert found == {"field": field, "approved": BODY.get(field, "Directly"), "live": live}


@pytest.mark.parametrize("field", ["private_link_id", "proxy_agent_id"])
def test_ids_are_compared_where_they_were_sent(field: str) -> None:
    assert fields(BODY | {field: "mine"}, SAME | {field: "another"}) == [field]
    assert fields(BODY, SAME | {field: "another"}) == []


@pytest.mark.parametrize("field", sorted(drift.FIELDS))
@pytest.mark.parametrize("value", [None, ""])
def test_null_and_absent_are_no_drift(field: str, value: object) -> None:
    assert drift.drift(BODY, SAME | {field: value}) == []
    assert drift.drift(BODY, {key: live for key, live in SAME.items() if key != field}) == []
    assert drift.drift({key: sent for key, sent in BODY.items() if key != field}, SAME) == []


def test_a_networking_method_that_fivetran_cannot_tell_is_no_drift() -> None:
    assert fields(BODY, SAME | {"networking_method": "Unknown"}) == []


def test_the_pause_that_was_approved_for_the_end_of_the_trial_is_no_drift() -> None:
    ends = BODY | {"paused": False, "pause_after_trial": True}
    assert fields(ends, SAME | {"paused": True, "pause_after_trial": True}) == []
    assert fields(ends | {"paused": True}, SAME | {"paused": False, "pause_after_trial": True}) == ["paused"]


def test_a_schedule_without_effect_is_not_compared() -> None:
    by_hand = BODY | {"schedule_type": "manual"}
    assert fields(by_hand, SAME | {"schedule_type": "manual", "sync_frequency": 5}) == []
    assert fields(by_hand, SAME | {"sync_frequency": 5}) == ["schedule_type"]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"host": "other.example.com"}, ["config.host"]),
        ({"host": "DB.example.com"}, ["config.host"]),
        ({"port": 5433}, ["config.port"]),
        ({"always_encrypted": False}, ["config.always_encrypted"]),
        ({"databases": ["a"]}, ["config.databases"]),
        ({"databases": "a,c"}, ["config.databases"]),
        ({"tunnel": {"host": "other"}}, ["config.tunnel.host"]),
        ({"tunnel": {"passphrase": "other"}}, []),
        ({"host": "******"}, []),
        ({"host": None}, []),
        ({"host": {"name": "db"}}, []),
        ({"reports": "gone"}, []),
    ],
)
def test_keys_of_config_are_named_without_their_values(changed: dict[str, Any], found: list[str]) -> None:
    differences = drift.drift(BODY, SAME | {"config": SAME["config"] | changed})
    assert differences == [{"field": field} for field in found]


def test_a_secret_is_never_compared() -> None:
    sent = BODY | {"config": {"password": "@canary-one", "api_key": "@canary-two"}}
    live = SAME | {"config": {"password": "changed", "api_key": "changed"}}
    assert drift.drift(sent, live) == []


def test_a_list_s_item_has_no_config_and_is_compared_all_the_same() -> None:
    item = {key: value for key, value in SAME.items() if key != "config"}
    assert fields(BODY, item | {"paused": True}) == ["paused"]
    assert not drift.has_config(item)
    assert drift.has_config(SAME)
    assert fields(BODY, item | {"config": "hostile", "status": 7}) == []


def test_only_plain_values_of_a_stated_length_are_kept() -> None:
    hostile = {
        "paused": {"a": [1]},
        "sync_frequency": 10**6,
        "daily_sync_time": "9" * 900,
        "config": {"host": "canary"},
    }
    kept = drift.live_fields(hostile)
    assert set(kept) == {"paused", "sync_frequency", "daily_sync_time"}
    assert all(len(str(value)) <= 200 for value in kept.values())
    assert drift.drift(BODY, hostile)[0] == {"field": "paused", "approved": False, "live": "{'a': [1]}"}


def test_the_body_of_the_form_has_no_drift_to_itself() -> None:
    body = build_body(factories.values(paused=True, sync_frequency=60))
    assert drift.drift(body, body) == []
    assert fields(body, body | {"sync_frequency": 5}) == ["sync_frequency"]
