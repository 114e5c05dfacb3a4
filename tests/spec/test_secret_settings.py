"""Secrets that neither their names nor the metadata show: known by Fivetran's OpenAPI file, kept nowhere."""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User

from connections import catalog
from connections.models import ConnectionRequest
from connections.spec import payloads
from connections.states import Status
from tests import catalogs, factories
from tests.contract import openapi
from tests.forms.test_request_form import COMPLETE, NEW

CANARY = "c4n4ry-of-a-secret"
TOLD = {
    "query_param_value": {"type": "string", "title": "Query parameter"},
    "business_id": {"type": "string"},
    "region": {"type": "string"},
}
FILE = Path(payloads.__file__).with_name("secret_settings.json")


def silent() -> list[tuple[str, str]]:
    """(service, key) of every `format: password` of the OpenAPI file whose name does not say so."""
    schemas, found = openapi.document()["components"]["schemas"], []

    def walk(schema: dict[str, Any], service: str, path: tuple[str, ...]) -> None:
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        for name, inner in schema.get("properties", {}).items():
            here = (*path, name)
            if inner.get("format") == "password" and not any(payloads.is_secret(part) for part in here):
                found.append((service, ".".join(here[1:])))
            if len(here) < 6:
                walk(inner, service, here)
                walk(inner.get("items", {}), service, here)

    for name, schema in schemas.items():
        if match := re.fullmatch(r"(\w+)_config_V1", name):
            walk(schema, match[1], ())
    return sorted(set(found))


@openapi.needed
def test_the_list_is_that_of_the_file() -> None:
    stored = json.loads(FILE.read_text())
    assert sorted((service, key) for service, keys in stored.items() for key in keys) == silent()
    assert len(silent()) > 40


@pytest.fixture
def client(as_user: Any) -> Any:
    """The requester; the metadata of `birdeye` marks nothing."""
    catalogs.offered()
    catalogs.tell("salesforce", {})
    catalogs.tell("birdeye", TOLD)
    return as_user("requester")


@pytest.mark.django_db
@pytest.mark.parametrize("action", ["draft", "submit"])
@pytest.mark.parametrize("key", ["query_param_value", "business_id"])
def test_a_value_under_such_a_name_is_kept_nowhere(client: Any, key: str, action: str) -> None:
    sent = {**COMPLETE, "service": "birdeye", f"config__{key}": CANARY, "action": action}
    text = client.post(NEW, sent).content.decode()
    assert f"Leave out {key}" in text and CANARY not in text
    assert not ConnectionRequest.objects.exists()
    typed = {**sent, "user": str(User.objects.get(username="requester").pk)}
    assert client.post("/requests/new/draft/", typed).status_code == 409
    assert not ConnectionRequest.objects.exists()


@pytest.mark.django_db
def test_the_source_owner_is_asked_for_it(client: Any) -> None:
    assert "Query parameter" in catalog.credentials_of("birdeye").secrets
    adopted = {"service": "birdeye", "config.query_param_value": CANARY, "config.region": "EU"}
    assert catalog.without_secrets("birdeye", adopted) == {"service": "birdeye", "config.region": "EU"}


@pytest.mark.django_db
def test_drafts_that_hold_one_already_are_stripped_once() -> None:
    secret = {"config.query_param_value": CANARY, "config.password": CANARY, "config.rows": [{"token": CANARY}]}
    harmless = {"service": "birdeye", "config.region": "EU", "reason": "why"}
    rows = [factories.draft(), factories.draft(), factories.request_in(Status.PENDING)]
    for conn_request, values in zip(rows, ({**harmless, **secret}, harmless, {**harmless, **secret}), strict=True):
        ConnectionRequest.objects.filter(pk=conn_request.pk).update(values=values)
    import_module("connections.migrations.0020_secrets_out_of_drafts").strip(apps, None)
    now = [ConnectionRequest.objects.get(pk=conn_request.pk) for conn_request in rows]
    assert [conn_request.values for conn_request in now] == [
        harmless,
        harmless,
        {**harmless, **secret},
    ]  # the last one is digest-bound
    assert [conn_request.version - old.version for conn_request, old in zip(now, rows, strict=True)] == [1, 0, 0]
