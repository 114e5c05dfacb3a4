"""What counts as drift between the approved body and Fivetran's answer, and what never does."""

import json
from typing import Any

import pytest

from connections.spec import drift
from connections.spec.payloads import build_body
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


# --- what Fivetran said first ----------------------------------------------------------------------------------------
FIRST = drift.baseline(BODY, SAME, tidied=True)


def since(live: dict[str, Any], first: dict[str, Any] = FIRST, body: dict[str, Any] = BODY) -> list[str]:
    return [one["field"] for one in drift.drift(body, live, first)]


def test_the_first_answer_is_no_drift_of_itself() -> None:
    assert since(SAME) == [] and since(SAME, {}) == []


@pytest.mark.parametrize("field", ["paused", "schedule_type", "data_delay_sensitivity", "data_delay_threshold"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_field_that_was_said_and_is_no_longer_is_a_difference(field: str, value: object) -> None:
    assert since(SAME | {field: value}) == [field]
    assert since(SAME | {field: value}, {}) == []  # nobody knows whether it ever was said


def test_a_whole_answer_that_leaves_a_field_out_says_it_no_longer() -> None:
    known = drift.live_fields(SAME)
    whole = {key: value for key, value in SAME.items() if key != "daily_sync_time"}
    assert since(drift.merged(known, whole, FIRST)) == ["daily_sync_time"]
    item = {key: value for key, value in whole.items() if key != "config"}
    assert since(drift.merged(known, item, FIRST)) == []  # a list's item may leave out what it likes


def test_an_id_that_another_field_took_the_place_of_is_a_difference() -> None:
    sent = BODY | {"networking_method": "PrivateLink", "private_link_id": "mine"}
    live = SAME | {"networking_method": "PrivateLink", "private_link_id": "mine"}
    first = drift.baseline(sent, live, tidied=True)
    assert since(live, first, sent) == []
    moved = live | {"networking_method": "Unknown", "private_link_id": None, "proxy_agent_id": "theirs"}
    assert since(moved, first, sent) == ["private_link_id"]


def test_a_connection_in_another_group_is_a_difference() -> None:
    [found] = drift.drift(BODY, SAME | {"group_id": "decent_dropsy"}, FIRST)
    assert found == {"field": "group_id", "approved": "projected_sickle", "live": "decent_dropsy"}


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ({"schedule_type": "CRON", "cron": "0 3 * * 1"}, "CRON 0 3 * * 1"),
        ({"schedule_type": "INTERVAL", "interval": 45}, "INTERVAL 45"),
        ({"schedule_type": "TIME_OF_DAY", "time_of_day": "04:00"}, "TIME_OF_DAY 04:00"),
        (
            {"schedule_type": "TIME_OF_DAY", "time_of_day": "03:00", "days_of_week": ["MONDAY", "FRIDAY"]},
            "TIME_OF_DAY 03:00 FRIDAY,MONDAY",
        ),
        ({"schedule_type": "MANUAL"}, "MANUAL"),
        ({"schedule_type": "NEW", "interval": 7}, "NEW 7"),
    ],
)
def test_a_custom_schedule_is_one_difference(schedule: dict[str, Any], told: str) -> None:
    custom = {"sync_frequency": None, "daily_sync_time": None, "schedule": schedule}
    for first in (FIRST, {}):
        [found] = drift.drift(BODY, SAME | custom, first)
        assert found == {"field": "schedule", "approved": "TIME_OF_DAY 03:00", "live": told}
        [kept] = drift.drift(BODY, drift.live_fields(SAME | custom), first)
        assert kept == found


@pytest.mark.parametrize(
    ("sent", "schedule"),
    [
        ({}, {"schedule_type": "TIME_OF_DAY", "time_of_day": "03:00"}),
        ({}, {"schedule_type": "TIME_OF_DAY", "time_of_day": "03:00", "days_of_week": list("1234567")}),
        ({"sync_frequency": 60, "daily_sync_time": None}, {"schedule_type": "INTERVAL", "interval": 60}),
        ({"schedule_type": "manual"}, {"schedule_type": "MANUAL"}),
    ],
)
def test_the_same_schedule_in_other_words_is_none(sent: dict[str, Any], schedule: dict[str, Any]) -> None:
    body = BODY | sent
    live = {**SAME, **sent, "sync_frequency": None, "daily_sync_time": None, "schedule": schedule}
    assert drift.drift(body, live, FIRST) == []


@pytest.mark.parametrize("schedule", [None, "CRON", 7, [], {}, {"schedule_type": None}, {"cron": "* * * * *"}])
def test_a_schedule_of_another_shape_says_nothing(schedule: Any) -> None:
    assert since(drift.live_fields(SAME | {"schedule": schedule})) == []


def test_what_fivetran_tidied_in_its_first_answer_is_no_drift_later() -> None:
    first_said = SAME | {"data_delay_threshold": 61, "config": SAME["config"] | {"host": "DB.example.com", "port": 1}}
    first = drift.baseline(BODY, first_said, tidied=True)
    assert since(first_said, first) == []
    assert since(SAME, first) == []  # and neither is what was approved
    assert since(first_said | {"data_delay_threshold": 62}, first) == ["data_delay_threshold"]
    other = first_said["config"] | {"host": "other.example.com"}
    assert since(first_said | {"config": other}, first) == ["config.host"]
    # Of a connection that was found, and not told, somebody else may have changed what differs.
    found = drift.baseline(BODY, first_said, tidied=False)
    assert since(first_said, found) == ["data_delay_threshold", "config.host", "config.port"]


@pytest.mark.parametrize("key", ["host", "port", "databases", "tunnel"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_setting_that_was_said_and_is_no_longer_is_a_difference(key: str, value: object) -> None:
    assert since(SAME | {"config": SAME["config"] | {key: value}}) == [f"config.{key}"]
    left_out = {name: said for name, said in SAME["config"].items() if name != key}
    assert since(SAME | {"config": left_out}) == [f"config.{key}"]
    assert since(SAME | {"config": left_out}, {}) == []


def test_no_value_of_the_configuration_is_kept() -> None:
    said = SAME | {"config": SAME["config"] | {"password": "@canary-one", "host": "@canary-two"}}
    kept = json.dumps(drift.baseline(BODY | {"config": BODY["config"] | {"password": "x"}}, said, tidied=True))
    assert "canary" not in kept and "config.password" not in kept and "config.host" in kept


def test_an_approved_change_moves_what_is_compared() -> None:
    change = {"sync_frequency": 60, "schedule_type": "auto"}
    answer = SAME | change | {"daily_sync_time": None, "schedule": {"schedule_type": "INTERVAL", "interval": 60}}
    first = drift.rebased(FIRST, change, answer)
    approved = {key: value for key, value in BODY.items() if key != "daily_sync_time"} | change
    assert since(answer, first, approved) == []
    assert since(answer | {"sync_frequency": 1440}, first, approved) == ["sync_frequency"]


def test_no_default_is_taken_for_what_a_connection_made_elsewhere_was() -> None:
    assert drift.drift({}, {"networking_method": "SshTunnel"}, {}, made_here=False) == []
    assert fields({}, {"networking_method": "SshTunnel"}) == ["networking_method"]
