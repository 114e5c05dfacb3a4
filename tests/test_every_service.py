"""Every service of Fivetran's, asked for through the pages alone: what is drawn is filled, posted, stored and valid."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from connections import catalog
from connections.models import ConnectionRequest
from connections.states import Status
from tests import processes
from tests.contract import openapi

pytestmark = [pytest.mark.django_db, pytest.mark.slow, openapi.needed]

NEW, SWITCH = "/requests/new/", "/requests/new/config/"
NAMING = ("schema", "table", "table_group_name", "schema_prefix")


class Drawn(HTMLParser):
    """The controls of a fragment: name -> the values of a select; None for a text, "" for one of several lines."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.controls: dict[str, list[str] | str | None] = {}
        self._select: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a control, or an option of the one before it."""
        told = dict(attrs)
        name = told.get("name") or ""
        if tag == "option":
            self._select.append(told.get("value") or "")
        elif name.startswith(("config__", "external_secrets_")):
            self._select = []
            self.controls[name] = self._select if tag == "select" else "" if tag == "textarea" else None


@pytest.fixture
def whole(settings: Any) -> Iterator[None]:
    """A portal that learnt its services from a sandbox with all of Fivetran's."""
    with processes.sandbox(catalog=openapi.FOLDER / "services.json.gz") as stand_in:
        settings.FIVETRAN_BASE_URL = stand_in.url
        settings.FIVETRAN_IS_LOCAL = True
        assert not any(catalog.refresh_all().values())
        yield


def published(service: str) -> dict[str, Any]:
    """The settings of a service in Fivetran's OpenAPI file."""
    told = openapi.document()["components"]["schemas"][f"{service}_config_V1"].get("properties", {})
    found: dict[str, Any] = told.get("config", {}).get("properties", {})
    return found


def listed(name: str, properties: dict[str, Any]) -> str:
    """The first value that Fivetran takes in the list `name`: the services' own file leaves these out."""
    spec: dict[str, Any] = {"properties": properties}
    for part in name.split("__")[1:]:
        spec = spec.get("items", {}) if part.isdigit() else spec.get("properties", {}).get(part, {})
    return str(spec.get("items", {}).get("enum", ["5"])[0])


def typed(drawn: Drawn, service: str, name: str) -> dict[str, str]:
    """What a person could type: a text that is a number too, the last choice of each list, a name of its own."""
    texts = {}
    for control, kind in drawn.controls.items():
        if control.removeprefix("config__") in NAMING:
            texts[control] = name
        elif isinstance(kind, list):
            texts[control] = kind[-1]
        else:
            texts[control] = "5" if kind is None else listed(control, published(service))
    return texts


def wrong_with(client: Client, service: dict[str, Any], name: str) -> str:
    """File a request for `service` by what its form draws; what is wrong with its stored body, empty for nothing."""
    about = {"service": service["id"], "group_id": "gentle_prairie", "reason": "Weekly report"}
    drawn = Drawn(client.post(SWITCH, about).content.decode())
    names = {key for key in NAMING if f"config__{key}" in drawn.controls}
    if names != set(service["naming"]):
        return f"the form asks for {sorted(names)}"
    answer = client.post(NEW, {**about, "run_setup_tests": "on", **typed(drawn, service["id"], name)})
    if answer.status_code != 302:
        return f"refused: {re.findall(r'field-error.*?</div>', answer.content.decode(), re.S)}"
    stored = ConnectionRequest.objects.get(pk=int(answer["Location"].strip("/").rpartition("/")[2]))
    assert stored.status == Status.PENDING and stored.payload is not None
    config = stored.payload["config"]
    if {key for key in NAMING if key in config} != names or stored.schema.split(".")[0] != name:
        return f"it is named by {config}"
    return "; ".join(openapi.schema_errors(f"{service['id']}_NewConnectorRequestV1", stored.payload))


def test_a_request_for_every_service_goes_through_the_form(as_user: Any, whole: None) -> None:
    client, services = as_user("requester"), openapi.read("services.json.gz")["services"]
    offered = {row[0] for row in client.get("/requests/new/services.json").json()["services"]}
    assert len(services) > 700 and set(services) <= offered
    wrong = {}
    for number, (service, told) in enumerate(sorted(services.items())):
        about = {"id": service, "naming": told["schema_format"].split("+")}
        if found := wrong_with(client, about, f"name_{number}"):
            wrong[service] = found
    assert wrong == {}, json.dumps(wrong, indent=1)[:4000]
    bodies = ConnectionRequest.objects.values_list("payload", flat=True)
    assert sum(len((body or {})["config"]) for body in bodies) > 3 * len(services), "the settings are in the bodies"
