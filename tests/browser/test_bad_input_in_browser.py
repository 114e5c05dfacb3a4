"""A value that means nothing is said beside its field while it is typed, in words, and again by the server."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections.models import CatalogEntry, ConnectionRequest, Kind
from tests import catalogs, factories
from tests.browser.test_form import control, log_in

pytestmark = pytest.mark.django_db(transaction=True)
AGENT_OFF = "This hybrid deployment agent is not connected to Fivetran just now"
LINK_FAR = "This private link is in AWS_US_EAST_1 and the destination is not"


@pytest.fixture
def open_form(page: Page, as_user: Any, live_server: Any) -> Callable[[str], Page]:
    """`open_form("&sync_frequency=60")` is the form of a database, with those answers, its groups open."""
    catalogs.offered()
    catalogs.told()
    for kind, number, data in (
        (Kind.HYBRID_AGENT, "agent_off", {"online": False, "group_id": "projected_sickle"}),
        (Kind.PRIVATE_LINK, "link_far", {"state": "OK", "region": "AWS_US_EAST_1", "service": "SOURCE_AWS"}),
    ):
        CatalogEntry.objects.create(kind=kind, fivetran_id=number, name=number, data=data)
    log_in(page, as_user, live_server)

    def open_one(answers: str) -> Page:
        page.goto(f"{live_server.url}/requests/new/?service=postgres&group_id=projected_sickle&reason=Sales{answers}")
        page.evaluate("document.querySelectorAll('details').forEach(group => { group.open = true })")
        return page

    return open_one


def submit(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name="Submit for approval").click()


@pytest.mark.parametrize(
    ("answers", "name", "text", "words"),
    [
        ("&data_delay_sensitivity=CUSTOM", "data_delay_threshold", "abc", "Enter the threshold in minutes, 1 or more"),
        ("", "config__port", "54x32", "port is a number from 1 to 65535|Enter a whole number"),
        ("", "config__port", "99999", "A port is a number from 1 to 65535"),
        ("", "config__host", "https://db.example.com", "A host is a name such as db.example.com, without https://"),
    ],
)
def test_what_means_nothing_is_refused(
    open_form: Callable[[str], Page], answers: str, name: str, text: str, words: str
) -> None:
    form = open_form(f"{answers}&config__schema_prefix=shop")
    control(form, name).fill(text)
    expect(form.locator(f"#id_{name}_note")).to_contain_text(re.compile(words))
    submit(form)
    expect(form.locator(f"#id_{name}_error")).to_contain_text(re.compile(words))
    expect(control(form, name)).to_have_value(text)
    assert not ConnectionRequest.objects.filter(status="pending").exists()


@pytest.mark.parametrize(
    ("answers", "name", "text", "words", "told"),
    [
        ("", "config__host", "db.example.com/shop", "Fivetran may refuse a path", "db.example.com/shop"),
        ("", "hybrid_deployment_agent_id", "agent_off", AGENT_OFF, "it is not online"),
        ("&networking_method=PrivateLink", "private_link_id", "link_far", LINK_FAR, "link_far"),
    ],
)
def test_what_may_not_work_is_said_and_the_approver_is_told(
    open_form: Callable[[str], Page], as_user: Any, answers: str, name: str, text: str, words: str, told: str
) -> None:
    form = open_form(f"{answers}&config__schema_prefix=shop&config__host=db.example.com&config__port=5432")
    if control(form, name).evaluate("one => one.tagName") == "SELECT":
        control(form, name).select_option(text)
    else:
        control(form, name).fill(text)
    expect(form.locator(f"#id_{name}_note")).to_contain_text(words)
    submit(form)
    form.wait_for_url(re.compile(r"/requests/\d+/$"))
    path = f"/requests/{ConnectionRequest.objects.get().pk}/"
    assert told in as_user("approver").get(path).content.decode()


def test_a_daily_time_is_asked_for_only_where_it_applies(open_form: Callable[[str], Page]) -> None:
    form = open_form("&config__schema_prefix=shop&sync_frequency=1440&daily_sync_time=05:00")
    expect(control(form, "daily_sync_time")).to_be_visible()
    control(form, "sync_frequency").select_option("60")
    expect(control(form, "daily_sync_time")).to_be_hidden()
    expect(control(form, "daily_sync_time")).to_be_disabled()  # so it is not sent
    control(form, "sync_frequency").select_option("1440")
    expect(control(form, "daily_sync_time")).to_have_value("05:00")
    expect(form.get_by_text("Not sent:")).to_have_count(0)


def test_of_a_name_whose_schema_is_used_the_part_that_is_taken_is_blamed(
    open_form: Callable[[str], Page], cast: dict[str, Any], live_server: Any
) -> None:
    factories.submitted(cast["requester2"], config__schema="sales", config__table="orders")
    form = open_form("")
    form.goto(f"{live_server.url}/requests/new/?service=google_sheets&group_id=projected_sickle&reason=Sales")
    control(form, "config__schema").fill("sales")
    control(form, "config__table").fill("orders")
    expect(form.locator("#name-notes")).to_contain_text("“sales.orders” is taken in this destination")
    submit(form)
    expect(form.locator("#id_config__table_error")).to_contain_text("“sales.orders” is taken in this destination")
    expect(form.locator("#id_config__schema_error")).to_have_count(0)
    control(form, "config__table").fill("refunds")
    expect(form.locator("#name-notes")).to_contain_text("“sales.refunds” is free")
