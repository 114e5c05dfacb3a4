"""The reference in a browser: searched while one types, printed whole, and one click from the form and back."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from connections.models import ConnectionRequest
from tests import catalogs, factories

pytestmark = pytest.mark.django_db(transaction=True)
HERE = "/reference/create-connection/"


@pytest.fixture
def reader(browse: Callable[..., Page]) -> Page:
    """A requester's page, where the settings of the services are known."""
    catalogs.offered()
    catalogs.told()
    return browse("requester")


def entries(page: Page) -> Locator:
    """The names of the fields on show."""
    return page.locator("[data-entry]:visible h3 code")


def test_the_search_follows_what_is_typed_and_the_address_keeps_it(reader: Page) -> None:
    reader.goto(HERE)
    total = entries(reader).count()
    reader.keyboard.press("/")
    reader.keyboard.type("Trust Certificates")
    expect(reader.locator("[data-found]")).to_have_text(f"1 of {total} entries")
    expect(entries(reader)).to_have_text(["trust_certificates"])
    contents = reader.get_by_role("navigation", name="On this page")
    expect(contents.locator("li li a:visible")).to_have_text(["trust_certificates"])
    reader.reload()
    expect(entries(reader)).to_have_text(["trust_certificates"])
    box = reader.get_by_role("searchbox", name="Search the fields")
    box.fill("no such thing")
    expect(reader.locator("[data-found]")).to_contain_text("None of")
    box.fill("")
    expect(reader.locator("[data-found]")).to_have_text(f"{total} entries")
    expect(reader).to_have_url(re.compile(f"{HERE}$"))


@pytest.mark.parametrize("words", ["1440", "ssh", "required", "compare nothing", "schema prefix"])
def test_the_script_finds_what_the_server_finds(browse: Callable[..., Page], reader: Page, words: str) -> None:
    plain = browse("requester", java_script_enabled=False)
    plain.goto(f"{HERE}?service=postgres&q={words}")
    reader.goto(f"{HERE}?service=postgres")
    reader.get_by_role("searchbox", name="Search the fields").fill(words)
    expect(entries(reader)).to_have_text(entries(plain).all_inner_texts())


def test_a_link_to_a_field_that_the_search_hides_ends_the_search(reader: Page) -> None:
    reader.goto(f"{HERE}?q=daily#field-paused")
    expect(reader.locator("[id='field-paused']")).to_be_in_viewport()
    assert entries(reader).count() > 20


def test_from_a_field_of_the_form_to_its_reference_and_to_the_control(reader: Page) -> None:
    reader.goto("/requests/new/?service=postgres")
    with reader.context.expect_page() as opened:
        reader.get_by_role("link", name="Reference of networking_method").click()
    page = opened.value
    expect(page.locator("[id='field-networking_method']")).to_be_in_viewport()
    page.locator("[id='field-data_delay_threshold']").get_by_role("link", name="In the form").click()
    expect(page.get_by_label("Data delay threshold")).to_be_focused()
    page.go_back()
    page.locator("[id='field-networking_method']").get_by_role("link", name="In the form").click()
    expect(page.get_by_label("Directly")).to_be_focused()


def test_a_draft_that_was_saved_while_one_typed_stands_beside_its_fields(reader: Page) -> None:
    reader.goto("/requests/new/?service=postgres")
    reader.get_by_label("Reason").fill("Sales of last week")
    expect(reader.locator("[data-draft-status]")).to_contain_text("Draft saved", timeout=15_000)
    with reader.context.expect_page() as opened:
        reader.get_by_role("link", name="Reference of sync_frequency").click()
    draft = ConnectionRequest.objects.get()
    expect(opened.value.get_by_role("link", name=f"request #{draft.pk}")).to_be_visible()


def test_what_is_wrong_comes_before_the_control_that_one_came_to(reader: Page) -> None:
    reader.goto(HERE)
    reader.locator("[id='field-sync_frequency']").get_by_role("link", name="In the form").click()
    expect(reader.locator("#id_sync_frequency")).to_be_focused()
    reader.evaluate("document.querySelector('[data-request-form]').requestSubmit()")
    expect(reader.locator("[data-error-summary]")).to_be_focused()
    assert reader.url.endswith("/requests/new/"), "a browser that finds the control in the address goes there again"


def test_an_address_that_names_nothing_breaks_nothing(reader: Page) -> None:
    reader.goto(f"{HERE}#%")
    reader.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert reader.locator("main details:not([open])").count() == 0


def test_on_paper_each_field_has_its_label(reader: Page) -> None:
    reader.goto(HERE)
    reader.emulate_media(media="print")
    for label in ("Sync frequency", "Networking method", "Trust certificates without review"):
        expect(reader.locator("[data-reference]").get_by_text(label, exact=True)).to_be_visible()


def test_paper_is_light_whatever_the_screen_is(browse: Callable[..., Page]) -> None:
    page = browse("requester", color_scheme="dark")
    page.goto(HERE)
    ink = "getComputedStyle(document.querySelector('[data-entry] p')).color"
    on_screen = page.evaluate(ink)
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    assert page.evaluate(ink) != on_screen
    page.emulate_media(media="screen", color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_paper_shows_all_and_no_navigation(reader: Page, cast: dict[str, Any]) -> None:
    row = factories.submitted(cast["requester"])
    reader.goto(f"{HERE}?request={row.pk}")
    reader.emulate_media(media="print")
    for hidden in (".site-header", ".site-footer", ".reference-contents", ".reference-search"):
        assert not reader.locator(hidden).is_visible(), hidden
    reader.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert reader.locator("main details:not([open])").count() == 0
    assert reader.locator("#reference-body").is_visible()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_scrolls_sideways_and_the_settings_stay_in_view(reader: Page, width: int) -> None:
    reader.set_viewport_size({"width": width, "height": 900})
    reader.goto(f"{HERE}?service=postgres")
    assert reader.evaluate("document.documentElement.scrollWidth <= innerWidth")
    reader.evaluate("scrollTo(0, 3000)")
    assert reader.locator("#reference-body").is_visible()
    if width == 1280:
        expect(reader.locator("#reference-body")).to_be_in_viewport()
