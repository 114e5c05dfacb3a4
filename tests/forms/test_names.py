"""The form's words about names and sources: the rule, who has a name, what reads a source, and the fuller review."""

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections.models import CatalogEntry, CatalogRefresh, ConnectionRequest, Kind, PortalPolicy
from connections.spec import source_key
from connections.states import Status
from connections.views.request_form.review_panel import checks, syncs
from tests import catalogs, factories

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

REVIEW = "/requests/new/review/"
FILLED = {
    "service": "google_sheets",
    "group_id": "projected_sickle",
    "config__schema": "sales",
    "config__table": "orders",
    "reason": "Weekly report",
}
POSTGRES = {"service": "postgres", "group_id": "projected_sickle", "reason": "CRM"}
HOST = "db.example.com"


@pytest.fixture
def offered() -> None:
    catalogs.offered()
    detail = {
        "config": {
            "required": ["schema_prefix", "host"],
            "properties": {"schema_prefix": {"type": "string"}, "host": {"type": "string", "title": "Host"}},
        }
    }
    CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id="postgres").update(detail=detail)


def drawn(client: Client, **posted: str) -> str:
    """The text of the panel and of the notes, as a person reads them."""
    answer = client.post(REVIEW, {**FILLED, **posted})
    assert answer.status_code == 200
    text = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return " ".join(html.unescape(text).split())


def rule(template: str, words: str = "") -> None:
    PortalPolicy.objects.create(pk=1, naming_template=template, naming_help=words)


def live(schema: str, *, source: str = "", connection_id: str = "tender_ape", group: str = "projected_sickle") -> None:
    data = {"id": connection_id, "group_id": group, "service": "postgres", "schema": schema, "setup_state": "connected"}
    CatalogEntry.objects.create(
        kind=Kind.CONNECTION, fivetran_id=connection_id, name=schema, data=data, source_key=source
    )


# --- the rule --------------------------------------------------------------------------------------------------------


def test_without_a_rule_nothing_is_said_about_one(as_user: Any, offered: None) -> None:
    page = as_user("requester").get("/requests/new/?service=google_sheets").content.decode()
    assert "Name by the rule" not in page
    assert "naming__" not in page


def test_the_rule_its_words_and_its_parts_stand_on_the_page(as_user: Any, offered: None) -> None:
    rule("{team}_{service}", "Ask <data@example.com> for your team's name.")
    page = as_user("requester").get("/requests/new/?service=google_sheets").content.decode()
    assert "<code>{team}_{service}</code>" in page
    assert "Ask &lt;data@example.com&gt; for" in page
    assert re.search(r'<label for="id_naming__team"[^>]*>Team \(for the name\)</label>', page)
    assert page.index('id="id_naming__team"') < page.index(
        'id="name-fields"'
    )  # what proposes the name stands before it
    assert "<code data-name-preview>{team}_google_sheets</code>" in page
    assert "data-by-rule" not in page  # nothing whole to take over yet


def test_the_preview_follows_the_parts(as_user: Any, offered: None) -> None:
    rule("{team}_{service}_{destination}_{user}")
    text = as_user("requester").post(REVIEW, {**FILLED, "naming__team": "Sales EU"}).content.decode()
    assert 'data-use-name="sales_eu_google_sheets_warehouse_requester"' in text
    assert 'data-use-for="id_config__schema"' in text


def test_a_name_beside_the_rule_is_a_warning_and_no_refusal(as_user: Any, offered: None) -> None:
    rule("{team}_{service}")
    client = as_user("requester")
    assert "“sales” does not follow the rule" in drawn(client)
    assert "does not follow" not in drawn(client, config__schema="sales_google_sheets")
    assert client.post("/requests/new/", {**FILLED, "action": "submit"}).status_code == 302


def test_a_stored_name_gives_its_parts_back(as_user: Any, cast: dict[str, User], offered: None) -> None:
    rule("{team}_{service}")
    draft = factories.draft(cast["requester"], config__schema="sales_eu_google_sheets")
    page = as_user("requester").get(f"/requests/{draft.pk}/edit/").content.decode()
    assert re.search(r'name="naming__team"\s+value="sales_eu"', page)


def test_what_is_no_name_gets_the_nearest_one(as_user: Any, offered: None) -> None:
    text = drawn(as_user("requester"), config__schema="Sales EU", config__table="Bestellungen <2026>")
    assert "“Sales EU” cannot be a name. Use sales_eu" in text
    assert "“Bestellungen <2026>” cannot be a name. Use bestellungen_2026" in text
    assert "cannot be a name" not in drawn(as_user("requester"), config__schema="売上")


# --- taken -----------------------------------------------------------------------------------------------------------


def test_a_name_of_an_open_request_is_taken(as_user: Any, cast: dict[str, User], offered: None) -> None:
    held = factories.submitted(cast["requester2"], config__schema="sales", config__table="orders")
    link = f'href="/requests/{held.pk}/"'
    mine = as_user("requester").post(REVIEW, FILLED).content.decode()
    assert "by another open request" in mine
    assert "requester2" not in mine and "Jonas" not in mine
    assert link not in mine
    theirs = as_user("approver").post(REVIEW, FILLED).content.decode()
    assert f"by request {held.pk} of Jonas Weber" in theirs
    assert link in theirs


def test_a_name_that_exists_at_fivetran_is_taken(as_user: Any, offered: None) -> None:
    live("sales.orders")
    text = drawn(as_user("requester"))
    assert re.search(r"“sales.orders” is taken in this destination by a connection at Fivetran \(seen .* UTC\)", text)
    assert "tender_ape" not in text
    assert "by the connection tender_ape at Fivetran" in drawn(as_user("operator"))
    assert "is taken" not in drawn(as_user("requester"), config__table="other")
    assert "is taken" not in drawn(as_user("requester"), group_id="decent_dropsy")


def test_fivetran_s_list_may_be_old_and_so_does_not_refuse(as_user: Any, offered: None) -> None:
    live("sales.orders")
    CatalogRefresh.objects.filter(kind=Kind.CONNECTION).delete()
    client = as_user("requester")
    assert "by a connection at Fivetran. Choose another name." in drawn(client)
    assert client.post("/requests/new/", {**FILLED, "action": "submit"}).status_code == 302


def test_one_s_own_request_does_not_take_its_name(as_user: Any, cast: dict[str, User], offered: None) -> None:
    held = factories.submitted(cast["requester"], config__schema="sales", config__table="orders")
    client = as_user("requester")
    assert "is taken" in drawn(client)
    assert "is taken" not in drawn(client, edited=str(held.pk))


# --- the same source -------------------------------------------------------------------------------------------------


def crm(by: User, status: Status = Status.PENDING, **changes: Any) -> ConnectionRequest:
    """A request for the database, into the other destination."""
    values = {"service": "postgres", "config__schema_prefix": "crm", "config__host": HOST, "group_id": "decent_dropsy"}
    return factories.request_in(status, by, **{**values, **changes})


def same_source(client: Client, **posted: str) -> str:
    text = drawn(client, **{**POSTGRES, "config__schema_prefix": "mine", "config__host": "DB.example.com", **posted})
    return text.partition("connected or asked for already:")[2].partition("What will be checked, and")[0].strip()


def test_a_source_that_somebody_else_connected_is_said_without_a_name(
    as_user: Any, cast: dict[str, User], offered: None
) -> None:
    crm(cast["requester2"], Status.CREATED)
    text = same_source(as_user("requester"))
    assert text.startswith("A connection or request of somebody else. Ask the platform team")
    assert "requester2" not in text and "Jonas" not in text
    assert "crm" not in text


def test_who_may_see_it_learns_which_and_whose(as_user: Any, cast: dict[str, User], offered: None) -> None:
    conn_request = crm(cast["requester2"])
    text = same_source(as_user("approver"))
    assert f"Request {conn_request.pk} of Jonas Weber (Waiting for approval), into Warehouse as crm" in text
    assert "somebody else" not in text
    page = as_user("approver").post(REVIEW, {**POSTGRES, "config__schema_prefix": "m", "config__host": HOST})
    assert f'href="/requests/{conn_request.pk}/"' in page.content.decode()


def test_one_s_own_is_named_and_the_others_counted(as_user: Any, cast: dict[str, User], offered: None) -> None:
    own = crm(cast["requester"])
    crm(cast["requester2"], config__schema_prefix="crm2")
    crm(cast["requester2"], config__schema_prefix="crm3", service="postgres_rds")
    text = same_source(as_user("requester"))
    assert f"Request {own.pk} of Mara Lindqvist" in text
    assert "2 connections or requests of somebody else" in text
    assert f"Request {own.pk}" not in same_source(as_user("requester"), edited=str(own.pk))


def test_a_connection_at_fivetran_counts_once(as_user: Any, cast: dict[str, User], offered: None) -> None:
    key = source_key.source_key("postgres", {"host": HOST})
    live("legacy", source=key, group="decent_dropsy")
    assert same_source(as_user("requester")).startswith("A connection or request of somebody else.")
    assert same_source(as_user("operator")) == "Connection tender_ape at Fivetran, into Sandbox warehouse as legacy"
    conn_request = crm(cast["requester2"], Status.CREATED)
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(connection_id="tender_ape")
    assert same_source(as_user("operator")).count(" as ") == 1


@pytest.mark.parametrize("status", [Status.DRAFT, Status.REJECTED, Status.WITHDRAWN, Status.FAILED])
def test_what_came_to_nothing_does_not_count(
    as_user: Any, cast: dict[str, User], offered: None, status: Status
) -> None:
    crm(cast["requester2"], status)
    assert same_source(as_user("operator")) == ""


def test_another_source_is_no_warning(as_user: Any, cast: dict[str, User], offered: None) -> None:
    crm(cast["requester2"])
    assert same_source(as_user("operator"), config__host="db2.example.com") == ""
    assert same_source(as_user("operator"), config__host="") == ""


# --- the review ------------------------------------------------------------------------------------------------------


def test_the_bar_names_what_is_missing_and_leads_there(as_user: Any, offered: None) -> None:
    client = as_user("requester")
    text = " ".join(client.post(REVIEW, {**FILLED, "reason": "", "group_id": ""}).content.decode().split())
    bar = text.partition('data-into="missing">')[2].partition("</div>")[0]
    assert "<strong>2 missing:</strong>" in bar
    assert re.findall(r'href="#(id_\w+)">([^<]+)</a>', bar) == [("id_group_id", "destination"), ("id_reason", "reason")]
    page = client.get("/requests/new/").content.decode()
    assert 'id="id_group_id"' in page and 'id="id_reason"' in page
    assert "Nothing is missing" in client.post(REVIEW, FILLED).content.decode()


def test_a_step_ticks_itself(as_user: Any, offered: None) -> None:
    def marks(**texts: str) -> list[str]:
        text = " ".join(as_user("requester").post(REVIEW, {**FILLED, **texts}).content.decode().split())
        parts = re.findall(r'data-into="mark_(\w+)"> ?<span class="form-step-mark( form-step-done)?', text)
        return [key for key, done in parts if done]

    assert marks() == ["source", "place", "options"]
    assert marks(reason="") == ["source", "options"]
    assert marks(networking_method="PrivateLink") == ["place", "options"]
    assert marks(data_delay_sensitivity="CUSTOM") == ["source", "place"]


def test_what_is_not_given_is_said(as_user: Any, offered: None) -> None:
    assert "Not provided" in drawn(as_user("requester"), reason="")
    assert "Not provided" not in drawn(as_user("requester"))


BASE = {"service": "google_sheets"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "4 syncs a day, about 120 a month."),
        ({"sync_frequency": 1}, "1,440 syncs a day, about 43,200 a month."),
        ({"sync_frequency": 1440}, "1 sync a day, about 30 a month."),
        ({"paused": True}, "4 syncs a day, about 120 a month, once it is unpaused."),
        ({"schedule_type": "manual"}, "No scheduled syncs: each one is started by hand."),
    ],
)
def test_how_often_it_syncs(changes: dict[str, Any], words: str) -> None:
    assert syncs(BASE | changes) == words


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ({"run_setup_tests": True}, "Fivetran tests the connection while creating it."),
        ({"run_setup_tests": False}, "No setup tests run: nobody knows whether the connection works"),
        ({"use_connect_card": True}, "The setup tests run after the source owner has handed over the credentials."),
    ],
)
def test_what_will_be_checked(changes: dict[str, Any], last: str) -> None:
    assert checks(BASE | changes)[-1].startswith(last)


def test_the_cost_of_a_schedule_is_explained_and_not_that_of_none(as_user: Any, offered: None) -> None:
    client = as_user("requester")
    assert "monthly active rows" in drawn(client)
    assert "monthly active rows" not in drawn(client, schedule_type="manual")


def test_hostile_text_stays_text(as_user: Any, offered: None) -> None:
    rule("{team}_{service}", "<script>alert(1)</script>")
    evil = "<img src=x onerror=alert(1)>"
    text = as_user("requester").post(REVIEW, {**FILLED, "config__schema": evil, "naming__team": evil}).content.decode()
    page = as_user("requester").get("/requests/new/").content.decode()
    assert "<img" not in text
    assert "<script>alert" not in page
