"""The pages of a hand-over in both themes and at the narrowest width: nothing that axe finds, nothing that scrolls."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.sessions.models import Session
from playwright.sync_api import Page

from connections.models import CatalogEntry, Handover, HandoverState, Kind
from tests.browser.test_accessibility import RULES, open_as
from tests.handover import page_of
from tests.handover.test_card_and_return import OUTSIDE, begun
from tests.worker.conftest import approve, fivetran, group

__all__ = ["approve", "fivetran", "group", "open_as"]
pytestmark = pytest.mark.django_db(transaction=True)


def judge(page: Page, name: str) -> None:
    """Whatever axe finds fails, and so does a page that scrolls sideways; SHOTS is a folder for pictures."""
    found = Axe().run(page, options={"runOnly": RULES}).response["violations"]
    assert [(v["id"], [node["failureSummary"] for node in v["nodes"]]) for v in found] == [], name
    theme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    for width in (1280, 390, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
        if folder := os.environ.get("SHOTS"):
            page.screenshot(path=str(Path(folder) / f"{name}-{theme}-{width}.png"), full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})


def press(page: Page, name: str) -> None:
    """Click a button that loads a page, and wait for that page: on the one before it axe finds nothing to stand on."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


def test_the_pages_of_a_hand_over(
    fivetran: Any, approve: Any, cast: dict[str, Any], live_server: Any, open_as: Callable[..., Page]
) -> None:
    guide = {"link_to_docs": "https://fivetran.com/docs/connectors/google-sheets"}
    secret = {"properties": {"token": {"type": "string", "format": "password", "title": "Token of the sheet"}}}
    auth = {"properties": {"refresh_token": {"type": "string"}}}
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id="google_sheets")
    entry.update(detail={"config": secret, "auth": auth}, data=guide)
    row, outside = begun(approve, "requester2"), begun(approve, OUTSIDE, "outside")
    page = open_as("requester2", 1280)
    page.goto("/")
    judge(page, "home")
    page.goto(page_of(row))
    judge(page, "owner")
    page.get_by_text("Somebody else has the credentials?").click()
    press(page, "Give it to somebody else")
    judge(page, "owner-error")
    page.goto(page_of(row))
    answer = {"status": 429, "headers": {"Retry-After": "300"}, "body": {"code": "TooManyRequests", "message": "No"}}
    fivetran.next({"method": "POST", "path": "/v1/connections/*", **answer})
    press(page, "Open Connect Card")
    judge(page, "waiting")
    page.get_by_role("button", name="Stop trying").click()
    page.goto("/handover/return/?state=x")
    judge(page, "refused")
    overseer = open_as("approver", 1280)
    overseer.goto(f"/requests/{row.request_id}/")
    overseer.get_by_text("Give it to somebody else, or revoke it").click()
    judge(overseer, "request")
    nobody = open_as("", 1280)
    nobody.goto(page_of(outside))
    judge(nobody, "code")
    press(nobody, "Send me a code")
    nobody.get_by_label("Code from the mail").fill("12")
    press(nobody, "Continue")
    judge(nobody, "code-error")
    page.goto(page_of(row))
    page.get_by_text("Somebody else has the credentials?").click()
    page.get_by_label("Username or e-mail address").fill("auditor")
    press(page, "Give it to somebody else")
    judge(page, "given")
    Handover.objects.update(state=HandoverState.DONE)
    owner = open_as("auditor", 1280)
    owner.goto(page_of(Handover.objects.get(pk=row.pk)))
    judge(owner, "done")


def test_an_open_page_goes_to_the_log_in_once_the_session_has_ended(
    fivetran: Any, approve: Any, cast: dict[str, Any], live_server: Any, open_as: Callable[..., Page]
) -> None:
    row = begun(approve, "requester2")
    Handover.objects.update(state=HandoverState.RETURNED)  # the page asks every two seconds
    page = open_as("requester2", 1280)
    page.goto(page_of(row))
    Session.objects.all().delete()
    page.wait_for_url("**/accounts/login/?next=/handover/**")
    assert page.locator("#progress").count() == 0
