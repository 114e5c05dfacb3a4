"""The sandbox against Fivetran's published OpenAPI file: every answer, every service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from connections.sandbox import catalog
from connections.sandbox.cli import OTHERS
from connections.sandbox.collection import COLLECTIONS, Collection
from tests.contract import openapi
from tests.sandbox.api import Api, sandbox
from tests.sandbox.test_collections import base, body_of, by_kind

pytestmark = openapi.needed
CARD = {"connect_card_config": {"redirect_uri": "https://portal.example.com/back"}}


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """A sandbox with its own services only."""
    with sandbox() as (api, _):
        yield api


@pytest.fixture(scope="module")
def whole() -> Iterator[Api]:
    """A sandbox with all services of Fivetran's file."""
    with sandbox("--catalog", str(openapi.FOLDER / "services.json.gz")) as (api, _):
        yield api


def made(api: Api, name: str, **fields: Any) -> str:
    """The id of a new connection."""
    identifier: str = api.create(name, **fields).json()["data"]["id"]
    return identifier


def test_the_validators_can_fail() -> None:
    assert openapi.schema_errors("GroupResponse", {"id": 1, "name": "x", "created_at": "2024-01-01T00:00:00Z"})
    assert openapi.schema_errors("ConnectorResponseV1", {})
    assert openapi.answer_errors("/v1/groups", "get", 200, {"code": "Success", "data": {}})
    assert openapi.schema_errors("NewConnectorRequestV1", {"group_id": "g", "service": "s", "sync_frequency": 7})
    assert not openapi.schema_errors("NewConnectorRequestV1", {"group_id": "g", "service": "s", "sync_frequency": 60})


READ = [
    ("/v1/account/info", {}),
    ("/v1/groups", {"limit": 2}),
    ("/v1/groups/{groupId}", {}),
    ("/v1/groups/{groupId}/public-key", {}),
    ("/v1/groups/{groupId}/service-account", {}),
    ("/v1/groups/{groupId}/connections", {"limit": 1}),
    ("/v1/destinations", {}),
    ("/v1/destinations/{destinationId}", {}),
    ("/v1/metadata/connector-types", {"limit": 1000}),
    ("/v1/metadata/connector-types/{service}", {}),
    ("/v1/connections", {}),
    ("/v1/connections/{connectionId}", {}),
    ("/v1/connections/{connectionId}/certificates", {}),
    ("/v1/connections/{connectionId}/fingerprints", {}),
    ("/v1/private-links", {}),
    ("/v1/proxy", {}),
    ("/v1/hybrid-deployment-agents", {}),
    ("/v1/webhooks", {}),
]


@pytest.mark.parametrize(("path", "query"), READ)
def test_reading(api: Api, path: str, query: dict[str, Any]) -> None:
    names = {"groupId": "amber_harbor", "destinationId": "amber_harbor", "service": "google_ads"}
    if "connections" in path:
        names["connectionId"] = made(api, f"read_{READ.index((path, query))}")
    answer = api.call("GET", path.format(**names), params=query)
    assert answer.status_code == 200
    assert openapi.answer_errors(path, "get", 200, answer.json()) == []


def test_every_destination_link_and_agent_in_detail(api: Api) -> None:
    for destination in api.get("/v1/destinations")["items"]:
        detail = api.get(f"/v1/destinations/{destination['id']}")
        name = f"{destination['service']}_DestinationExtendedResponse"
        assert openapi.schema_errors(name, detail) == []
    for link in api.get("/v1/private-links")["items"]:
        assert openapi.schema_errors(f"{link['service'].lower()}_PrivateLinkResponse", link) == []


def test_public_connector_types(api: Api) -> None:
    for item in api.call("GET", "/public/connector-types", auth=None).json()["data"]:
        assert openapi.schema_errors("MetadataResponse", item) == []


@pytest.mark.parametrize("name", ["plain", "cert_x", "finger_x", "fails_x", "warns_x", "huge_x"])
@pytest.mark.parametrize(
    "fields", [{}, {"run_setup_tests": False} | CARD, {"sync_frequency": 1440, "daily_sync_time": "03:00"}]
)
def test_creating_testing_changing_deleting(api: Api, name: str, fields: dict[str, Any]) -> None:
    created = api.create(f"{name}{len(str(fields))}", **fields)
    assert openapi.answer_errors("/v1/connections", "post", 201, created.json()) == []
    path = f"/v1/connections/{created.json()['data']['id']}"
    pattern = "/v1/connections/{connectionId}"
    for method, tail, body in (
        ("POST", "/test", {"trust_certificates": True, "trust_fingerprints": True}),
        ("PATCH", "", {"paused": True}),
        ("POST", "/connect-card", CARD),
        ("POST", "/certificates", {"hash": "h", "encoded_cert": "c"}),
        ("DELETE", "", None),
    ):
        answer = api.call(method, path + tail, json=body)
        # Live, an approved certificate is answered 201, of which the file knows nothing.
        assert answer.status_code == (201 if tail == "/certificates" else 200), answer.text
        assert openapi.answer_errors(pattern + tail, method, 200, answer.json()) == []


def test_syncing_and_approving_a_fingerprint(api: Api) -> None:
    path = f"/v1/connections/{made(api, 'fingers')}"
    synced = api.call("POST", f"{path}/sync", json={"force": False})
    assert openapi.answer_errors("/v1/connections/{connectionId}/sync", "post", 200, synced.json()) == []
    approved = api.call("POST", f"{path}/fingerprints", json={"hash": "h", "public_key": "k"})
    assert approved.status_code == 201
    # the file leaves the envelope out here, live answers have it
    assert openapi.schema_errors("FingerprintDetailsResponse", approved.json()["data"]) == []
    for kind, schema in (
        ("fingerprints", "FingerprintDetailsResponse"),
        ("certificates", "CertificateDetailsResponse"),
    ):
        api.call("POST", f"{path}/{kind}", json={"hash": "h", "public_key": "k", "encoded_cert": "c"})
        assert [openapi.schema_errors(schema, item) for item in api.get(f"{path}/{kind}")["items"]] == [[]]


VALUES = {
    "region": "GCP_US_EAST4",
    "time_zone_offset": "+1",
    "env_type": "DOCKER",
    "schedule": {"schedule_type": "CRON"},
}
READ_ONLY = ("packages", "package_metadata", "esm_entities")  # of which nobody makes one by JSON
SERVICES = {"destinations": "snowflake", "private_links": "SOURCE_GCP", "external_logging": "cloudwatch"}
TYPES = {"external_secrets_managers": "HASHICORP_VAULT", "transformations": "QUICKSTART"}


def asked(collection: Collection) -> dict[str, Any]:
    """A body that Fivetran's file knows too."""
    kinds = {"service": SERVICES.get(collection.kind), "type": TYPES.get(collection.kind, "DBT_CORE")}
    body = body_of(collection)
    return body | {name: value for name, value in (VALUES | kinds).items() if name in body}


def errors(path: str, method: str, status: int, value: Any) -> list[str]:
    """What is wrong with an answer beside nulls and lower case: the file knows neither, live answers have both."""
    # Each path of the file names its ids in its own way.
    known = [
        one
        for one, methods in openapi.document()["paths"].items()
        if method in methods and re.sub(r"{\w+}", "{}", one) == re.sub(r"{\w+}", "{}", path)
    ]
    data = value["data"]
    for item in data.get("items", [data]):
        if "setup_status" in item:
            item["setup_status"] = item["setup_status"].upper()
    found = openapi.answer_errors(known[0], method, status, value)
    return [error for error in found if ": None is not of type" not in error]


@pytest.mark.parametrize("collection", [one for one in COLLECTIONS if one.kind not in READ_ONLY], ids=by_kind)
def test_what_the_account_has(api: Api, collection: Collection) -> None:
    path = base(api, collection)
    if "create" in collection.methods:
        made = api.call("POST", path, json=asked(collection)).json()
        assert errors(collection.path, "post", 201, made) == []
        item_id = made["data"].get(collection.id or ("agent_id" if collection.only_once else "id"), "faded_willow")
        shown = api.call("GET", f"{path}/{item_id}").json()
        assert errors(f"{collection.path}/{{item_id}}", "get", 200, shown) == []
    assert errors(collection.path, "get", 200, api.call("GET", path).json()) == []


def test_webhooks(api: Api) -> None:
    body = {"url": "https://example.com/hook", "events": ["sync_end"]}
    answer = api.call("POST", "/v1/webhooks/account", json=body)
    assert openapi.answer_errors("/v1/webhooks/account", "post", 200, answer.json()) == []
    path = f"/v1/webhooks/{answer.json()['data']['id']}"
    tested = api.call("POST", f"{path}/test", json={"event": "sync_end"})
    assert openapi.answer_errors("/v1/webhooks/{webhookId}/test", "post", 200, tested.json()) == []


def body_for(service: str, keys: list[str], name: str) -> dict[str, Any]:
    """A body with nothing but the naming keys."""
    config = dict.fromkeys(keys, "cells") | {keys[0]: name}
    return {"group_id": "amber_harbor", "service": service, "config": config}


def assert_created(api: Api, item: dict[str, Any]) -> None:
    """The service's metadata, a body for it, and the answer to that body are all as the file says."""
    detail = api.get(f"/v1/metadata/connector-types/{item['id']}")
    assert openapi.schema_errors("MetadataResponse", detail) == []
    body = body_for(item["id"], detail["config"]["required"], f"all_{item['id']}")
    assert openapi.schema_errors(f"{item['id']}_NewConnectorRequestV1", body) == []
    answer = api.call("POST", "/v1/connections", json=body)
    assert answer.status_code == 201, answer.text
    assert openapi.schema_errors(f"{item['id']}_ConnectorResponseV1", answer.json()["data"]) == []


def test_every_service_of_its_own_is_accepted_in_its_own_shape(api: Api) -> None:
    for item in api.get("/v1/metadata/connector-types", limit=1000)["items"]:
        assert_created(api, item)


def test_every_service_of_the_file_is_accepted_too(whole: Api) -> None:
    items = whole.get("/v1/metadata/connector-types", limit=1000)["items"]
    assert len(items) == len(openapi.read("services.json.gz")["services"])
    for item in items:
        assert_created(whole, item)


def _shape(spec: dict[str, Any]) -> tuple[Any, ...]:
    kind = spec.get("type") or ("string" if "enum" in spec else None)
    secret = spec.get("format") == "password" or bool(spec.get("secret"))
    return kind, tuple(spec.get("enum", ())), secret


def test_what_is_written_by_hand_exists_at_fivetran() -> None:
    published = openapi.read("services.json.gz")["services"]
    for service in catalog.load(OTHERS):
        known = published[service.id]
        assert service.format == known["schema_format"], service.id
        for name, spec in service.config.items():
            if name not in service.naming:
                assert _shape(spec) == _shape(known["config"][name]), (service.id, name)
        assert set(service.auth) <= set(known["auth"] or {}), service.id
        assert service.external_secrets <= known["external_secrets"], service.id
        for name in (
            *service.defaults,
            *service.card,
            *(key for test in service.tests for key in test.get("needs", ())),
        ):
            assert name in service.config or name == "@credentials", (service.id, name)
