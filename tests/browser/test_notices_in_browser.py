"""Pages that say one thing and lead on, in both themes and three widths: errors, passwords, what is closed."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import open_as
from tests.browser.test_handover_pages import judge

__all__ = ["open_as"]
pytestmark = pytest.mark.django_db(transaction=True)
PAGES = {
    "": {
        "reset": "/accounts/password_reset/",
        "reset-sent": "/accounts/password_reset/done/",
        "reset-used": "/accounts/reset/AA/x/",
        "reset-complete": "/accounts/reset/done/",
        "returned": "/handover/return/",
        "refused-link": "/handover/forged/",
    },
    "requester": {
        "404": "/nothing/",
        "405": "/accounts/logout/",
        "403": "/operations/",
        "password": "/accounts/password_change/",
        "password-done": "/accounts/password_change/done/",
    },
}


def test_pages_that_say_one_thing(live_server: Any, cast: dict[str, Any], open_as: Callable[..., Page]) -> None:
    for username, pages in PAGES.items():
        page = open_as(username, 1280)
        for name, path in pages.items():
            judge(page, name, page.goto(path))
            expect(page.locator(".notice .panel").get_by_role("heading", level=1)).to_be_in_viewport()
