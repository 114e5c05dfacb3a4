"""The settings of a service in a real browser: drawn when it is chosen, following the answers, entries and all."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections.models import CatalogEntry, ConnectionRequest, Kind
from tests import catalogs
from tests.browser.accessibility import finds_nothing
from tests.browser.test_form import NEW, answer, body, control, log_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def form(page: Page, as_user: Any, live_server: Any) -> Page:
    """The requester's browser on a new form that knows the settings of the services."""
    catalogs.offered()
    catalogs.told()
    log_in(page, as_user, live_server)
    page.goto(live_server.url + NEW)
    return page


def choose(page: Page, service: str, naming: str) -> None:
    """Choose a service as the page is made, and wait for its settings."""
    page.evaluate(
        """(service) => {
            const control = document.querySelector('[name="service"]');
            control.value = service;
            control.dispatchEvent(new Event("change", { bubbles: true }));
        }""",
        service,
    )
    expect(control(page, naming)).to_be_visible()


def assert_accessible(page: Page) -> None:
    """With every group open."""
    page.evaluate("for (const group of document.querySelectorAll('details')) group.open = true")
    finds_nothing(page, page.locator("[data-request-form]"))


def test_a_database_follows_its_answers(form: Page) -> None:
    choose(form, "postgres", "config__schema_prefix")
    expect(control(form, "config__host")).to_be_visible()
    expect(control(form, "config__replication_slot")).to_be_hidden()
    control(form, "config__update_method").select_option("WAL_PGOUTPUT")
    expect(control(form, "config__replication_slot")).to_be_visible()
    expect(control(form, "config__replication_slot")).to_have_value("")
    control(form, "config__update_method").select_option("QUERY_BASED")
    expect(control(form, "config__replication_slot")).to_be_hidden()
    assert control(form, "config__replication_slot").is_disabled()
    expect(control(form, "config__tunnel_host")).to_be_hidden()
    answer(form, "networking_method", "SshTunnel")
    expect(control(form, "config__tunnel_host")).to_be_visible()
    control(form, "config__port").fill("5432")
    expect(form.locator("[data-review]")).to_contain_text("5432")
    assert body(form)["config"] == {"port": 5432, "connection_type": "SshTunnel", "update_method": "QUERY_BASED"}
    assert_accessible(form)


def test_entries_are_added_and_removed(form: Page) -> None:
    choose(form, "s3", "config__table_group_name")
    expect(form.get_by_role("group", name="Files", exact=True)).to_be_hidden()
    control(form, "config__file_mapping_method").select_option("DEFINE_PER_TABLE")
    expect(form.get_by_role("group", name="Files", exact=True)).to_be_visible()
    control(form, "config__files__0__file_pattern").fill("first")
    form.get_by_role("button", name="Add another to Files").click()
    expect(control(form, "config__files__1__table_name")).to_be_focused()
    control(form, "config__files__1__file_pattern").fill("second")
    assert_accessible(form)
    form.get_by_role("button", name="Remove Files 1").click()
    expect(control(form, "config__files__0__file_pattern")).to_have_value("second")
    expect(control(form, "config__files__1__file_pattern")).to_have_count(0)
    expect(control(form, "config__file_mapping_method")).to_have_value("DEFINE_PER_TABLE")


def test_what_was_typed_survives_another_service_and_a_reload(form: Page) -> None:
    choose(form, "postgres", "config__schema_prefix")
    control(form, "config__host").fill("db.example.com")
    choose(form, "salesforce", "config__schema")
    choose(form, "postgres", "config__schema_prefix")
    expect(control(form, "config__host")).to_have_value("db.example.com")
    form.on("dialog", lambda dialog: dialog.accept())
    form.reload()
    expect(control(form, "config__host")).to_have_value("db.example.com")


def test_enter_submits_and_adds_no_entry(form: Page) -> None:
    choose(form, "s3", "config__table_group_name")
    control(form, "group_id").select_option("projected_sickle")
    texts = {"config__schema": "files", "config__table_group_name": "invoices", "reason": "Weekly report"}
    for name, text in texts.items():
        control(form, name).fill(text)
    control(form, "config__file_mapping_method").select_option("DEFINE_PER_TABLE")
    control(form, "config__files__0__file_pattern").fill(".*")
    control(form, "config__files__0__file_pattern").press("Enter")
    form.wait_for_url("**/requests/*/")
    config = (ConnectionRequest.objects.get().payload or {})["config"]
    assert config["files"] == [{"file_pattern": ".*"}]


def test_the_settings_without_a_script(page: Page, browser: Any, as_user: Any, live_server: Any) -> None:
    catalogs.offered()
    catalogs.told()
    session = as_user("requester").cookies["sessionid"].value
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    plain = context.new_page()
    plain.goto(NEW)
    plain.locator('[name="service"]').select_option("s3")
    plain.get_by_role("button", name="Show the fields of this service").click()
    plain.locator('[name="config__files__0__file_pattern"]').fill("a")
    plain.get_by_role("button", name="Add another to Files").click()
    expect(plain.locator('[name="config__files__0__file_pattern"]')).to_have_value("a")
    plain.locator('[name="config__files__1__file_pattern"]').fill("b")
    plain.get_by_role("button", name="Remove Files 1").click()
    expect(plain.locator('[name="config__files__0__file_pattern"]')).to_have_value("b")
    context.close()


def test_names_of_secrets_follow_the_manager(form: Page) -> None:
    entry = CatalogEntry.objects.get(kind=Kind.SERVICE, fivetran_id="postgres")
    keys = {"type": "object", "properties": {"password": {"type": "string"}}}
    entry.detail = {**(entry.detail or {}), "external_secrets_keys_config": keys}
    entry.save()
    choose(form, "postgres", "config__schema_prefix")
    form.locator("#group_source > summary").click()
    name = control(form, "external_secrets_keys_config__password")
    expect(name).to_be_hidden()
    form.locator("#group_advanced > summary").click()
    control(form, "external_secrets_manager_id").fill("esm_one")
    control(form, "external_secrets_manager_id").press("Tab")
    expect(name).to_be_visible()
    name.fill("CRM_PASSWORD")
    expect(form.locator("#review pre")).to_contain_text('"password": "CRM_PASSWORD"')
    control(form, "external_secrets_manager_id").fill("")
    control(form, "external_secrets_manager_id").press("Tab")
    expect(name).to_be_hidden()
    expect(form.locator("#review pre")).not_to_contain_text("CRM_PASSWORD")


def test_what_is_unusual_stays_in_sight_and_says_so(form: Page) -> None:
    choose(form, "postgres", "config__schema_prefix")
    method, slot = control(form, "config__update_method"), control(form, "config__replication_slot")
    expect(slot).to_be_hidden()
    method.select_option("WAL_PGOUTPUT")
    slot.fill("slot_one")
    slot.press("Tab")
    method.select_option("QUERY_BASED")
    expect(slot).to_be_visible()
    expect(slot).to_have_accessible_description(re.compile("Usually only with update method WAL_PGOUTPUT; it is sent"))
    expect(form.locator("#review pre")).to_contain_text("slot_one")
    slot.fill("")
    slot.press("Tab")
    expect(slot).to_be_hidden()


def test_a_port_and_a_host_are_doubted_while_they_are_typed(form: Page) -> None:
    choose(form, "postgres", "config__schema_prefix")
    host, port = control(form, "config__host"), control(form, "config__port")
    port.fill("99999")
    expect(port).to_have_accessible_description(re.compile("A port is a number from 1 to 65535"))
    host.fill("https://db.example.com/app")
    host.press("Tab")
    expect(host).to_have_accessible_description(re.compile("without https://"))
    port.fill("5432")
    port.press("Tab")
    expect(form.get_by_text("A port is a number")).to_have_count(0)


def test_an_agent_of_another_destination_is_not_offered(form: Page) -> None:
    data = {"online": True, "group_id": "decent_dropsy"}
    CatalogEntry.objects.create(kind=Kind.HYBRID_AGENT, fivetran_id="agent_two", name="Agent two", data=data)
    form.reload()
    form.locator("#group_advanced > summary").click()
    agents = control(form, "hybrid_deployment_agent_id")
    two = agents.locator("option[value=agent_two]")
    expect(two).to_be_enabled()
    control(form, "group_id").select_option("projected_sickle")
    expect(two).to_be_disabled()
    control(form, "group_id").select_option("decent_dropsy")
    expect(two).to_be_enabled()
    agents.select_option("agent_two")
    control(form, "group_id").select_option("projected_sickle")
    expect(agents).to_have_value("agent_two")  # nothing chosen turns into something else
    expect(agents).to_have_accessible_description(re.compile("serves another destination, Sandbox warehouse"))
