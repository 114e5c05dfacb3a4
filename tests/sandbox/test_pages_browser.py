"""The sandbox's pages in a real browser: they read well, and the card's way back is not blocked by its own policy."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.sandbox.api import Api, sandbox

pytestmark = pytest.mark.browser


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A page on another origin, which the card leads back to: a second sandbox's start page."""
    with sandbox() as (other, _):
        yield f"{other.root}/?state=abc"


def assert_readable(page: Any) -> None:
    """No accessibility complaint, and nothing scrolls sideways at 320 pixels."""
    assert Axe().run(page).violations_count == 0, Axe().run(page).generate_report()
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_start_page(api: Api, page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(api.root)
    assert page.get_by_role("row").filter(has_text="lost_before_").count() == 1
    assert_readable(page)


def test_the_card_from_opening_to_the_way_back(api: Api, page: Any, elsewhere: str) -> None:
    card = {"connect_card_config": {"redirect_uri": elsewhere}, "run_setup_tests": False}
    data = api.create("orders", "postgres", **card).json()["data"]
    page.goto(data["connect_card"]["uri"])
    assert_readable(page)
    page.get_by_label("Host", exact=True).fill("db.example.com")
    page.get_by_label("User", exact=True).fill("fivetran")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Save & Test").click()
    page.get_by_role("alert").get_by_text("Invalid login credentials").wait_for()
    assert_readable(page)
    assert page.get_by_label("Password").input_value() == ""
    page.get_by_label("Password").fill("right")
    page.get_by_role("button", name="Save & Test").click()
    page.wait_for_url(elsewhere)
    assert api.get(f"/v1/connections/{data['id']}")["status"]["setup_state"] == "connected"
