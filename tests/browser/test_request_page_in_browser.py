"""A request's page in a browser: the decision is always in view, the steps follow, the menu opens and closes."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections import workflow
from connections.states import Status
from tests import factories
from tests.browser.test_accessibility import open_as
from tests.views.test_evidence import odd
from tests.views.test_whose_turn import asked_change

__all__ = ["odd", "open_as"]
pytestmark = pytest.mark.django_db(transaction=True)
SIZES = [(1280, 720), (1366, 650), (390, 844)]
IN_VIEW = "e => { const b = e.getBoundingClientRect(); return b.top >= 0 && b.bottom <= innerHeight && b.width > 0 }"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_decision_is_in_view_at_every_scroll_position(
    odd: Any, open_as: Callable[..., Page], width: int, height: int
) -> None:
    page = open_as("approver", width)
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"/requests/{odd.pk}/")
    controls = [page.get_by_role("button", name=name, exact=True) for name in ("Approve", "Reject", "Request changes")]
    controls.append(page.get_by_label("Reason, to reject or to ask for changes"))
    whole = page.evaluate("document.documentElement.scrollHeight")
    assert whole > 2 * height, "there is something to scroll"
    for position in range(0, whole, height // 3):
        page.evaluate("y => scrollTo(0, y)", position)
        assert [one.evaluate(IN_VIEW) for one in controls] == [True] * 4, position
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # Nor does the bar hide what has the focus: the last link above it is in sight when the keyboard comes to it.
    link = page.get_by_role("link", name="Take it with you")
    link.focus()
    bar = page.locator(".action-bar").bounding_box()
    box = link.bounding_box()
    assert bar and box and box["y"] + box["height"] <= bar["y"]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_decision_on_a_change_is_in_view_too(
    cast: dict[str, Any], open_as: Callable[..., Page], width: int, height: int
) -> None:
    change = asked_change(cast).changes.get()
    page = open_as("approver", width)
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"/changes/{change.pk}/")
    controls = [page.get_by_role("button", name=name, exact=True) for name in ("Approve", "Reject")]
    for position in (0, height // 3, 10_000):
        page.evaluate("y => scrollTo(0, y)", position)
        assert [one.evaluate(IN_VIEW) for one in controls] == [True] * 2, position


def test_the_steps_follow_and_a_reason_that_is_typed_stays(cast: dict[str, Any], open_as: Callable[..., Page]) -> None:
    conn_request = factories.submitted(cast["requester"])
    requester, other = open_as("requester", 1280), open_as("admin", 1280)
    for page in (requester, other):
        page.goto(f"/requests/{conn_request.pk}/")
    expect(requester.locator("[data-step=approved]")).to_have_attribute("data-step-state", "current")
    other.get_by_label("Reason, to reject or to ask for changes").fill("Which team pays?")
    workflow.approve(by=cast["approver"], conn_request=conn_request, digest=conn_request.digest)
    expect(requester.locator("[data-step=approved]")).to_have_attribute("data-step-state", "done", timeout=15_000)
    expect(requester.locator("[data-step=created]")).to_have_attribute("data-step-state", "current")
    expect(other.locator("[data-status]").first).to_have_attribute("data-status", "approved", timeout=15_000)
    expect(other.get_by_label("Reason, to reject or to ask for changes")).to_have_value("Which team pays?")


def test_approve_then_the_next_one(cast: dict[str, Any], open_as: Callable[..., Page]) -> None:
    first, second = (factories.submitted(cast["requester"]) for _ in range(2))
    page = open_as("approver", 390)
    page.goto(f"/requests/{first.pk}/")
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("link", name=f"1 left, next: #{second.pk}").click()
    expect(page).to_have_url(f"{page.url.partition('/requests/')[0]}/requests/{second.pk}/")
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_role("link", name="Nothing is left to decide")).to_be_visible()


def test_the_menu_closes_as_menus_do(cast: dict[str, Any], open_as: Callable[..., Page]) -> None:
    page = open_as("requester", 1280)
    page.goto(f"/requests/{factories.request_in(Status.CREATED, cast['requester'], cast['approver']).pk}/")
    copy = page.get_by_role("button", name="Copy as it is at Fivetran")
    expect(copy).to_be_hidden()
    page.get_by_text("More", exact=True).click()
    expect(copy).to_be_visible()
    page.keyboard.press("Escape")
    expect(copy).to_be_hidden()
    page.get_by_text("More", exact=True).click()
    page.locator("h1").click()
    expect(copy).to_be_hidden()
