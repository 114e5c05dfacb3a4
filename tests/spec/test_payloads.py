"""The body of `POST /v1/connections`: what is in it, its digest, its name, and what people see of it."""

import gzip
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from jsonschema import Draft202012Validator

from connections.spec.fields import BY_PATH, FIELDS, NAMING_SHAPES, OF_THE_OWNER, OF_THE_SERVICE, Type
from connections.spec.payloads import (
    MASK,
    build_body,
    canonical,
    copied,
    digest,
    in_words,
    is_secret,
    masked,
    natural_key,
    risks,
)
from tests import processes

# Fivetran's published OpenAPI file and a summary of it; reference data that is not part of the project.
REFERENCE = processes.ROOT.parent / "shared" / "fivetran"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="Fivetran's OpenAPI file is not on this machine")

LEAST = {"service": "google_sheets", "group_id": "g", "config.schema": "sales", "config.table": "orders", "reason": "x"}
DEFAULTS = {
    "service": "google_sheets",
    "group_id": "g",
    "sync_frequency": 360,
    "schedule_type": "auto",
    "paused": False,
    "pause_after_trial": False,
    "trust_certificates": False,
    "trust_fingerprints": False,
    "data_delay_sensitivity": "NORMAL",
    "run_setup_tests": True,
    "destination_schema_names": "FIVETRAN_NAMING",
    "config": {"schema": "sales", "table": "orders"},
}


def body(**changes: Any) -> dict[str, Any]:
    return build_body(LEAST | {path.replace("__", "."): value for path, value in changes.items()})


# --- what is in it ---------------------------------------------------------------------------------------------------


def test_every_default_is_written_out() -> None:
    assert build_body(LEAST) == DEFAULTS


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"sync_frequency": 1440, "daily_sync_time": "14:00"}, {"daily_sync_time": "14:00", "sync_frequency": 1440}),
        (
            {"data_delay_sensitivity": "CUSTOM", "data_delay_threshold": 90},
            {"data_delay_sensitivity": "CUSTOM", "data_delay_threshold": 90},
        ),
        (
            {"networking_method": "PrivateLink", "private_link_id": "pl"},
            {"networking_method": "PrivateLink", "private_link_id": "pl"},
        ),
        (
            {"networking_method": "ProxyAgent", "proxy_agent_id": "pa"},
            {"networking_method": "ProxyAgent", "proxy_agent_id": "pa"},
        ),
        ({"networking_method": "SshTunnel"}, {"networking_method": "SshTunnel"}),
        ({"hybrid_deployment_agent_id": "ha"}, {"hybrid_deployment_agent_id": "ha"}),
        (
            {"use_connect_card": True, "connect_card_config__redirect_uri": "https://p.example/handover/return/"},
            {
                "run_setup_tests": False,
                "connect_card_config": {
                    "redirect_uri": "https://p.example/handover/return/",
                    "hide_setup_guide": False,
                    "all_fields": False,
                },
            },
        ),
        ({"paused": True, "run_setup_tests": False}, {"paused": True, "run_setup_tests": False}),
        ({"config__sheet_id": "s", "config__empty": ""}, {"config": {**DEFAULTS["config"], "sheet_id": "s"}}),  # type: ignore[dict-item]
    ],
)
def test_what_is_chosen_is_in_the_body(changes: dict[str, Any], more: dict[str, Any]) -> None:
    assert body(**changes) == DEFAULTS | more


@pytest.mark.parametrize(
    "changes",
    [
        {"daily_sync_time": "14:00"},
        {"data_delay_threshold": 90},
        {"private_link_id": "pl", "proxy_agent_id": "pa"},
        {"connect_card_config__redirect_uri": "https://p.example/", "connect_card_config__hide_setup_guide": True},
        {"hybrid_deployment_agent_id": ""},
        {"networking_method": "Directly"},
        {"source_owner": "owner@example.com", "use_connect_card": False},
    ],
)
def test_what_does_not_apply_says_nothing_or_is_ours_is_not_in_the_body(changes: dict[str, Any]) -> None:
    assert body(**changes) == DEFAULTS


def test_a_daily_time_is_not_sent_on_a_manual_schedule() -> None:
    assert "daily_sync_time" not in body(sync_frequency=1440, schedule_type="manual", daily_sync_time="14:00")


# --- its digest ------------------------------------------------------------------------------------------------------


def test_the_digest_is_that_of_the_canonical_text() -> None:
    assert canonical({"b": [1, True, None], "a": "ü"}) == '{"a":"ü","b":[1,true,null]}'.encode()
    # sha256sum of that very text
    assert (
        digest({"b": [1, True, None], "a": "ü"}) == "11ade5cf6a232567d9d8a70ae0d9e61aff06f1d4e857b2c7dd1a1bcaff3fc3d3"
    )


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(some.dictionaries(some.text(max_size=4), json_values, max_size=5), some.randoms())
def test_the_digest_survives_the_database_and_the_order_of_keys(content: dict[str, Any], random: Any) -> None:
    keys = list(content)
    random.shuffle(keys)
    assert digest({key: content[key] for key in keys}) == digest(content)
    assert digest(json.loads(json.dumps(content))) == digest(content)


@settings(deadline=None)
@given(some.sampled_from(sorted(DEFAULTS)), json_values)
def test_any_other_value_gives_another_digest(key: str, value: Any) -> None:
    changed = DEFAULTS | {key: value}
    same = json.dumps(changed, sort_keys=True) == json.dumps(DEFAULTS, sort_keys=True)
    assert (digest(changed) == digest(DEFAULTS)) is same


def test_what_json_cannot_say_has_no_digest() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest({"sync_frequency": float("nan")})


# --- its name --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"schema": "sales"}, "sales"),
        ({"schema": "sales", "table": "orders"}, "sales.orders"),
        ({"schema": "sales", "table_group_name": "invoices"}, "sales.invoices"),
        ({"schema_prefix": "crm"}, "crm"),
        ({"schema": "sales", "table": ""}, "sales"),
        ({"host": "db.example.com"}, ""),
        ({}, ""),
    ],
)
def test_the_name_of_each_shape(config: dict[str, Any], name: str) -> None:
    assert natural_key(config) == name


@cache
def services() -> dict[str, Any]:
    with gzip.open(REFERENCE / "services.json.gz") as file:
        found: dict[str, Any] = json.load(file)["services"]
    return found


@needs_reference
def test_every_service_of_fivetran_has_a_shape_of_ours_and_a_name() -> None:
    assert len(services()) > 700
    for service, facts in services().items():
        shape = tuple(facts["schema_format"].split("+"))
        assert shape in NAMING_SHAPES, service
        config = {key: f"{key}_x" for key in shape}
        assert natural_key(config) == ".".join(config.values()), service


# --- against Fivetran's own definition -------------------------------------------------------------------------------


def repaired(node: Any) -> Any:
    """The OpenAPI file with its two known oddities mended.

    The enum of `sync_frequency` holds strings though the type is integer, and string enums say they are objects.
    """
    if isinstance(node, list):
        return [repaired(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: repaired(value) for key, value in node.items()}
    enum = node.get("enum")
    if isinstance(enum, list) and node.get("type") == "integer":
        node["enum"] = [int(value) for value in enum]
    if isinstance(enum, list) and node.get("type") == "object":
        node["type"] = "string"
    return node


@cache
def definition() -> dict[str, Any]:
    with gzip.open(REFERENCE / "openapi.json.gz") as file:
        schemas = json.load(file)["components"]["schemas"]
    return {name: repaired(schema) for name, schema in schemas.items()}


@cache
def validator(service: str) -> Draft202012Validator:
    """The definition of the body for `service`, with everything it refers to and no more."""
    wanted, needed = [f"{service}_NewConnectorRequestV1"], {}
    while wanted:
        name = wanted.pop()
        needed[name] = definition()[name]
        text = json.dumps(needed[name]).split('"$ref": "#/components/schemas/')[1:]
        wanted += [ref for part in text if (ref := part.split('"')[0]) not in needed]
    entry = {"$ref": f"#/components/schemas/{service}_NewConnectorRequestV1", "components": {"schemas": needed}}
    return Draft202012Validator(entry)


identifiers = some.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
BY_TYPE = {
    Type.STRING: some.text(max_size=20),
    Type.ID: identifiers,
    Type.INTEGER: some.integers(1, 100_000),
    Type.BOOLEAN: some.booleans(),
    Type.URI: some.just("https://portal.example.com/handover/return/"),
}


@some.composite
def filled_forms(draw: Any) -> tuple[str, dict[str, Any]]:
    """A service and values for any of the fields, those that do not apply included."""
    service = draw(some.sampled_from(sorted(services())))
    form: dict[str, Any] = {"service": service, "group_id": draw(identifiers)}
    for field in FIELDS:
        if field.path in form or field.constant or not draw(some.booleans()):
            continue
        one_of = some.sampled_from([value for value, _label in field.choices]) if field.choices else BY_TYPE[field.type]
        form[field.path] = draw(one_of)
    for key in services()[service]["schema_format"].split("+"):
        form[f"config.{key}"] = draw(identifiers)
    # What the form demands while these are chosen.
    form.setdefault("connect_card_config.redirect_uri", "https://portal.example.com/handover/return/")
    return service, form


@needs_reference
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(filled_forms() if REFERENCE.is_dir() else some.none())
def test_every_body_is_one_that_fivetran_defines(drawn: tuple[str, dict[str, Any]]) -> None:
    service, form = drawn
    sent = build_body(form)
    validator(service).validate(sent)
    # The definition allows unknown keys; a body of ours holds none.
    assert set(sent) <= {*definition()["NewConnectorRequestV1"]["properties"], "config"}
    assert set(sent.get("connect_card_config", {})) <= set(definition()["ConnectCardConfig"]["properties"])
    assert natural_key(sent["config"])


@needs_reference
def test_the_check_against_the_definition_can_fail() -> None:
    good = build_body(LEAST)
    assert validator("google_sheets").is_valid(good)
    for bad in (
        {**good, "sync_frequency": "360"},
        {**good, "sync_frequency": 7},
        {**good, "paused": "no"},
        {**good, "config": {"schema": "sales"}},
        {**good, "schedule_type": "hourly"},
        {key: value for key, value in good.items() if key != "group_id"},
    ):
        assert not validator("google_sheets").is_valid(bad), bad


def _properties(name: str) -> set[str]:
    """The top-level properties of a schema, those of the schemas that it is made of included."""
    spec = definition()[name]
    parts = (part["$ref"].rpartition("/")[2] for part in spec.get("allOf", ()))
    return set(spec.get("properties", ())).union(*(_properties(part) for part in parts))


@needs_reference
def test_the_fields_and_choices_are_those_of_the_definition() -> None:
    properties = definition()["NewConnectorRequestV1"]["properties"]
    ours = {field.path.split(".")[0] for field in FIELDS if not field.ours}
    whole = set().union(*(_properties(name) for name in definition() if name.endswith("_NewConnectorRequestV1")))
    assert whole == {*ours, *OF_THE_SERVICE, *OF_THE_OWNER}, "every field of the POST has its place"
    for name, holder in (
        ("connect_card_config", "ConnectCardConfig"),
        ("destination_configuration", "DestinationConfiguration"),
    ):
        inner = {field.path.partition(".")[2] for field in FIELDS if field.path.startswith(f"{name}.")}
        assert inner == set(definition()[holder]["properties"]), name
    for name in ("sync_frequency", "data_delay_sensitivity", "schedule_type", "networking_method"):
        assert {value for value, _label in BY_PATH[name].choices} == set(properties[name]["enum"]), name


# --- what people see -------------------------------------------------------------------------------------------------


def test_a_secret_is_masked_wherever_it_stands() -> None:
    seen = masked(
        {
            "service": "mysql",
            "config": {
                "user": "reader",
                "password": "hunter2",
                "nested": {"API_KEY": "k"},
                "list": [{"client_secret": "s", "name": "n"}, "text"],
                "private_key": {"pem": "p"},
                "aws_credentials": {"bucket": "b", "secret_key": "s"},
            },
            "auth": {"refresh_token": None},
        }
    )
    assert seen == {
        "service": "mysql",
        "config": {
            "user": "reader",
            "password": MASK,
            "nested": {"API_KEY": MASK},
            "list": [{"client_secret": MASK, "name": "n"}, "text"],
            "private_key": MASK,
            "aws_credentials": {"bucket": "b", "secret_key": MASK},
        },
        "auth": {"refresh_token": MASK},
    }


def test_masking_leaves_the_body_as_it_is() -> None:
    original = {"config": {"password": "hunter2"}}
    masked(original)
    assert original == {"config": {"password": "hunter2"}}
    assert masked(DEFAULTS) == DEFAULTS


@pytest.mark.parametrize("key", ["password", "Password", "api_key", "oauth_token", "client_secret", "key_passphrase"])
def test_a_secret_is_known_by_its_name(key: str) -> None:
    assert is_secret(key)


def test_a_copy_leaves_masks_and_held_names_out() -> None:
    held = {"service": "mysql", "config.schema": "sales", "config.password": MASK, "config.host": "db"}
    assert copied(held, keep_names=True) == {"service": "mysql", "config.schema": "sales", "config.host": "db"}
    assert copied(held, keep_names=False) == {"service": "mysql", "config.host": "db"}


@pytest.mark.parametrize("path", [*BY_PATH, "config.schema", "config.table", "config.schema_prefix"])
def test_no_field_of_the_request_itself_is_taken_for_a_secret(path: str) -> None:
    assert not any(is_secret(part) for part in path.split("."))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["every 6 hours", "direct connection", "setup tests on"]),
        (
            {"schedule_type": "manual", "run_setup_tests": False, "paused": True},
            ["only when started by hand", "direct connection", "setup tests off", "created paused"],
        ),
        (
            {"sync_frequency": 1440, "daily_sync_time": "14:00", "networking_method": "SshTunnel"},
            ["daily at 14:00 UTC", "by SSH tunnel", "setup tests on"],
        ),
        (
            {"data_delay_sensitivity": "CUSTOM", "data_delay_threshold": 90, "trust_certificates": True},
            [
                "every 6 hours",
                "direct connection",
                "setup tests on",
                "certificates trusted without review",
                "warns after 90 minutes of delay",
            ],
        ),
        (
            {"use_connect_card": True},
            [
                "every 6 hours",
                "direct connection",
                "setup tests after the hand-over",
                "credentials handed over by Connect Card",
            ],
        ),
        ({"daily_sync_time": "14:00"}, ["every 6 hours", "direct connection", "setup tests on"]),
    ],
)
def test_what_is_asked_for_in_words(changes: dict[str, Any], words: list[str]) -> None:
    assert in_words(LEAST | changes) == words


def test_what_an_approver_should_notice() -> None:
    assert risks(build_body(LEAST)) == []
    assert len(risks(body(trust_certificates=True, trust_fingerprints=True, sync_frequency=1))) == 3
    assert risks(body(sync_frequency=1, schedule_type="manual")) == []
