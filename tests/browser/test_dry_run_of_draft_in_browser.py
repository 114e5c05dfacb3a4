"""Test request in a browser: on the form the draft is saved first, and the panel follows there and in the admin."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, Page, expect

from connections.models import ConnectionRequest, Event, EventKind
from tests import catalogs, factories
from tests.sandbox_client import Fivetran

Browse = Callable[..., Page]
pytestmark = pytest.mark.django_db(transaction=True)
CHECKS = ["account", "rights", "destination", "name", "service", "config", "networking", "budget", "request", "sandbox"]
DONE = 20_000  # ms


def press(page: Page) -> None:
    page.get_by_role("button", name="Test request", exact=True).click()


def begin(page: Page, **more: str) -> None:
    """A form with a service, a destination and a name."""
    page.goto("/requests/new/?service=google_sheets")
    page.locator("[name=group_id]").select_option(index=1)
    for name, words in {"config__schema": "tested", "config__table": "orders", **more}.items():
        page.locator(f"[name={name}]").fill(words)


def checks(page: Page) -> dict[str, str]:
    """Check -> state."""
    found = page.locator("[data-checks] > [data-check]")
    return dict(found.evaluate_all("all => all.map(one => [one.dataset.check, one.dataset.checkState])"))


def test_the_form_saves_the_draft_and_the_panel_follows_in_place(portal: Fivetran, browse: Browse) -> None:
    page = browse("requester")
    begin(page)
    press(page)
    panel = page.locator("#dry-run")
    expect(page.locator("#dry-run-said")).to_have_text("9 passed, 1 failed", timeout=DONE)
    expect(panel.get_by_role("heading", name="Test of this draft")).to_be_focused()
    expect(panel.locator("h2")).to_be_in_viewport()
    assert list(checks(page)) == CHECKS
    assert {check: state for check, state in checks(page).items() if state != "passed"} == {"request": "failed"}
    draft = ConnectionRequest.objects.get()
    assert draft.values["config.schema"] == "tested" and "/requests/new/" in page.url
    assert portal.posts() == []
    # What is typed since is said at once.
    since = page.locator("[data-typed-since]")
    expect(since).to_be_hidden()
    page.locator("[name=reason]").fill("Weekly report")
    expect(since).to_be_visible()
    press(page)
    expect(since).to_be_hidden()
    expect(page.locator("#dry-run-said")).to_have_text("10 passed", timeout=DONE)
    expect(page.locator("[hx-trigger^=every]")).to_have_count(0)
    page.goto(f"/requests/{draft.pk}/edit/")
    assert set(checks(page).values()) == {"passed"}
    expect(page.locator("[data-stale]")).to_have_count(0)


def test_without_a_script_the_panel_stands_on_the_drafts_page(portal: Fivetran, browse: Browse) -> None:
    page = browse("requester", java_script_enabled=False)
    begin(page)
    press(page)
    page.wait_for_url(re.compile(r"/requests/\d+/edit/#dry-run$"))  # and until it is loaded
    assert list(checks(page)) == CHECKS
    for _ in range(40):
        if "running" not in checks(page).values():
            break
        page.wait_for_timeout(250)
        with page.expect_navigation():
            page.get_by_role("link", name="Look again").click()
    assert checks(page)["request"] == "failed" and checks(page)["name"] == "passed"
    expect(page.locator("[name=config__schema]")).to_have_value("tested")


def test_the_admin_follows_the_test_it_asks_for(portal: Fivetran, browse: Browse, cast: dict[str, Any]) -> None:
    row = factories.submitted(cast["requester"])
    page = browse("approver")
    page.goto(f"/admin/connections/connectionrequest/{row.pk}/change/")
    press(page)
    expect(page.locator("[data-check]")).to_have_count(10)
    expect(page.locator("[data-check-state=running]")).to_have_count(0, timeout=DONE)
    assert list(checks(page)) == CHECKS
    assert page.url.endswith(f"/{row.pk}/change/#dry-run") and portal.posts() == []


# --- what stands in the way: no worker is needed ----------------------------------------------------------------------
@pytest.fixture
def form(browser: Browser, as_user: Any, live_server: Any) -> Iterator[Page]:
    """The requester's browser on a form with a name. Its console tells each refusal, so it is not looked at."""
    catalogs.offered()
    page = browser.new_context(base_url=live_server.url).new_page()
    session = as_user("requester").cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page.goto("/requests/new/?service=google_sheets&group_id=projected_sickle&config__schema=s")
    yield page
    page.context.close()


def test_a_double_click_asks_once(form: Page) -> None:
    form.get_by_role("button", name="Test request", exact=True).dblclick()
    expect(form.locator("[data-check-state=running]")).to_have_count(10)
    assert Event.objects.filter(kind=EventKind.DRY_RUN_ASKED).count() == ConnectionRequest.objects.count() == 1


def test_a_secret_in_the_form_is_refused_and_nothing_is_lost(form: Page) -> None:
    hidden = "Object.assign(document.createElement('input'), {name: 'config__password', value: 'hunter2'})"
    form.evaluate(f"document.querySelector('[data-request-form]').append({hidden})")
    press(form)
    expect(form.locator("[data-draft-status]")).to_contain_text("something in it that the portal must not keep")
    expect(form.locator("#dry-run")).to_be_hidden()
    expect(form.locator("[name=config__schema]")).to_have_value("s")
    assert not ConnectionRequest.objects.exists()


def test_a_session_that_ended_is_said_and_nothing_is_lost(form: Page) -> None:
    Session.objects.all().delete()
    press(form)
    expect(form.locator("[data-draft-status]")).to_contain_text("you were logged out")
    expect(form.locator("[name=config__schema]")).to_have_value("s")
    assert "/requests/new/" in form.url


def test_a_session_that_ends_during_the_test_ends_the_asking(form: Page) -> None:
    press(form)
    expect(form.locator("[data-check-state=running]")).to_have_count(10)
    Session.objects.all().delete()
    expect(form.locator("[data-dry-run-lost]")).to_have_text(
        "You were logged out. What you typed is kept in this tab. "
        "Log in again in another tab, then load this page again."
    )
    expect(form.locator("[hx-trigger^=every]")).to_have_count(0)


def test_the_limit_is_said_in_words(form: Page) -> None:
    for number in range(1, 8):
        press(form)
        if number < 7:
            form.wait_for_function(
                "() => !document.querySelector('button[value=test]').hasAttribute('aria-disabled')"
                " && document.querySelector('[data-check-state=running]')"
            )
    refused = form.locator("[data-refused]")
    expect(refused).to_contain_text("You tested requests 6 times within a minute")
    with form.expect_response(re.compile("/test-request/")):
        pass  # the one that goes is looked at, and takes nothing away
    form.wait_for_timeout(200)
    expect(refused).to_be_visible()
    assert Event.objects.filter(kind=EventKind.DRY_RUN_ASKED).count() == 6
