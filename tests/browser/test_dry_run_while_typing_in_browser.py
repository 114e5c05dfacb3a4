"""Test request on the form, while somebody types on, loads the page again, or the portal does not take it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from connections.models import ConnectionRequest, DryRun, Event, EventKind
from tests import catalogs, factories
from tests.browser.test_dry_run_of_draft_in_browser import form, press

__all__ = ["form"]
pytestmark = pytest.mark.django_db(transaction=True)
ASKED = "**/test-request/"
SINCE, REFUSED, RUNNING = "[data-typed-since]", "#dry-run-refused", "[data-check-state=running]"


def instead(page: Page, act: Callable[[Route], Any]) -> None:
    """`act` on each question for a test; looking at one goes on."""
    page.route(ASKED, lambda route: act(route) if route.request.method == "POST" else route.fallback())


def ask(page: Page) -> None:
    press(page)
    expect(page.locator(RUNNING)).to_have_count(10)
    expect(page.locator("button[value=test]")).not_to_have_attribute("aria-disabled", "true")


def test_whoever_types_on_is_left_where_they_are(form: Page) -> None:
    held: list[Route] = []
    instead(form, held.append)
    press(form)
    button = form.locator("button[value=test]")
    expect(button).to_have_text("Saving…")
    form.wait_for_timeout(50)
    reason = form.locator("[name=reason]")
    reason.press_sequentially("Typed on")
    while not held:
        form.wait_for_timeout(50)
    held[0].continue_()
    expect(form.locator(RUNNING)).to_have_count(10)
    expect(button).to_have_text("Test request")
    expect(reason).to_be_focused()
    expect(reason).to_be_in_viewport()
    expect(form.locator(SINCE)).to_be_visible()


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda route: route.abort(), "The test was not asked for: the portal does not answer. Try it again."),
        (lambda route: route.fulfill(status=500), "The test was not asked for: the portal cannot take it just now."),
        (lambda route: route.fulfill(status=403), "The test was not asked for. Load this page again."),
    ],
)
def test_a_test_that_was_not_asked_for_is_said_and_the_last_one_stays_old(
    form: Page, act: Callable[[Route], Any], words: str
) -> None:
    ask(form)
    form.locator("[name=reason]").fill("Typed since")
    instead(form, act)
    press(form)
    expect(form.locator(REFUSED)).to_contain_text(words)
    expect(form.locator(SINCE)).to_be_visible()
    with form.expect_response(re.compile("/test-request/")):
        pass  # the one that goes is looked at, and takes nothing away
    form.wait_for_timeout(200)
    expect(form.locator(REFUSED)).to_be_visible()
    form.unroute(ASKED)
    press(form)
    expect(form.locator(REFUSED)).to_be_hidden()
    expect(form.locator(SINCE)).to_be_hidden()
    assert Event.objects.filter(kind=EventKind.DRY_RUN_ASKED).count() == 2


def test_without_its_library_the_button_can_be_pressed_again(form: Page) -> None:
    form.evaluate("window.htmx = undefined")
    press(form)
    expect(form.locator(REFUSED)).to_have_text("The test was not asked for. Load this page again.")
    button = form.get_by_role("button", name="Test request", exact=True)
    expect(button).not_to_have_attribute("aria-disabled", "true")
    assert ConnectionRequest.objects.count() == 1 and not DryRun.objects.exists()


def test_a_draft_that_another_window_changed_is_not_tested(form: Page) -> None:
    ask(form)
    ConnectionRequest.objects.update(version=F("version") + 1, values={"service": "google_sheets"})
    form.locator("[name=reason]").fill("Typed here")
    press(form)
    expect(form.locator("[data-draft-status]")).to_contain_text("it was changed in another window")
    expect(form.locator(SINCE)).to_be_visible()
    assert Event.objects.filter(kind=EventKind.DRY_RUN_ASKED).count() == 1


def test_what_this_tab_kept_is_not_what_was_tested(form: Page) -> None:
    ask(form)
    form.goto(f"/requests/{ConnectionRequest.objects.get().pk}/edit/")
    expect(form.locator("[data-checks]")).to_be_visible()
    expect(form.locator(SINCE)).to_be_hidden()
    form.route("**" + reverse("connections:autosave"), lambda route: route.abort())
    form.on("dialog", lambda dialog: dialog.accept())
    form.locator("[name=reason]").fill("Kept in this tab")
    form.reload()
    expect(form.locator("[name=reason]")).to_have_value("Kept in this tab")
    expect(form.locator(SINCE)).to_be_visible()


def test_a_new_form_that_is_loaded_again_shows_the_test_of_its_draft(form: Page) -> None:
    form.locator("[name=reason]").fill("Typed")
    ask(form)
    form.reload()
    expect(form.locator("[name=reason]")).to_have_value("Typed")
    expect(form.locator(RUNNING)).to_have_count(10)
    expect(form.locator("#dry-run")).to_be_visible()
    expect(form.locator(SINCE)).to_be_hidden()
    form.locator("[name=reason]").fill("Typed since")
    expect(form.locator(SINCE)).to_be_visible()


def test_an_entry_of_a_list_more_is_something_changed(form: Page) -> None:
    catalogs.told()
    form.goto("/requests/new/?service=s3&config__file_mapping_method=DEFINE_PER_TABLE")
    ask(form)
    expect(form.locator(SINCE)).to_be_hidden()
    form.get_by_role("button", name="Add another to Files").click()
    expect(form.locator(SINCE)).to_be_visible()


def test_two_sentences_never_say_the_same(form: Page) -> None:
    ask(form)
    DryRun.objects.update(due_at=None, finished_at=F("asked_at"), version=0)
    stale = form.locator("[data-stale]")
    expect(stale).to_be_visible()
    form.locator("[name=reason]").fill("Typed since")
    expect(form.locator(SINCE)).to_be_visible()
    expect(stale).to_be_hidden()


def test_in_the_admin_the_button_keeps_the_focus(browse: Callable[..., Page], cast: dict[str, User]) -> None:
    row, page = factories.submitted(cast["requester"]), browse("approver")
    page.goto(f"/admin/connections/connectionrequest/{row.pk}/change/")
    page.evaluate(
        """window.sent = 0; document.getElementById("dry-run-form").addEventListener("submit", (event) => {
            window.sent += event.defaultPrevented ? 0 : 1;
            event.preventDefault(); // a page that leaves cannot be looked at
        })"""
    )
    button = page.get_by_role("button", name="Test request", exact=True)
    button.focus()
    for _ in range(2):
        page.keyboard.press("Enter")
        expect(button).to_be_focused()
    assert page.evaluate("window.sent") == 1
