"""Whether the form hands the credentials over by default: as the service's metadata says, and never against a word."""

from typing import Any

import pytest
from django.test import Client

from connections.forms import Purpose, RequestForm
from connections.models import CatalogEntry, CatalogRefresh, ConnectionRequest, Kind
from connections.views.request_form import prefill_link

pytestmark = pytest.mark.django_db
NEW = "/requests/new/"
_SCHEMA = {"schema": {"type": "string"}}
DETAILS: dict[str, dict[str, Any]] = {
    "with_secret": {"config": {"required": ["schema"], "properties": {**_SCHEMA, "pin": {"format": "password"}}}},
    "with_auth": {
        "config": {"required": ["schema"], "properties": _SCHEMA},
        "auth": {"type": "object", "properties": {"refresh_token": {"type": "string"}}},
    },
    "with_service_account": {
        "config": {
            "required": ["schema"],
            "properties": {**_SCHEMA, "auth_type": {"type": "string", "enum": ["ServiceAccount", "OAuth"]}},
        },
        "auth": {"type": "object", "properties": {"refresh_token": {"type": "string"}}},
    },
    "with_empty_auth": {"config": {"required": ["schema"], "properties": _SCHEMA}, "auth": {"properties": {}}},
    "without": {"config": {"required": ["schema"], "properties": _SCHEMA}, "auth": None},
}
ASKS = {
    "with_secret": True,
    "with_auth": True,
    "with_service_account": False,
    "with_empty_auth": False,
    "without": False,
    "": False,
    "unheard": False,
}


@pytest.fixture(autouse=True)
def told(groups: None) -> None:
    """What Fivetran told of five services."""
    from django.utils import timezone

    now = timezone.now()
    CatalogEntry.objects.bulk_create(
        CatalogEntry(kind=Kind.SERVICE, fivetran_id=name, name=name, detail=detail, detail_at=now, detail_tried_at=now)
        for name, detail in DETAILS.items()
    )
    CatalogRefresh.objects.create(kind=Kind.SERVICE, fetched_at=now)


def ticked(form: RequestForm) -> bool:
    """Whether the hand-over is chosen."""
    return bool(form.values()["use_connect_card"])


@pytest.mark.parametrize(("service", "asks"), ASKS.items())
def test_a_new_form_hands_over_where_the_service_has_a_secret_or_an_authorisation(service: str, asks: bool) -> None:
    form = RequestForm.from_link({"service": service} if service else {})
    assert ticked(form) is asks
    assert form.values()["run_setup_tests"] is not asks
    assert form.config_for_the_browser()["suggestsCard"] is asks


def test_a_word_in_the_link_counts_more() -> None:
    assert not ticked(RequestForm.from_link({"service": "with_secret", "use_connect_card": "false"}))
    assert ticked(RequestForm.from_link({"service": "without", "use_connect_card": "true"}))
    tests_at_once = RequestForm.from_link({"service": "with_secret", "run_setup_tests": "true"})
    assert not ticked(tests_at_once) and "run_setup_tests" not in tests_at_once.errors
    both = RequestForm.from_link({"service": "with_secret", "run_setup_tests": "true", "use_connect_card": "true"})
    assert "run_setup_tests" in both.errors


def test_what_was_posted_is_what_was_meant() -> None:
    filled = {"service": "with_secret", "config__schema": "x", "run_setup_tests": "on"}
    assert not ticked(RequestForm.from_post(filled, Purpose.SUBMIT))
    assert not ticked(RequestForm.from_post({**filled, "drawn_for": "with_secret"}, Purpose.SUBMIT))
    assert not ticked(RequestForm.from_post({**filled, "drawn_for": ""}, Purpose.SUBMIT))


def test_without_javascript_a_new_service_brings_its_default() -> None:
    chosen = {"service": "with_secret", "drawn_for": "", "run_setup_tests": "on"}
    assert ticked(RequestForm.from_post({**chosen, "action": "fields"}, Purpose.KEEP))
    assert ticked(RequestForm.from_post({**chosen, "action": "submit"}, Purpose.SUBMIT))  # to be drawn again
    drawn = {**chosen, "drawn_for": "with_secret", "action": "fields"}
    assert not ticked(RequestForm.from_post(drawn, Purpose.KEEP))  # somebody unticked it


def test_stored_values_keep_their_word_and_a_copy_of_what_is_live_asks_anew() -> None:
    assert not ticked(RequestForm.from_values({"service": "with_secret", "use_connect_card": False}))
    assert ticked(RequestForm.from_values({"service": "with_secret"}))


def test_the_link_of_a_form_says_what_differs_from_the_services_default() -> None:
    usual = prefill_link.link(RequestForm.from_link({"service": "with_secret"}), "").address
    assert "use_connect_card" not in usual
    other = prefill_link.link(
        RequestForm.from_link({"service": "with_secret", "use_connect_card": "false"}), ""
    ).address
    assert not ticked(RequestForm.from_link(dict([pair.split("=", 1) for pair in other.split("?")[1].split("&")])))


def test_a_submission_as_the_page_stood_asks_for_the_hand_over(as_user: Any) -> None:
    client: Client = as_user("requester")
    page = client.get(NEW, {"service": "with_secret"}).content.decode()
    assert 'name="drawn_for" value="with_secret"' in page
    box = page[page.index('name="use_connect_card"') - 100 :][:250]
    assert "checked" in box
    client.post(
        NEW,
        {
            "service": "with_secret",
            "group_id": "g",
            "config__schema": "sales",
            "reason": "Report",
            "use_connect_card": "on",
            "source_owner": "approver@example.com",
        },
    )
    conn_request = ConnectionRequest.objects.get()
    assert conn_request.payload is not None
    assert conn_request.payload["run_setup_tests"] is False
    assert conn_request.payload["connect_card_config"]["redirect_uri"].endswith("/handover/return/")


def test_a_source_owner_that_cannot_be_one_is_refused_on_the_field(as_user: Any) -> None:
    sent = {"service": "without", "group_id": "g", "config__schema": "s", "reason": "r", "source_owner": "nobody here"}
    text = as_user("requester").post(NEW, sent).content.decode()
    assert 'id="id_source_owner_error"' in text and "Enter a username of this portal" in text
    assert not ConnectionRequest.objects.exists()
