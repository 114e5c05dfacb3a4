"""The pages of a hand-over in both themes and at the narrowest width: nothing that axe finds, nothing that scrolls."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from connections.models import CatalogEntry, Handover, HandoverState, Kind
from tests.browser.accessibility import NARROWEST, WIDTHS, Expected, finds_nothing
from tests.browser.test_accessibility import open_as
from tests.handover import page_of
from tests.handover.test_card_and_return import OUTSIDE, begun
from tests.worker.conftest import approve, fivetran, group

__all__ = ["approve", "fivetran", "group", "open_as"]
pytestmark = pytest.mark.django_db(transaction=True)


def judge(page: Page, name: str, expected: Expected) -> None:
    """At the widest axe as well."""
    finds_nothing(page, expected, widths=WIDTHS[:1], narrower=[*WIDTHS[1:], NARROWEST], name=name)
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def press(page: Page, name: str) -> None:
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
    judge(page, "home", page.goto("/"))
    judge(page, "owner", page.goto(page_of(row)))
    page.get_by_text("Somebody else has the credentials?").click()
    press(page, "Give it to somebody else")
    judge(page, "owner-error", page.locator("[data-error-summary]"))
    page.goto(page_of(row))
    answer = {"status": 429, "headers": {"Retry-After": "300"}, "body": {"code": "TooManyRequests", "message": "No"}}
    fivetran.next({"method": "POST", "path": "/v1/connections/*", **answer})
    press(page, "Open Connect Card")
    judge(page, "waiting", "Your Connect Card comes in a moment")
    press(page, "Stop trying")
    expect(page.get_by_role("button", name="Open Connect Card")).to_be_visible()
    judge(page, "refused", page.goto("/handover/return/?state=x"))
    overseer = open_as("approver", 1280)
    overseer.goto(f"/requests/{row.request_id}/")
    overseer.get_by_text("Give it to somebody else, or revoke it").click()
    judge(overseer, "request", overseer.get_by_label("Username or e-mail address"))
    nobody = open_as("", 1280)
    judge(nobody, "code", nobody.goto(page_of(outside)))
    press(nobody, "Send me a code")
    nobody.get_by_label("Code from the mail").fill("12")
    press(nobody, "Continue")
    judge(nobody, "code-error", nobody.locator("#id_code_error"))
    page.goto(page_of(row))
    page.get_by_text("Somebody else has the credentials?").click()
    page.get_by_label("Username or e-mail address").fill("auditor")
    press(page, "Give it to somebody else")
    judge(page, "given", "Thank you")
    Handover.objects.update(state=HandoverState.DONE)
    owner = open_as("auditor", 1280)
    judge(owner, "done", owner.goto(page_of(Handover.objects.get(pk=row.pk))))


def test_an_open_page_goes_to_the_log_in_once_the_session_has_ended(
    fivetran: Any, approve: Any, cast: dict[str, Any], live_server: Any, open_as: Callable[..., Page]
) -> None:
    row = begun(approve, "requester2")
    Handover.objects.update(state=HandoverState.RETURNED)  # the page asks every two seconds
    page = open_as("requester2", 1280)
    page.goto(page_of(row))
    Session.objects.all().delete()
    page.wait_for_url("**/accounts/login/?next=/handover/**")
    expect(page.locator("#progress")).to_have_count(0)
