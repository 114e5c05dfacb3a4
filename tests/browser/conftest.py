"""People in browsers of their own, before a real portal: live server, worker, scheduler, broker and sandbox."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from connections import catalog
from connections.worker import account
from tests import processes
from tests.sandbox_client import Fivetran

PASSWORD = "demo-portal"  # the demo's people have it
expect.set_options(timeout=30_000)  # ms; only what fails waits so long, and machines may be busy


def aborted(text: str) -> bool:
    """Whether htmx only says that somebody left the page while it was asking."""
    return text.startswith(("htmx:sendAbort", "htmx:afterRequest"))


@pytest.fixture
def portal(
    live_server: Any, cast: dict[str, Any], portal_environment: dict[str, str], settings: Any
) -> Iterator[Fivetran]:
    """The portal whole, with its catalog loaded and the demo's people; yields the stand-in for Fivetran."""
    account._known.clear()
    settings.PUBLIC_URL = live_server.url
    stand_in = Fivetran(portal_environment["FIVETRAN_BASE_URL"])
    stand_in.settings(test_seconds=0.2)
    catalog.refresh_all()
    with processes.worker(portal_environment), processes.scheduler(portal_environment):
        yield stand_in


@pytest.fixture
def browse(browser: Browser, live_server: Any, as_user: Any) -> Iterator[Callable[..., Page]]:
    """`browse("requester")` is a page of a browser of that person, logged in; a console error fails the test."""
    said: list[str] = []
    pages: list[Page] = []

    def open_page(username: str = "", **context: Any) -> Page:
        page = browser.new_context(base_url=live_server.url, **context).new_page()
        page.on(
            "console", lambda m: said.append(m.text) if m.type in {"error", "warning"} and not aborted(m.text) else None
        )
        page.on("pageerror", lambda error: said.append(str(error)))
        pages.append(page)
        if username:
            session = as_user(username).cookies["sessionid"].value  # test_handover.py logs in as people do
            page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
            page.goto("/")
        return page

    yield open_page
    for page in pages:
        page.context.close()
    assert not said, said
