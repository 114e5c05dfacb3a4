"""The gallery in a real browser: a tile chooses, Back brings the tiles again, the search is the server's."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import finds_nothing
from tests.browser.test_form import NEW, control, log_in
from tests.browser.test_picker import offer_many

pytestmark = pytest.mark.django_db(transaction=True)
SEARCHES = json.loads((Path(__file__).parents[1] / "catalog" / "searches.json").read_text(encoding="utf-8"))
SEARCH = """async ([services, aliases, typed]) => {
  const { prepare, search } = await import("/static/connections/search.js");
  const entries = prepare(services.map(([id, name, category]) => ({ id, name, category })));
  return typed.map((words) => search(entries, words, aliases).map((entry) => entry.id));
}"""
TIMED = """async () => {
  const { prepare, search } = await import("/static/connections/search.js");
  const one = (_, n) => ({ id: `service_${n}`, name: `Service ${n} of kind ${n % 97}`, category: "" });
  const entries = prepare(Array.from({ length: 780 }, one));
  search(entries, "warm up");
  return ["sevrice", "kidn 42", "servcie nubmer", "zzzzzzzz", "pg"].map((words) => {
    const started = performance.now();
    search(entries, words);
    return performance.now() - started;
  });
}"""


@pytest.fixture
def form(page: Page, as_user: Any, live_server: Any) -> Page:
    offer_many()
    page.on("dialog", lambda dialog: dialog.accept())
    log_in(page, as_user, live_server)
    page.goto(live_server.url + NEW)
    return page


def test_the_browser_finds_what_the_server_finds(form: Page) -> None:
    aliases = form.evaluate("async () => (await (await fetch('/requests/new/services.json')).json()).aliases")
    found = form.evaluate(SEARCH, [SEARCHES["services"], aliases, [typed for typed, _ in SEARCHES["cases"]]])
    for (typed, first), ids in zip(SEARCHES["cases"], found, strict=True):
        assert ids[: len(first)] == first and bool(ids) is bool(first), typed


def test_a_search_over_all_services_takes_less_than_fifty_milliseconds(form: Page) -> None:
    took = sorted(form.evaluate(TIMED))
    assert took[len(took) // 2] < 50, took


def test_a_tile_chooses_and_back_keeps_what_was_typed(form: Page) -> None:
    control(form, "reason").fill("Weekly report")
    form.get_by_role("link", name="Postgres", exact=True).click()
    form.wait_for_url(re.compile(r"\?service=postgres$"))
    expect(control(form, "service")).to_have_value("postgres")
    expect(form.locator("#gallery")).to_be_hidden()
    expect(control(form, "config__schema_prefix")).to_be_visible()
    expect(control(form, "reason")).to_have_value("Weekly report")
    control(form, "config__schema_prefix").fill("crm")
    form.go_back()
    expect(form.locator("#gallery")).to_be_visible()
    expect(control(form, "reason")).to_have_value("Weekly report")
    form.get_by_role("link", name="Postgres", exact=True).click()
    expect(control(form, "config__schema_prefix")).to_have_value("crm")
    form.reload()
    expect(control(form, "config__schema_prefix")).to_have_value("crm")
    expect(control(form, "reason")).to_have_value("Weekly report")


def test_a_category_comes_on_demand(form: Page) -> None:
    control(form, "reason").fill("Weekly report")
    form.get_by_role("navigation", name="Categories").get_by_role("link", name="Marketing").click()
    expect(form.locator(".gallery-tile")).to_have_count(60)
    expect(form.locator("#gallery")).to_contain_text("740 more: search for them by name.")
    expect(control(form, "reason")).to_have_value("Weekly report")


def test_without_a_script_a_search_and_a_tile_lead_to_the_form(browser: Any, as_user: Any, live_server: Any) -> None:
    offer_many()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, as_user, live_server)
    page.goto(f"{live_server.url}{NEW}?group_id=projected_sickle")
    page.get_by_role("searchbox", name="Search").fill("gsheets")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="Google Sheets").click()
    page.wait_for_url(re.compile("service=google_sheets"))
    expect(control(page, "config__table")).to_be_visible()
    expect(control(page, "group_id")).to_have_value("projected_sickle")
    context.close()


def test_the_page_weighs_little_with_a_cold_cache(form: Page, live_server: Any) -> None:
    sizes: dict[str, int] = {}
    page = form.context.browser.new_context(storage_state=form.context.storage_state()).new_page()  # type: ignore[union-attr]
    page.on("response", lambda answer: sizes.update({answer.url: len(gzip.compress(answer.body()))}))
    page.goto(live_server.url + NEW, wait_until="networkidle")
    page.context.close()
    assert all(url.startswith(live_server.url) for url in sizes)
    assert sum(sizes.values()) <= 160_000, sizes


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390), ("light", 320)])
def test_it_is_accessible_and_nothing_scrolls_sideways(form: Page, live_server: Any, scheme: Any, width: int) -> None:
    form.set_viewport_size({"width": width, "height": 800})
    form.emulate_media(color_scheme=scheme)
    for query in ("", "?category=Marketing", "?q=postgras", "?q=zzz"):
        finds_nothing(form, form.goto(f"{live_server.url}{NEW}{query}"))
