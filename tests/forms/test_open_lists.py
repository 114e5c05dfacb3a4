"""Lists of a service's settings: every value that Fivetran lists can be chosen, and any other one can be typed."""

import html
import re
from typing import Any

import pytest
from django.test import Client

from connections.forms.config_controls import ANOTHER, TYPE_IT, UNLISTED
from connections.models import ConnectionRequest
from tests import catalogs
from tests.contract import openapi
from tests.forms.test_request_form import COMPLETE, error_of

pytestmark = pytest.mark.django_db
NEW = "/requests/new/"
ZONES = [f"Zone/{number}" for number in range(635)] + ["UTC"]
METHODS = ["TELEPORT", "QUERY_BASED"]
TOLD: dict[str, Any] = {
    "update_method": {"type": "string", "enum": METHODS, "title": "Update method"},
    "report_timezone": {"type": "object", "enum": ZONES, "title": "Report time zone"},
    "reports": {
        "type": "array",
        "title": "Reports",
        "items": {
            "properties": {
                "zone": {"type": "string", "enum": ZONES, "title": "Zone"},
                "fields": {"type": "array", "title": "Fields", "items": {"type": "string", "enum": ZONES[:140]}},
            }
        },
    },
}
CRM = {**COMPLETE, "service": "salesforce", "config__schema": "crm"}


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, with a service that has short, long and repeated lists."""
    catalogs.offered()
    catalogs.tell("salesforce", TOLD)
    client: Client = as_user("requester")
    return client


def drawn(client: Client, post: dict[str, str]) -> str:
    """The page's own text."""
    answer = client.post(NEW, post)
    assert answer.status_code == 200, answer.status_code
    return html.unescape(answer.content.decode().partition("<main")[2])


def list_of(text: str, name: str) -> str:
    """The select called `name`; empty where it is none."""
    found = re.search(rf'<select[^>]*name="{name}".*?</select>', text, re.S)
    return found[0] if found else ""


def sent(client: Client, post: dict[str, str]) -> dict[str, Any]:
    """The settings in the body of the request that `post` becomes."""
    answer = client.post(NEW, post)
    assert answer.status_code == 302, re.findall(r"<li>(.*?)</li>", answer.content.decode())[:9]
    config: dict[str, Any] = (ConnectionRequest.objects.get().payload or {})["config"]
    return config


def test_every_value_of_a_long_list_can_be_chosen(client: Client) -> None:
    text = drawn(client, {**CRM, "action": "fields"})
    assert len(re.findall("<option", list_of(text, "config__report_timezone"))) == len(ZONES) + 2
    assert sent(client, {**CRM, "config__report_timezone": "UTC"})["report_timezone"] == "UTC"
    again = html.unescape(client.get(f"/requests/{ConnectionRequest.objects.get().pk}/edit/").content.decode())
    assert '<option value="UTC" selected>UTC</option>' in again and UNLISTED not in again.split("config__reports")[1]


def test_a_value_that_is_not_listed_is_asked_for_without_a_script(client: Client) -> None:
    """Chosen in the list, the next page has a text in its place, whatever button was pressed."""
    for action in ("fields", "draft", "submit"):
        text = drawn(client, {**CRM, "config__update_method": ANOTHER, "action": action})
        control = re.search(r'<input[^>]*name="config__update_method"[^>]*>', text)
        assert control and "value=" not in control[0] and ANOTHER not in control[0]
        assert error_of(text, "config__update_method") == TYPE_IT and UNLISTED in text
        assert re.search(r'<datalist id="values_config__update_method"><option value="TELEPORT">', text)
    assert not ConnectionRequest.objects.exists()
    assert sent(client, {**CRM, "config__update_method": "XMIN"})["update_method"] == "XMIN"


def test_what_was_typed_stands_in_the_list_with_the_warning(client: Client) -> None:
    text = drawn(client, {**CRM, "config__update_method": "XMIN", "action": "fields"})
    assert '<option value="XMIN" selected>XMIN (not listed)</option>' in list_of(text, "config__update_method")
    assert UNLISTED in text and f'<option value="{ANOTHER}">' in list_of(text, "config__update_method")


def test_a_hidden_wish_is_no_error(client: Client) -> None:
    catalogs.told()
    post = {**COMPLETE, "service": "postgres", "config__schema_prefix": "crm", "config__no_such": ANOTHER}
    assert ANOTHER not in str(sent(client, post))


def test_entries_share_the_values_of_a_long_list(client: Client) -> None:
    entries = {f"config__reports__{number}__zone": zone for number, zone in enumerate(["UTC", "Zone/1", "Mars"])}
    text = drawn(client, {**CRM, **entries, "action": "fields"})
    for name, zone in entries.items():
        assert re.search(rf'<input[^>]*name="{name}" value="{zone}" list="values_config__reports__zone"', text) or (
            re.search(rf'<input[^>]*name="{name}"[^>]*value="{zone}"[^>]*list="values_config__reports__zone"', text)
        ), re.findall(rf'<input[^>]*name="{name}"[^>]*>', text)
    assert text.count('<datalist id="values_config__reports__zone">') == 1 and text.count('value="Zone/634"') == 2
    assert 'id="id_config__reports__2__zone_warning"' in text and "reports__1__zone_warning" not in text
    assert sent(client, {**CRM, **entries})["reports"] == [{"zone": zone} for zone in entries.values()]


def test_the_values_of_a_list_of_values_can_be_read(client: Client) -> None:
    more = {f"config__reports__{number}__fields": "Zone/1" for number in range(3)}
    text = drawn(client, {**CRM, **more, "action": "fields"})
    assert text.count("The 140 values that Fivetran lists") == 1 and "Zone/138, Zone/139" in text


@openapi.needed
def test_no_list_of_fivetrans_is_cut(client: Client) -> None:
    config = openapi.document()["components"]["schemas"]["criteo_config_V1"]["properties"]["config"]
    catalogs.tell("criteo", config["properties"])
    text = drawn(client, {**COMPLETE, "service": "criteo", "action": "fields"})
    zones = list_of(text, "config__report_timezone")
    assert '<option value="UTC">UTC</option>' in zones
    assert len(re.findall("<option", zones)) == len(config["properties"]["report_timezone"]["enum"]) + 2 > 600
