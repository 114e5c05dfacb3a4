"""From the log-in to what somebody has to do next: two clicks at most, counted as a person makes them."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections.states import Status
from tests import catalogs, factories
from tests.browser.conftest import PASSWORD
from tests.browser.test_presets_in_browser import COUNTER
from tests.handover import handed_over

pytestmark = pytest.mark.django_db(transaction=True)
# who -> the links one follows, and the button that is in view then
WAYS: dict[str, tuple[tuple[str, ...], str]] = {
    "requester": (("New request",), "Submit for approval"),
    "requester2": (("Enter credentials: Google Sheets",), "Open Connect Card"),
    "approver": (("Google Sheets",), "Approve"),
    "operator": (("look at them",), "Send again"),
    "admin": (("Google Sheets",), "Approve"),
}


@pytest.fixture
def world(live_server: Any, cast: dict[str, Any]) -> dict[str, Any]:
    """A company in which something waits for everybody."""
    catalogs.offered()
    requester, approver = cast["requester"], cast["approver"]
    factories.request_in(Status.ATTENTION, requester, approver, config__schema="stuck")
    handed_over(requester, "requester2", config__schema="to_hand_over")
    factories.submitted(requester, config__schema="to_decide")
    return cast


@pytest.fixture
def log_in(world: dict[str, Any], page: Page, live_server: Any) -> Callable[[str], Page]:
    """`log_in("approver")` is the page on which that person stands after the log-in."""

    def enter(username: str) -> Page:
        page.set_viewport_size({"width": 1280, "height": 720})
        page.goto(f"{live_server.url}/accounts/login/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in", exact=True).click()
        page.wait_for_url(f"{live_server.url}/")
        page.add_init_script(COUNTER)
        page.reload()
        return page

    return enter


def clicks(page: Page) -> int:
    return len(json.loads(page.evaluate("sessionStorage.getItem('effort')"))["clicks"])


@pytest.mark.parametrize("username", list(WAYS))
def test_everybody_is_two_clicks_from_the_next_action(log_in: Callable[[str], Page], username: str) -> None:
    page = log_in(username)
    links, button = WAYS[username]
    for name in links:
        page.get_by_role("main").get_by_role("link", name=name).first.click()
    expect(page.get_by_role("button", name=button, exact=True).first).to_be_in_viewport()
    assert clicks(page) <= 1, "the button itself is the second"


def test_an_auditor_is_two_clicks_from_who_decided(log_in: Callable[[str], Page], world: dict[str, Any]) -> None:
    page = log_in("auditor")
    page.get_by_role("navigation").get_by_role("link", name="Requests").click()
    page.locator('[data-request-id]:has([data-status="attention"]) a').first.click()
    expect(page.get_by_text(re.compile("Approved by")).first).to_be_visible()
    assert clicks(page) <= 2


def test_an_administrator_is_two_clicks_from_the_settings(log_in: Callable[[str], Page]) -> None:
    page = log_in("admin")
    page.get_by_text("Account of").locator("..").click()
    page.get_by_role("link", name="Administration").click()
    expect(page.get_by_role("link", name="Presets")).to_be_visible()
    assert clicks(page) <= 2
