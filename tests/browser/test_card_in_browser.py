"""From the owner's link to the Connect Card: one click, and where Fivetran is busy a wait that ends by itself."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_accessibility import open_as
from tests.handover import page_of
from tests.handover.test_card_and_return import begun
from tests.sandbox_client import Fivetran
from tests.worker.conftest import approve, fivetran, group

__all__ = ["approve", "fivetran", "group", "open_as"]
pytestmark = pytest.mark.django_db(transaction=True)


def busy(fivetran: Fivetran) -> None:
    """The next request for a card finds Fivetran out of order."""
    answer = {"status": 503, "body": {"code": "Oops", "message": "No"}}
    fivetran.next({"method": "POST", "path": "/v1/connections/*", **answer})


def test_from_the_link_to_the_card_is_one_click(
    fivetran: Fivetran, approve: Any, cast: dict[str, Any], live_server: Any, open_as: Callable[..., Page]
) -> None:
    row, page = begun(approve, "requester2"), open_as("requester2", 1280)
    page.goto(page_of(row))
    page.get_by_role("button", name="Open Connect Card").click()
    page.wait_for_url(f"{fivetran.url}/connect-card/setup?*")
    expect(page.locator("[name=sheet_id]")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_busy_fivetran_is_waited_for(
    fivetran: Fivetran, approve: Any, cast: dict[str, Any], live_server: Any, browser: Browser, script: bool
) -> None:
    row, client = begun(approve, "requester2"), Client()
    client.force_login(cast["requester2"])
    context = browser.new_context(base_url=live_server.url, java_script_enabled=script)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page = context.new_page()
    page.goto(page_of(row))
    busy(fivetran)
    page.get_by_role("button", name="Open Connect Card").click()
    expect(page.get_by_text("Fivetran does not answer just now.")).to_be_visible()
    if script:
        expect(page.locator("[data-countdown]")).to_have_text("3 seconds")
    page.wait_for_url(f"{fivetran.url}/connect-card/setup?*", timeout=20_000)  # nobody pressed anything
    context.close()
