"""The exported Terraform, read back by a parser of its language: the body, in attributes that the provider has."""

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from connections.spec import export
from connections.spec.fields import FIELDS, Type
from connections.spec.payloads import MASK, masked, put_at
from tests.contract import openapi
from tests.sandbox.api import Api, sandbox
from tests.spec import hcl_reader
from tests.spec.export_samples import HOSTILE, JSON, TEXT, body_of

PROVIDER = json.loads(Path(__file__).with_name("terraform_provider.json").read_text())
OF_TYPE: dict[Type, Any] = {Type.INTEGER: 1440, Type.BOOLEAN: True, Type.ID: "an_id", Type.URI: 'https://a/?b="${c}"'}
PLACES = {"name": "schema", "prefix": "schema_prefix"}  # of the provider -> of the config
HOMELESS = (
    "connect_card_config",
    "destination_configuration",
    "destination_schema_names",
    "external_secrets_manager_id",
)


def read_back(source: str) -> dict[str, Any]:
    """The body that the text stands for; fails at an attribute or a type that the provider does not document."""
    connection = hcl_reader.resource(source, "fivetran_connection")
    schedule = hcl_reader.resource(source, "fivetran_connector_schedule")
    _documented(connection, "fivetran_connection")
    _documented(schedule, "fivetran_connector_schedule")
    assert schedule.pop("connector_id").startswith("${fivetran_connection.")
    [names] = connection.pop("destination_schema", [{}])
    _documented(names, "destination_schema")
    config = {PLACES[place]: name for place, name in names.items()} | connection.pop("config", {})
    times = {
        key: value if key in ("daily_sync_time", "schedule_type") else json.loads(value)
        for key, value in schedule.items()
    }
    return connection | times | {"config": config}


def _documented(attributes: Mapping[str, Any], block: str) -> None:
    kinds = {"String": str, "Number": int, "Boolean": bool, "Block": list}
    for name, value in attributes.items():
        if (block, name) != ("fivetran_connection", "config"):  # jsonencode makes a text of what is read here
            assert type(value) is kinds[PROVIDER[block][name]], (block, name, value)


def sent(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without what has no place in Terraform, and with the schedule that the text always says."""
    told = {key: value for key, value in masked(body).items() if key not in HOMELESS}
    return {"paused": False, **told, "config": without_secrets(told.get("config", {}))}


def without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items() if item != MASK}
    return [without_secrets(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("text", HOSTILE)
def test_every_field_is_read_back(text: str) -> None:
    for choice in range(max(len(field.choices) for field in FIELDS)):
        body: dict[str, Any] = {}
        for field in FIELDS:
            choices = [value for value, _label in field.choices]
            if not field.ours:
                put_at(body, field.path, choices[choice % len(choices)] if choices else OF_TYPE.get(field.type, text))
        assert read_back(export.as_terraform(body, "ten_fold")) == sent(body)


@settings(max_examples=60, deadline=None)
@given(value=JSON, key=TEXT, name=TEXT)
def test_what_was_typed_is_read_back(value: Any, key: str, name: str) -> None:
    body = body_of(schema=name, settings=[{"inner": value}], more={"inner": {key: value}})
    assert read_back(export.as_terraform(body)) == sent(body)


def test_an_import_block_names_the_connection() -> None:
    found = hcl_reader.read(export.as_terraform(body_of(schema="sales_eu"), 'an "id"'))
    assert found["import"] == [{"to": "${fivetran_connection.sales_eu}", "id": 'an "id"'}]


@pytest.fixture(scope="module")
def every_service() -> Iterator[Api]:
    """The sandbox, with all of Fivetran's services where their file is at hand."""
    file = openapi.FOLDER / "services.json.gz"
    with sandbox(*(["--catalog", str(file)] if file.exists() else [])) as (api, _):
        yield api


def sample(schema: Mapping[str, Any], texts: Iterator[str]) -> Any:
    """A value of that metadata; texts are such as somebody might type who means harm."""
    match schema.get("type"):
        case "boolean":
            return True
        case "integer" | "number":
            return -(2**53)
        case "array":
            return [sample(schema.get("items", {}), texts), sample(schema.get("items", {}), texts)]
        case "object":
            return {key: sample(inner, texts) for key, inner in schema.get("properties", {}).items()}
    return schema["enum"][-1] if schema.get("enum") else next(texts)


def test_every_setting_of_every_service_is_read_back(every_service: Api) -> None:
    texts = itertools.cycle(HOSTILE)
    kinds = set()
    for service in every_service.get("/v1/metadata/connector-types", limit=1000)["items"]:
        config = every_service.get(f"/v1/metadata/connector-types/{service['id']}")["config"]["properties"]
        kinds |= {spec.get("type") for spec in config.values()}
        body = {
            "service": service["id"],
            "group_id": "g",
            "config": {key: sample(spec, texts) for key, spec in config.items()},
        }
        assert read_back(export.as_terraform(body)) == sent(body), service["id"]
    assert kinds >= {"string", "integer", "boolean", "array", "object"}
