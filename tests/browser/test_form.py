"""The form in a real browser: what appears and disappears, what follows what is typed, what is never lost."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Dialog, Page, expect

from connections import limits
from connections.models import ConnectionRequest
from connections.states import Status
from tests import catalogs, factories
from tests.browser.accessibility import finds_nothing
from tests.workflow.test_limits import with_drafts

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "/requests/new/"


def log_in(page: Page, as_user: Any, live_server: Any, username: str = "requester") -> None:
    """Give the browser the session of a person."""
    session = as_user(username).cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])


@pytest.fixture
def form(page: Page, as_user: Any, live_server: Any) -> Page:
    """The requester's browser on a new form that knows what Fivetran offers."""
    catalogs.offered()
    log_in(page, as_user, live_server)
    page.goto(live_server.url + NEW)
    return page


def control(page: Page, name: str) -> Any:
    """The control of a field."""
    return page.locator(f'[name="{name}"]')


def open_groups(page: Page) -> None:
    """Open what is closed, as a click on each line would."""
    closed = page.locator("details.form-group-closed:not([open]) > summary")
    while closed.count():
        closed.first.click()


def answer(page: Page, name: str, value: str) -> None:
    """Choose `value` in a list, or on a card."""
    found = control(page, name)
    if found.first.get_attribute("type") == "radio":
        page.locator(f'[name="{name}"][value="{value}"]').check()
    else:
        found.select_option(value)


def chosen(page: Page, name: str) -> str:
    """What is chosen in a list, or on a card."""
    return str(page.evaluate("name => document.querySelector('[data-request-form]').elements[name].value", name))


def fill(page: Page, **more: str) -> None:
    """Fill what is required."""
    control(page, "service").select_option("google_sheets")
    control(page, "group_id").select_option("projected_sickle")
    for name, text in {"config__schema": "sales", "config__table": "orders", "reason": "Weekly report", **more}.items():
        control(page, name).fill(text)


def body(page: Page) -> Any:
    """The body in the review panel."""
    return json.loads(page.locator("[data-review]").text_content() or "")


def test_a_request_is_filed(form: Page) -> None:
    fill(form)
    with form.expect_navigation():
        form.get_by_role("button", name="Submit for approval").click()
    request_id = re.search(r"/requests/(\d+)/$", form.url)
    assert request_id
    expect(form.get_by_text(f"Request {request_id[1]} was submitted.")).to_be_visible()
    assert ConnectionRequest.objects.get().state is Status.PENDING


CONDITIONS = [
    ("daily_sync_time", "sync_frequency", "1440"),
    ("data_delay_threshold", "data_delay_sensitivity", "CUSTOM"),
    ("private_link_id", "networking_method", "PrivateLink"),
    ("proxy_agent_id", "networking_method", "ProxyAgent"),
]


@pytest.mark.parametrize(("name", "parent", "value"), CONDITIONS)
def test_what_does_not_apply_is_neither_visible_nor_sent(form: Page, name: str, parent: str, value: str) -> None:
    open_groups(form)
    before = chosen(form, parent)
    for value_now, applies in ((before, False), (value, True), (before, False)):
        answer(form, parent, value_now)
        expect(control(form, name)).to_be_visible(visible=applies)
        expect(control(form, name)).to_be_enabled(enabled=applies)


def test_a_manual_schedule_hides_the_daily_time_and_says_why_the_frequency_is_idle(form: Page) -> None:
    open_groups(form)
    control(form, "sync_frequency").select_option("1440")
    control(form, "schedule_type").select_option("manual")
    expect(control(form, "daily_sync_time")).to_be_hidden()
    expect(control(form, "sync_frequency")).to_have_accessible_description(re.compile("the frequency has no effect"))


def test_the_connect_card_turns_the_setup_tests_off_and_on_again(form: Page) -> None:
    open_groups(form)
    tests, card = control(form, "run_setup_tests"), control(form, "use_connect_card")
    expect(control(form, "connect_card_config__redirect_uri")).to_be_hidden()
    card.check()
    expect(tests).to_be_disabled()
    expect(tests).not_to_be_checked()
    expect(tests).to_have_accessible_description(re.compile("the tests run after the hand-over"))
    expect(control(form, "connect_card_config__redirect_uri")).to_have_value("http://localhost/handover/return/")
    card.uncheck()
    expect(tests).to_be_enabled()
    expect(tests).to_be_checked()


def test_what_was_typed_comes_back_with_its_condition(form: Page) -> None:
    open_groups(form)
    control(form, "data_delay_sensitivity").select_option("CUSTOM")
    control(form, "data_delay_threshold").fill("90")
    control(form, "data_delay_sensitivity").select_option("LOW")
    control(form, "data_delay_sensitivity").select_option("CUSTOM")
    expect(control(form, "data_delay_threshold")).to_have_value("90")


def test_another_service_brings_its_own_names_and_keeps_the_typed_ones(form: Page) -> None:
    fill(form)
    control(form, "service").select_option("postgres")
    expect(control(form, "config__schema_prefix")).to_be_visible()
    expect(control(form, "config__schema")).to_have_count(0)
    control(form, "service").select_option("s3")
    expect(control(form, "config__table_group_name")).to_be_visible()
    expect(control(form, "config__schema")).to_have_value("sales")
    control(form, "service").select_option("google_sheets")
    expect(control(form, "config__table")).to_have_value("orders")


def test_the_review_follows_what_is_typed(form: Page) -> None:
    fill(form)
    expect(form.locator("#review")).to_contain_text("Google Sheets into Warehouse as sales.orders")
    form.locator("summary", has_text="JSON").click()
    open_groups(form)
    control(form, "sync_frequency").select_option("15")
    expect(form.locator("#words_when")).to_have_text("Every 15 minutes, day and night.")
    assert body(form)["sync_frequency"] == 15
    expect(form.locator("[data-review]")).to_be_visible()
    shown = body(form)
    form.get_by_role("button", name="Submit for approval").click()
    form.wait_for_url(re.compile(r"/requests/\d+/$"))
    assert ConnectionRequest.objects.get().payload == shown


def test_the_error_summary_takes_the_focus_and_leads_to_the_field(form: Page) -> None:
    fill(form, reason="", config__schema="Not A Name")
    open_groups(form)
    answer(form, "networking_method", "PrivateLink")
    form.get_by_role("button", name="Submit for approval").click()
    summary = form.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    expect(form).to_have_title(re.compile("^Error: "))
    expect(form.locator("#group_advanced")).not_to_have_attribute("open", "")
    summary.get_by_role("link", name="PrivateLink ID").click()
    expect(control(form, "private_link_id")).to_be_focused()
    expect(control(form, "private_link_id")).to_have_accessible_description(re.compile("Choose the private link"))
    expect(control(form, "config__schema")).to_have_value("Not A Name")


def test_a_refused_value_of_a_link_is_in_sight_though_it_does_not_apply(form: Page, live_server: Any) -> None:
    form.goto(f"{live_server.url}{NEW}?service=google_sheets&daily_sync_time=05:00")
    expect(form.locator("#id_daily_sync_time_error")).to_be_visible()
    expect(control(form, "daily_sync_time")).to_have_value("05:00")
    control(form, "sync_frequency").select_option("1440")
    expect(control(form, "daily_sync_time")).to_be_enabled()
    control(form, "sync_frequency").select_option("60")
    expect(control(form, "daily_sync_time")).to_be_hidden()


# --- nothing is lost, nothing is sent twice --------------------------------------------------------------------------
def test_a_reload_gives_back_what_was_typed(form: Page) -> None:
    fill(form)
    form.reload()
    expect(form.locator("[data-restored]")).to_be_visible()
    expect(control(form, "reason")).to_have_value("Weekly report")
    expect(control(form, "config__table")).to_have_value("orders")
    form.get_by_role("button", name="Discard it").click()
    expect(control(form, "reason")).to_have_value("")
    expect(form.locator("[data-restored]")).to_be_hidden()


def test_an_old_text_of_this_tab_does_not_replace_a_draft_that_was_changed_in_another(
    form: Page, live_server: Any
) -> None:
    def type_and_save(page: Page, text: str) -> None:
        with page.expect_response("**/requests/new/draft/") as answer:
            control(page, "reason").fill(text)
        assert answer.value.status == 200
        expect(page.locator("[data-draft-status]")).to_contain_text(re.compile(r"Draft saved \d"))

    type_and_save(form, "begun")
    draft = ConnectionRequest.objects.get()
    # Not in the fixture's page: there the console's remark about a 409 fails a test.
    mine, other = form.context.new_page(), form.context.new_page()
    for page, text in ((mine, "of this tab"), (other, "newer, of another tab")):
        page.goto(f"{live_server.url}/requests/{draft.pk}/edit/")
        type_and_save(page, text)
    mine.reload()
    expect(control(mine, "reason")).to_have_value("of this tab")
    control(mine, "reason").fill("of this tab, and more")
    expect(mine.locator("[data-draft-status]")).to_contain_text("changed in another window")
    mine.on("dialog", lambda dialog: dialog.accept())
    mine.reload()
    mine.get_by_role("button", name="Discard it").click()
    expect(control(mine, "reason")).to_have_value("newer, of another tab")
    draft.refresh_from_db()
    assert (draft.reason, draft.state) == ("newer, of another tab", Status.DRAFT)


def test_a_log_out_in_between_loses_nothing(form: Page, as_user: Any, live_server: Any) -> None:
    fill(form)
    form.context.clear_cookies(name="sessionid")
    form.get_by_role("button", name="Submit for approval").click()
    form.wait_for_url(re.compile("/accounts/login/"))
    log_in(form, as_user, live_server)
    form.goto(live_server.url + NEW)
    expect(form.locator("[data-restored]")).to_be_visible()
    expect(control(form, "config__table")).to_have_value("orders")
    form.get_by_role("button", name="Submit for approval").click()
    form.wait_for_url(re.compile(r"/requests/\d+/$"))
    form.goto(live_server.url + NEW)
    expect(control(form, "reason")).to_have_value("")
    expect(form.locator("[data-restored]")).to_be_hidden()


def test_another_persons_text_is_not_shown(form: Page, as_user: Any, live_server: Any) -> None:
    fill(form)
    log_in(form, as_user, live_server, "requester2")
    form.reload()
    expect(control(form, "reason")).to_have_value("")


def test_a_draft_too_many_says_so_while_one_types(form: Page, cast: dict[str, User], live_server: Any) -> None:
    with_drafts(cast["requester"], limits.DRAFTS)
    page = form.context.new_page()  # not the fixture's: there the console's remark about a 429 fails a test
    page.goto(live_server.url + NEW)
    expect(page.locator("[data-banner]")).to_contain_text("You have 100 drafts, as many as one person may have")
    control(page, "reason").fill("Typed for an hour")
    expect(page.locator("[data-draft-status]")).to_contain_text("What you typed is kept in this tab")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(control(page, "reason")).to_have_value("Typed for an hour")


def test_leaving_with_unsaved_text_asks_first(form: Page, live_server: Any) -> None:
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    form.on("dialog", answer)
    control(form, "reason").fill("not saved")
    form.goto(f"{live_server.url}/requests/")
    assert asked == ["beforeunload"]


def test_a_double_click_sends_once(form: Page) -> None:
    fill(form)
    form.get_by_role("button", name="Submit for approval").dblclick(no_wait_after=True)
    form.wait_for_url(re.compile(r"/requests/\d+/$"))
    assert ConnectionRequest.objects.count() == 1


def test_back_after_submitting_is_the_same_request(form: Page) -> None:
    fill(form)
    form.get_by_role("button", name="Submit for approval").click()
    form.wait_for_url(re.compile(r"/requests/\d+/$"))
    form.go_back()
    expect(form.get_by_role("button", name="Submit for approval")).to_be_enabled()


def test_a_draft_can_be_saved_and_goes_on(form: Page) -> None:
    control(form, "reason").fill("later")
    form.get_by_role("button", name="Save draft").click()
    form.wait_for_url(re.compile(r"/requests/\d+/edit/$"))
    expect(form.get_by_text("was saved")).to_be_visible()
    expect(form.locator("[data-restored]")).to_be_hidden()
    fill(form)
    form.get_by_role("button", name="Submit for approval").click()
    form.wait_for_url(re.compile(r"/requests/\d+/$"))
    assert ConnectionRequest.objects.get().state is Status.PENDING


def test_without_a_script_the_form_does_its_work(browser: Any, as_user: Any, live_server: Any) -> None:
    catalogs.offered()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, as_user, live_server)
    page.goto(f"{live_server.url}{NEW}?service=google_sheets&group_id=projected_sickle")
    for name, text in {"config__schema": "sales", "config__table": "orders", "reason": "Report"}.items():
        control(page, name).fill(text)
    open_groups(page)
    expect(control(page, "private_link_id")).to_be_visible()
    page.get_by_role("button", name="Submit for approval").click()
    page.wait_for_url(re.compile(r"/requests/\d+/$"))
    context.close()


# --- how it looks to everybody ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("light", 390), ("light", 320), ("dark", 390)])
def test_it_is_accessible_and_nothing_scrolls_sideways(
    form: Page, live_server: Any, cast: dict[str, User], scheme: Any, width: int
) -> None:
    held = factories.submitted(cast["requester"], reason="w" * 300)
    form.set_viewport_size({"width": width, "height": 800})
    form.emulate_media(color_scheme=scheme)
    bad = "?service=nonsense" + "x" * 200 + "&daily_sync_time=05:00&use_connect_card=true&run_setup_tests=true&paused=x"
    for address in (NEW, f"{NEW}?service=google_sheets", NEW + bad, f"/requests/{held.pk}/edit/"):
        form.goto(live_server.url + address)
        open_groups(form)
        form.locator("summary", has_text="JSON").click()
        finds_nothing(form, form.locator("[data-review]"))
