"""The lists in a browser: rows that open by a press anywhere, ticks, keys, and no width that cuts a column off."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections.states import Status
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(cast: dict[str, Any], browse: Callable[..., Page]) -> Page:
    for status in (Status.CREATED, Status.PENDING, Status.PENDING):
        factories.request_in(status, by=cast["requester"], approver=cast["approver"])
    return browse("approver")


def test_a_row_opens_by_a_press_on_any_of_its_cells(page: Page) -> None:
    page.goto("/requests/")
    row = page.locator("tr[data-request-id]").first
    pk = row.get_attribute("data-request-id")
    row.locator("[data-label=Name]").click()
    page.wait_for_url(f"**/requests/{pk}/")


def test_ticked_rows_are_counted_and_exported(page: Page) -> None:
    page.goto("/requests/")
    expect(page.locator("[data-export-words]")).to_have_text("Export all:")
    page.get_by_label("Tick all rows of this page").check()
    expect(page.locator("[data-export-words]")).to_have_text("Export 3 ticked:")
    page.locator(".cell-tick input").first.uncheck()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.path().read_text().count("\n") == 3  # the headings and two rows


@pytest.mark.parametrize("width", [320, 390, 576, 600, 700, 768, 820, 900, 992, 1080, 1200, 1280])
def test_no_width_cuts_a_column_off(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/requests/")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    table, panel = (page.locator(css).bounding_box() for css in (".list-requests", ".list-panel"))
    assert table and panel and table["width"] <= panel["width"] + 1


def test_the_form_of_the_filters_leaves_no_empty_parameters(page: Page) -> None:
    page.goto("/requests/")
    page.get_by_label("Search").fill("google")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**/requests/?q=google")


def test_keys_move_and_never_fire_while_somebody_types(page: Page) -> None:
    page.goto("/requests/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator("tr[data-request-id] .row-link").first
    expect(first).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("/")
    box = page.get_by_label("Search")
    expect(box).to_be_focused()
    page.keyboard.type("jka?/")
    expect(box).to_have_value("jka?/")
    page.goto("/approvals/")
    page.keyboard.press("a")
    page.wait_for_url("**/requests/*/")


def test_keys_can_be_turned_off_and_on(page: Page) -> None:
    page.goto("/requests/")
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Turn these keys off in this browser").check()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).not_to_be_focused()
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Turn these keys off in this browser").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()


def test_a_typed_reason_outlives_the_session(page: Page, cast: dict[str, Any]) -> None:
    conn_request = factories.submitted(cast["requester"])
    page.goto(f"/requests/{conn_request.pk}/")
    page.locator("[name=decision_reason]").first.fill("Use the other warehouse")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Reject").first.click()
    page.get_by_label("Username").fill("approver")
    page.get_by_label("Password").fill("demo-portal")
    page.get_by_role("button", name="Log in").first.click()
    page.wait_for_url(f"**/requests/{conn_request.pk}/")
    expect(page.locator("[name=decision_reason]").first).to_have_value("Use the other warehouse")
