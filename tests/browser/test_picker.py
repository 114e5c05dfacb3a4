"""The service picker in a real browser: typing finds, the keyboard is enough, the plain select stays behind it."""

import json
import re
from typing import Any

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Locator, Page, Route, expect

from connections.models import CatalogEntry, Kind, ServiceRule, Stance
from tests import catalogs
from tests.browser.accessibility import finds_nothing
from tests.browser.test_form import NEW, body, control, log_in

pytestmark = pytest.mark.django_db(transaction=True)
GUIDE = "https://fivetran.com/docs/connectors/databases/postgresql"


def offer_many() -> None:
    """800 services beside the usual ones; Postgres and Salesforce are recommended, S3 is denied."""
    catalogs.offered()
    data = {"type": "Marketing", "service_status": "sunset"}
    detail = {"config": {"required": ["schema"], "properties": {}}}
    CatalogEntry.objects.bulk_create(
        CatalogEntry(
            kind=Kind.SERVICE, fivetran_id=f"ad_{n:03}", name=f"Ads {n:03}", data=data, detail=detail, detail_at=Now()
        )
        for n in range(800)
    )
    postgres = {"type": "Database", "link_to_docs": GUIDE}
    CatalogEntry.objects.filter(fivetran_id="postgres").update(data=postgres)
    ServiceRule.objects.create(service="salesforce", position=2)
    ServiceRule.objects.create(service="postgres", position=1, note="Use the <b>replica</b>.")
    ServiceRule.objects.create(service="s3", stance=Stance.DENIED)


@pytest.fixture
def form(page: Page, as_user: Any, live_server: Any) -> Page:
    """The requester's browser on a new form with a large catalog, once the picker has its list."""
    offer_many()
    log_in(page, as_user, live_server)
    page.goto(live_server.url + NEW)
    picker(page).click()
    expect(page.locator(".picker-more")).to_contain_text("as Fivetran listed them")  # of the list alone
    page.keyboard.press("Escape")
    return page


def picker(page: Page) -> Locator:
    """The input that people type into."""
    return page.get_by_role("combobox", name="Service")


def options(page: Page) -> list[str]:
    """The names on show."""
    return page.locator("[role=option] .picker-name").all_inner_texts()


def active(page: Page) -> str:
    """The name that the input says is active."""
    named = picker(page).get_attribute("aria-activedescendant")
    return page.locator(f"#{named} .picker-name").inner_text() if named else ""


def test_the_keyboard_alone_chooses(form: Page) -> None:
    picker(form).focus()
    form.keyboard.type("goog")
    expect(picker(form)).to_have_attribute("aria-expanded", "true")
    assert active(form) == "Google Sheets"
    form.keyboard.press("Enter")
    expect(picker(form)).to_have_value("Google Sheets")
    expect(picker(form)).to_have_attribute("aria-expanded", "false")
    expect(control(form, "service")).to_have_value("google_sheets")
    expect(control(form, "config__table")).to_be_visible()
    expect(form.get_by_role("status").filter(has_text="Google Sheets is chosen")).to_have_count(1)
    assert form.url.endswith(f"{NEW}?service=google_sheets"), "Enter chooses and sends nothing"
    form.keyboard.press("Tab")
    if form.evaluate("document.activeElement.matches('a')"):
        form.keyboard.press("Tab")  # what the API says of the next field
    assert form.evaluate("document.activeElement.name") == "networking_method", "one control, one stop"


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("postgres", "Postgres"),
        ("SALES", "Salesforce"),
        ("google sh", "Google Sheets"),
        ("sheets google", "Google Sheets"),
        ("ad_417", "Ads 417"),
        ("database", "Postgres"),
        ("gsheets", "Google Sheets"),
        ("pg", "Postgres"),
        ("postgras", "Postgres"),
        ("sfdc", "Salesforce"),
    ],
)
def test_words_find_names_ids_and_categories(form: Page, words: str, first: str) -> None:
    picker(form).fill(words)
    assert options(form)[0] == first


def test_nothing_found_is_said(form: Page) -> None:
    picker(form).fill("<img src=x>")
    expect(form.locator(".picker-more")).to_have_text("No service is called “<img src=x>”.")
    expect(form.locator(".picker-list").first).to_be_hidden()


def test_recommended_services_come_first_and_denied_ones_never(form: Page) -> None:
    picker(form).click()
    assert options(form)[:3] == ["Postgres", "Salesforce", "Ads 000"]
    expect(form.get_by_role("group", name="Recommended by your company").get_by_role("option")).to_have_count(2)
    expect(form.locator(".picker-more")).to_contain_text("754 more: type to narrow them down")
    expect(form.locator(".picker-more")).to_contain_text("as Fivetran listed them this minute")
    picker(form).fill("s3")
    assert "S3" not in options(form)


def test_arrows_walk_the_list_and_escape_leaves_it(form: Page) -> None:
    picker(form).focus()
    form.keyboard.press("ArrowDown")
    assert active(form) == "Postgres"
    form.keyboard.press("ArrowDown")
    assert active(form) == "Salesforce"
    for _ in range(2):
        form.keyboard.press("ArrowUp")
    assert active(form) == options(form)[-1]
    form.keyboard.press("ArrowDown")
    form.keyboard.press("PageDown")
    assert active(form) == options(form)[10]
    form.keyboard.press("Escape")
    expect(picker(form)).to_have_attribute("aria-expanded", "false")
    expect(control(form, "service")).to_have_value("")
    assert form.url.endswith(NEW)


def test_the_mouse_chooses_and_the_choice_explains_itself(form: Page) -> None:
    picker(form).click()
    form.get_by_role("option", name="Postgres").click()
    expect(control(form, "service")).to_have_value("postgres")
    about = form.locator(".picker-about")
    expect(about).to_contain_text("Use the <b>replica</b>.")
    guide = about.get_by_role("link", name="Fivetran’s guide to Postgres")
    assert (guide.get_attribute("href"), guide.get_attribute("rel")) == (GUIDE, "noopener noreferrer")
    picker(form).fill("ads 7")
    form.keyboard.press("Enter")
    expect(about.locator(".tag")).to_have_text("sunset: being retired")
    expect(about.get_by_role("link")).to_have_count(0)


def test_what_is_typed_and_not_chosen(form: Page) -> None:
    picker(form).fill("salesforce")
    form.keyboard.press("Tab")
    expect(control(form, "service")).to_have_value("salesforce")  # a whole name counts
    picker(form).fill("something else")
    form.keyboard.press("Tab")
    expect(picker(form)).to_have_value("Salesforce")
    expect(control(form, "service")).to_have_value("salesforce")
    picker(form).fill("")
    form.keyboard.press("Tab")
    expect(control(form, "service")).to_have_value("")


def test_the_select_is_the_control(form: Page) -> None:
    control(form, "service").select_option("google_sheets")
    expect(picker(form)).to_have_value("Google Sheets")
    for name, text in {"config__schema": "sales", "config__table": "orders", "reason": "Report"}.items():
        control(form, name).fill(text)
    control(form, "group_id").select_option("projected_sickle")
    expect(form.locator("#review")).to_contain_text("Google Sheets into Warehouse as sales.orders")
    assert body(form)["service"] == "google_sheets"
    form.reload()
    expect(picker(form)).to_have_value("Google Sheets")  # what was typed came back, and the picker shows it


def test_label_and_error_lead_to_the_picker(form: Page) -> None:
    form.locator("label[for=id_service]").click()
    expect(picker(form)).to_be_focused()
    form.keyboard.press("Escape")
    form.get_by_role("button", name="Submit for approval").click()
    form.get_by_role("link", name="Service: Choose a service").click()
    expect(picker(form)).to_be_focused()
    expect(picker(form)).to_have_accessible_description(re.compile("Choose a service, for example google_sheets"))
    expect(picker(form)).to_have_attribute("aria-invalid", "true")


def test_a_list_that_does_not_come_leaves_the_select_s_own(page: Page, as_user: Any, live_server: Any) -> None:
    def nonsense(route: Route) -> None:
        route.fulfill(status=200, body="no JSON")

    offer_many()
    log_in(page, as_user, live_server)
    page.route("**/services.json", nonsense)
    page.goto(live_server.url + NEW)
    picker(page).fill("salesf")
    page.keyboard.press("Enter")
    expect(control(page, "service")).to_have_value("salesforce")


def test_without_javascript_it_is_a_select(browser: Any, as_user: Any, live_server: Any) -> None:
    offer_many()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, as_user, live_server)
    page.goto(live_server.url + NEW)
    expect(picker(page)).to_have_attribute("name", "service")
    assert page.locator("select[name=service] option").count() > 800
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_nothing_that_axe_finds(browser: Any, as_user: Any, live_server: Any, theme: Any, width: int) -> None:
    offer_many()
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 800})
    page = context.new_page()
    log_in(page, as_user, live_server, "approver")
    page.goto(live_server.url + NEW)
    for words in ("", "ads", "zzz"):
        picker(page).fill("x")
        picker(page).fill(words)
        expect(picker(page)).to_have_attribute("aria-expanded", "true")
        finds_nothing(page, page.locator(".picker-panel"), name=words)
    finds_nothing(page, page.goto(live_server.url + "/catalog/"))
    context.close()


def test_the_list_fits_a_thousand_services_into_one_answer(form: Page) -> None:
    answer = form.request.get(form.url.replace(NEW, "/requests/new/services.json"))
    assert len(json.loads(answer.text())["services"]) > 800
    assert len(answer.body()) < 200_000
