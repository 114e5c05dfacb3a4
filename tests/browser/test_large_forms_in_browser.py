"""What lists hold in a real browser: a value that is not listed is typed, and the largest form is built and saved."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections.models import ConnectionRequest
from tests import catalogs, factories
from tests.browser.test_config import assert_accessible, choose, form
from tests.browser.test_form import body, control
from tests.forms.test_largest_form import REPORTS

__all__ = ["form"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_value_that_is_not_listed_is_typed_and_warned_of(form: Page) -> None:
    choose(form, "postgres", "config__schema_prefix")
    method = control(form, "config__update_method")
    method.select_option(label="Another value: type it…")
    expect(method).to_be_focused()
    warning = form.get_by_text("Fivetran does not list this value")
    method.fill("QUERY_BASED")
    expect(warning).to_be_hidden()
    method.fill("XMIN")
    expect(warning).to_be_visible()
    expect(form.locator("[data-review]")).to_contain_text("XMIN")
    assert body(form)["config"]["update_method"] == "XMIN"
    assert_accessible(form)
    expect(form.locator("[data-draft-status]")).to_contain_text("Draft saved")
    form.reload()
    expect(form.get_by_text("XMIN (not listed)")).to_have_count(1)
    expect(method).to_have_value("XMIN")
    expect(warning).to_be_visible()
    method.select_option("QUERY_BASED")
    expect(warning).to_be_hidden()
    expect(form.locator("[data-review]")).to_contain_text("QUERY_BASED")


def test_the_last_entry_there_is_room_for_is_added_and_saved(form: Page, cast: Any, live_server: Any) -> None:
    catalogs.tell("salesforce", REPORTS)
    cells = {f"config__reports__{number}__cell_{cell}": "x" for number in range(54) for cell in range(14)}
    draft = factories.draft(cast["requester"], service="salesforce", config__schema="crm", **cells)
    form.set_default_timeout(90_000)
    form.goto(f"{live_server.url}/requests/{draft.pk}/edit/")
    reports = form.locator("#div_id_config__reports")
    expect(reports.get_by_text("54 of at most 55")).to_have_count(1)
    if not reports.is_visible():
        form.locator("#group_source > summary").click()
    form.get_by_role("button", name="Add another to Reports").click()
    expect(reports.get_by_text("this form holds at most 55 here")).to_be_visible(timeout=90_000)
    control(form, "config__reports__54__cell_0").fill("the last")
    expect(form.locator("[data-draft-status]")).to_contain_text("Draft saved", timeout=90_000)
    stored = ConnectionRequest.objects.get(pk=draft.pk).values["config.reports"]
    assert len(stored) == 55 and stored[54]["cell_0"] == "the last"
