"""The request form: what it refuses and with which words, what it drops, what it never loses."""

import html
import re
from typing import Any

import pytest
from django.test import Client

from connections.fields import FIELDS
from connections.models import ConnectionRequest
from connections.states import Status
from tests import catalogs

pytestmark = pytest.mark.django_db

NEW = "/requests/new/"
COMPLETE = {
    "service": "google_sheets",
    "group_id": "projected_sickle",
    "config__schema": "sales",
    "config__table": "orders",
    "reason": "Weekly sales report",
    "run_setup_tests": "on",
}


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, in front of a form that knows what Fivetran offers."""
    catalogs.offered()
    return as_user("requester")


def page(response: Any) -> str:
    """The answer's HTML; it has to be a page."""
    assert response.status_code == 200
    return str(response.content.decode())


def error_of(text: str, name: str) -> str:
    """The words of the error beside control `name`; empty where there is none."""
    found = re.search(rf'<div id="id_{name}_error"[^>]*>(.*?)</div>', text, re.S)
    words = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", found[1]))) if found else ""
    return words.replace("Error:", "").strip()


def stored() -> ConnectionRequest:
    """The one request that there is."""
    return ConnectionRequest.objects.get()


def test_a_complete_form_becomes_a_request(client: Client) -> None:
    response = client.post(NEW, COMPLETE)
    assert response["Location"] == f"/requests/{stored().pk}/"
    assert stored().state is Status.PENDING
    assert stored().payload == {
        "service": "google_sheets",
        "group_id": "projected_sickle",
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
    assert (stored().service_name, stored().group_name) == ("Google Sheets", "Warehouse")


def test_every_field_has_a_control_with_its_name(client: Client) -> None:
    text = page(client.get(f"{NEW}?service=google_sheets"))
    for field in FIELDS:
        if not field.constant:
            assert f'name="{field.name}"' in text, field.path
    assert 'name="config__schema"' in text and 'name="config__table"' in text
    assert 'name="config__schema_prefix"' not in text
    assert "FIVETRAN_NAMING" in text
