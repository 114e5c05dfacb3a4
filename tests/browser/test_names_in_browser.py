"""Names and sources in a real browser: the preview, the suggestions taken over, what is said while one types."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from connections.models import CatalogEntry, Kind, PortalPolicy
from tests import catalogs, factories
from tests.browser.accessibility import finds_nothing
from tests.browser.test_form import NEW, control, log_in

pytestmark = pytest.mark.django_db(transaction=True)

HOST = "db.example.com"
SHEETS = f"{NEW}?service=google_sheets&group_id=projected_sickle"


@pytest.fixture
def open_form(page: Page, as_user: Any, live_server: Any) -> Any:
    """`open_form(address)` is the requester's browser before the form at an address."""
    catalogs.offered()
    detail = {
        "config": {
            "required": ["schema_prefix", "host"],
            "properties": {"schema_prefix": {"type": "string"}, "host": {"type": "string", "title": "Host"}},
        }
    }
    CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id="postgres").update(detail=detail)
    log_in(page, as_user, live_server)
    page.on("dialog", lambda dialog: dialog.accept())

    def show(address: str = SHEETS, *, rule: str = "") -> Page:
        if rule:
            PortalPolicy.objects.update_or_create(
                pk=1, defaults={"naming_template": rule, "naming_help": "Small letters, the team first."}
            )
        page.goto(live_server.url + address)
        return page

    return show


def test_the_preview_follows_and_fills_the_name(open_form: Any) -> None:
    page = open_form(rule="{team}_{service}")
    preview = page.locator("[data-name-preview]")
    expect(preview).to_have_text("{team}_google_sheets")
    page.get_by_label("Team (for the name)").fill("Sales EU")
    expect(preview).to_have_text("sales_eu_google_sheets")
    expect(control(page, "config__schema")).to_have_value("sales_eu_google_sheets")
    page.get_by_label("Team (for the name)").fill("Finance")
    expect(control(page, "config__schema")).to_have_value("finance_google_sheets")
    expect(page.locator("#review")).to_contain_text("as finance_google_sheets")


def test_a_name_that_somebody_typed_is_left_alone(open_form: Any) -> None:
    page = open_form(rule="{team}_{service}")
    control(page, "config__schema").fill("my_own")
    page.get_by_label("Team (for the name)").fill("Sales")
    expect(page.locator("#name-notes")).to_contain_text("“my_own” does not follow the rule")
    expect(control(page, "config__schema")).to_have_value("my_own")
    page.get_by_role("button", name="Use this name").click()
    expect(control(page, "config__schema")).to_have_value("sales_google_sheets")
    expect(control(page, "config__schema")).to_be_focused()
    expect(page.locator("#name-notes")).not_to_contain_text("does not follow")


def test_a_text_that_is_no_name_gets_the_nearest_one(open_form: Any) -> None:
    page = open_form()
    control(page, "config__table").fill("Bestellungen 2026")
    page.get_by_role("button", name="Use bestellungen_2026").click()
    expect(control(page, "config__table")).to_have_value("bestellungen_2026")
    expect(page.locator("#name-notes")).not_to_contain_text("cannot be a name")


def test_a_taken_name_is_said_while_one_types_with_the_way_to_it(open_form: Any, cast: dict[str, User]) -> None:
    held = factories.submitted(cast["requester"], config__schema="sales", config__table="orders")
    page = open_form()
    control(page, "config__schema").fill("sales")
    control(page, "config__table").fill("orders")
    taken = page.locator("#name-notes [data-name-taken]")
    expect(taken).to_contain_text("is taken in this destination by request")
    expect(taken.get_by_role("link", name="Open that request")).to_have_attribute("href", f"/requests/{held.pk}/")
    expect(page.get_by_role("status").filter(has_text="is taken")).to_be_visible()
    control(page, "config__table").fill("orders_2")
    expect(taken).to_have_count(0)


def test_the_same_source_is_said_before_submitting_and_does_not_refuse(open_form: Any, cast: dict[str, User]) -> None:
    factories.submitted(
        cast["requester2"], service="postgres", config__schema_prefix="crm", config__host=HOST, group_id="decent_dropsy"
    )
    page = open_form(f"{NEW}?service=postgres&group_id=projected_sickle&reason=CRM&config__schema_prefix=mine")
    control(page, "config__host").fill("DB.example.com")
    warning = page.locator("[data-same-source]")
    expect(warning).to_contain_text("host db.example.com is connected or asked for already")
    expect(warning).to_contain_text("Ask the platform team")
    expect(warning).not_to_contain_text("requester2")
    page.get_by_role("button", name="Submit for approval").click()
    page.wait_for_url(re.compile(r"/requests/\d+/$"))


def test_a_link_to_what_is_missing_opens_its_group_and_takes_the_focus_there(open_form: Any) -> None:
    page = open_form(f"{SHEETS}&data_delay_sensitivity=CUSTOM")
    page.locator("#group_advanced > summary").click()
    expect(control(page, "data_delay_threshold")).to_be_hidden()
    page.locator("#missing").get_by_role("link", name="data delay threshold").click()
    expect(control(page, "data_delay_threshold")).to_be_focused()
    expect(page.locator("#group_advanced")).to_have_attribute("open", "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_what_is_said_is_accessible_and_fits(open_form: Any, cast: dict[str, User], scheme: Any, width: int) -> None:
    factories.submitted(cast["requester"], service="postgres", config__schema_prefix="crm", config__host=HOST)
    page = open_form("/accounts/login/", rule="{team}_{service}")
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    for name in ("crm", "w" * 70 + "-"):
        query = f"service=postgres&group_id=projected_sickle&reason=CRM&config__schema_prefix={name}"
        page = open_form(f"{NEW}?{query}&config__host={HOST}")
        finds_nothing(page, page.locator("[data-same-source]"))
