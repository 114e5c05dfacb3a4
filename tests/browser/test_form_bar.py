"""The bar at the bottom of the form: always in view, never over what has the focus, and it says what is missing."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections.models import ConnectionRequest
from tests.browser.test_form import NEW, answer, control, fill, log_in
from tests.browser.test_picker import offer_many

pytestmark = pytest.mark.django_db(transaction=True)
IN_VIEW = """() => {
  const submit = [...document.querySelectorAll("button")].find((b) => b.textContent.trim() === "Submit for approval");
  const box = submit.getBoundingClientRect();
  return box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
}"""
COVERED = """() => {
  const focused = document.activeElement.getBoundingClientRect();
  const bar = document.querySelector(".request-form-bar");
  return !bar.contains(document.activeElement) && focused.bottom > bar.getBoundingClientRect().top;
}"""


@pytest.fixture
def form(page: Page, as_user: Any, live_server: Any) -> Page:
    offer_many()
    page.emulate_media(reduced_motion="reduce")  # else the page is still scrolling when it is measured
    page.on("dialog", lambda dialog: dialog.accept())
    log_in(page, as_user, live_server)
    return page


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1366, 650), (390, 844)])
def test_submit_is_in_view_wherever_one_scrolls(form: Page, live_server: Any, width: int, height: int) -> None:
    form.set_viewport_size({"width": width, "height": height})
    for address in (NEW, f"{NEW}?service=postgres&group_id=projected_sickle&networking_method=SshTunnel"):
        form.goto(live_server.url + address)
        for opened in (False, True):
            if opened:
                form.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
            whole = form.evaluate("document.documentElement.scrollHeight")
            for top in [*range(0, whole, height // 2), whole]:
                form.evaluate("top => scrollTo(0, top)", top)
                assert form.evaluate(IN_VIEW), (address, top)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
def test_the_bar_never_hides_what_has_the_focus(form: Page, live_server: Any, width: int, height: int) -> None:
    form.set_viewport_size({"width": width, "height": height})
    form.goto(f"{live_server.url}{NEW}?service=google_sheets")
    control(form, "group_id").focus()
    for _ in range(14):
        form.keyboard.press("Tab")
        assert not form.evaluate(COVERED), form.evaluate("document.activeElement.outerHTML")


def test_it_says_what_is_missing_and_when_the_draft_was_saved(form: Page, live_server: Any) -> None:
    form.goto(live_server.url + NEW)
    missing = form.locator("#missing")
    expect(missing).to_contain_text("3 missing: service, destination, reason")
    fill(form, reason="")
    expect(missing).to_contain_text(re.compile(r"1 missing:\s+reason"))
    control(form, "reason").fill("Weekly report")
    expect(missing).to_contain_text("Nothing is missing")
    expect(form.locator("[data-draft-status]")).to_have_text(re.compile(r"Draft saved \d+ s ago"))


def test_what_was_submitted_and_refused_is_kept_as_a_draft(form: Page, live_server: Any) -> None:
    form.goto(live_server.url + NEW)
    control(form, "reason").fill("Weekly report")
    form.get_by_role("button", name="Submit for approval").click()
    expect(form.locator("[data-error-summary]")).to_be_visible()
    expect(form.locator("[data-draft-status]")).to_contain_text("Draft saved")
    assert ConnectionRequest.objects.get().reason == "Weekly report"


def test_choices_alone_make_no_draft(form: Page, live_server: Any) -> None:
    form.goto(live_server.url + NEW)
    control(form, "service").select_option("google_sheets")
    control(form, "group_id").select_option("projected_sickle")
    answer(form, "networking_method", "PrivateLink")
    form.wait_for_timeout(3000)  # longer than the pause after which the script saves
    assert not ConnectionRequest.objects.exists()


def test_back_after_submitting_shows_the_service_s_settings(form: Page, live_server: Any) -> None:
    form.goto(live_server.url + NEW)
    fill(form)
    expect(form.locator("#missing")).to_contain_text("Nothing is missing")
    form.get_by_role("button", name="Submit for approval").click()
    form.wait_for_url(re.compile(r"/requests/\d+/$"))
    form.go_back()
    expect(control(form, "service")).to_have_value("google_sheets")
    expect(control(form, "config__table")).to_be_visible()


def test_what_means_nothing_is_said_while_it_is_typed(form: Page, live_server: Any) -> None:
    form.goto(f"{live_server.url}{NEW}?data_delay_sensitivity=CUSTOM")
    threshold = control(form, "data_delay_threshold")
    threshold.fill("abc")
    expect(threshold).to_have_accessible_description(re.compile("Enter the threshold in minutes, 1 or more"))
    threshold.fill("90")
    expect(form.locator("#div_id_data_delay_threshold")).not_to_contain_text("Enter the threshold")


def test_the_keyboard_alone_files_a_request(form: Page, live_server: Any) -> None:
    form.goto(live_server.url + NEW)
    form.locator("#id_service_search").focus()
    form.keyboard.type("gsheets")
    expect(form.locator(".picker-name")).to_have_text("Google Sheets")  # once the list has come, which knows that name
    form.keyboard.press("Enter")
    expect(control(form, "config__table")).to_be_visible()
    for name, keys in {
        "group_id": "W",
        "config__schema": "sales",
        "config__table": "orders",
        "reason": "Report",
    }.items():
        for _ in range(20):
            if form.evaluate("document.activeElement.name") == name:
                break
            form.keyboard.press("Tab")
        form.keyboard.type(keys)
    for _ in range(20):
        if form.evaluate("document.activeElement.textContent.trim()") == "Submit for approval":
            break
        form.keyboard.press("Tab")
    form.keyboard.press("Enter")
    form.wait_for_url(re.compile(r"/requests/\d+/$"))
