"""The fields that stand under Advanced, wherever a field of the body is shown: each page, each export, each copy."""

from typing import Any

import pytest
from django.test import Client

from connections.forms.batch import COLUMNS, judge, read_table
from connections.models import ConnectionRequest
from connections.spec import drift, export, payloads
from tests.forms.test_config import ANY, NEW, client, page

__all__ = ["client"]
pytestmark = pytest.mark.django_db
WAREHOUSE = "destination_configuration.virtual_warehouse"
ASKED = {
    **ANY,
    "service": "salesforce",
    "config__schema": "crm",
    "run_setup_tests": "",
    "use_connect_card": "on",
    "connect_card_config__all_fields": "on",
    "destination_configuration__virtual_warehouse": "LOADING_WH",
    "external_secrets_manager_id": "esm_one",
}
HELD = {
    "destination_configuration": {"virtual_warehouse": "LOADING_WH"},
    "external_secrets_manager_id": "esm_one",
}


def whole(body: dict[str, Any]) -> bool:
    """Whether `body` holds all that was asked for."""
    return body.items() >= HELD.items() and body["connect_card_config"]["all_fields"] is True


@pytest.fixture
def filed(client: Client) -> ConnectionRequest:
    """The request that was filled in under Advanced."""
    assert client.post(NEW, ASKED).status_code == 302
    return ConnectionRequest.objects.get()


def test_the_body_and_what_people_see_of_it(client: Client, filed: ConnectionRequest) -> None:
    body = filed.payload or {}
    assert whole(body) and whole(payloads.masked(body))
    shown = page(client.get(f"/requests/{filed.pk}/"))
    assert "LOADING_WH" in shown and "esm_one" in shown and "all_fields" in shown
    assert {
        "virtual warehouse LOADING_WH",
        "external secrets manager ID esm_one",
        "all fields in the Connect Card",
    } <= set(payloads.in_words(filed.values))


@pytest.mark.parametrize("page_of", ["edit", "clone"])
def test_an_edit_and_a_copy_have_them(client: Client, filed: ConnectionRequest, page_of: str) -> None:
    shown = page(client.get(f"/requests/{filed.pk}/{page_of}/"))
    assert 'value="LOADING_WH"' in shown and 'value="esm_one"' in shown
    assert 'id="group_advanced" open' in " ".join(shown.split())


def test_a_link_and_a_table_take_them(client: Client) -> None:
    shown = page(client.get(NEW, ASKED))
    assert 'value="LOADING_WH"' in shown and "There is a problem" not in shown
    assert {name for name in ASKED if name not in ("config__schema",)} <= set(COLUMNS)
    [row] = judge(read_table("\t".join(ASKED) + "\n" + "\t".join(ASKED.values())))
    assert row.is_good and row.form is not None and whole(payloads.build_body(row.form.values()))


def test_the_exports_have_them_or_say_that_there_is_no_place(filed: ConnectionRequest) -> None:
    body = payloads.masked(filed.payload or {})
    root = "https://api.fivetran.com"
    ways = (export.as_curl(body, root), export.as_python(body, root), export.as_conductor(body, root))
    for text in (export.as_json(body), *ways):
        assert '"virtual_warehouse": "LOADING_WH"' in text and '"external_secrets_manager_id": "esm_one"' in text
    told = export.as_terraform(body).partition("The provider has no place")[2]
    assert {"# - connect_card_config", "# - destination_configuration", "# - external_secrets_manager_id"} <= set(
        told.splitlines()
    )


def test_the_administration_shows_them(as_user: Any, filed: ConnectionRequest) -> None:
    shown = page(as_user("admin").get(f"/admin/connections/connectionrequest/{filed.pk}/change/"))
    assert "LOADING_WH" in shown and "esm_one" in shown


def test_another_warehouse_at_fivetran_is_a_difference(filed: ConnectionRequest) -> None:
    body = filed.payload or {}
    live = {**HELD, "destination_configuration": {"virtual_warehouse": "OTHER_WH"}}
    found = [{"field": WAREHOUSE, "approved": "LOADING_WH", "live": "OTHER_WH"}]
    assert drift.drift(body, live) == found
    assert drift.drift(body, drift.live_fields(live)) == found, "as it is stored"
    assert drift.drift(body, HELD) == drift.drift(body, {}) == []
    assert [d["field"] for d in drift.drift(body, {"external_secrets_manager_id": "esm_two"})] == [
        "external_secrets_manager_id"
    ]


def test_a_copy_of_what_fivetran_describes_has_them() -> None:
    described = payloads.described(
        {"service": "salesforce", **HELD, "connect_card_config": {"redirect_uri": "https://x"}}
    )
    assert described[WAREHOUSE] == "LOADING_WH" and described["external_secrets_manager_id"] == "esm_one"
    assert not [path for path in described if path.startswith("connect_card_config")]
