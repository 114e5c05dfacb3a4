"""The sandbox's pages in a real browser: they read well, and the card's way back is not blocked by its own policy."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import NARROWEST, finds_nothing
from tests.sandbox.api import Api, sandbox

pytestmark = pytest.mark.browser


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A page on another origin, which the card leads back to: a second sandbox's start page."""
    with sandbox() as (other, _):
        yield f"{other.root}/?state=abc"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_start_page(api: Api, page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    answer = page.goto(api.root)
    expect(page.get_by_role("row").filter(has_text="lost_before_")).to_have_count(1)
    finds_nothing(page, answer, narrower=[NARROWEST])


def test_the_card_from_opening_to_the_way_back(api: Api, page: Page, elsewhere: str) -> None:
    card = {"connect_card_config": {"redirect_uri": elsewhere}, "run_setup_tests": False}
    data = api.create("orders", "postgres", **card).json()["data"]
    finds_nothing(page, page.goto(data["connect_card"]["uri"]), narrower=[NARROWEST])
    page.get_by_label("Host", exact=True).fill("db.example.com")
    page.get_by_label("User", exact=True).fill("fivetran")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Save & Test").click()
    finds_nothing(page, page.get_by_role("alert").get_by_text("Invalid login credentials"))
    expect(page.get_by_label("Password")).to_have_value("")
    page.get_by_label("Password").fill("right")
    page.get_by_role("button", name="Save & Test").click()
    page.wait_for_url(elsewhere)
    assert api.get(f"/v1/connections/{data['id']}")["status"]["setup_state"] == "connected"
