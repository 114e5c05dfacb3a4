"""The life after birth as people go it: ask for a pause, approve it, watch it; another schedule; delete; adopt."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections import catalog, workflow
from connections.models import ConnectionChange, ConnectionRequest
from tests import factories
from tests.sandbox_client import Fivetran

Browse = Callable[..., Page]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def created(portal: Fivetran, cast: dict[str, Any]) -> ConnectionRequest:
    """A connection of the demo's requester that the worker has made."""
    group = catalog.destinations()[0].id
    names = {"config__schema": "lively", "config__table": "orders"}
    conn_request = factories.submitted(cast["requester"], group_id=group, **names)
    workflow.approve(by=cast["approver"], conn_request=conn_request, digest=conn_request.digest)
    return conn_request


def state(page: Page, status: str) -> None:
    """Nobody touches the page: it comes to show this by itself."""
    shown = page.locator("#live [data-change-status]")
    expect(shown).to_have_attribute("data-change-status", status, timeout=20_000)


def choose(page: Page, name: str) -> None:
    """Out of the menu, which stays open until what is chosen has come up."""
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name=name, exact=True).click(timeout=20_000)


def test_pause_and_delete_by_request_and_approval(portal: Fivetran, browse: Browse, created: ConnectionRequest) -> None:
    requester, approver = browse("requester"), browse("approver")
    requester.goto(f"/requests/{created.pk}/")
    choose(requester, "Pause")
    requester.get_by_label("Reason").fill("Month's end")
    requester.get_by_role("button", name="Ask for this change").click()
    requester.wait_for_url(re.compile(r"/changes/\d+/$"))
    state(requester, "pending")

    approver.goto("/approvals/")
    approver.locator("[data-change-id] a").first.click()
    expect(approver.locator("[data-after]")).to_have_text("paused")
    approver.get_by_role("button", name="Approve", exact=True).click()
    state(requester, "done")
    state(approver, "done")
    assert portal.connections()[0]["paused"] is True

    # A page of the request that is left open follows a change too.
    requester.goto(f"/requests/{created.pk}/")
    choose(requester, "Delete connection")
    requester.get_by_label("Reason").fill("The contract ended")
    requester.get_by_label("Name of the connection").fill("lively.orders")
    requester.get_by_role("button", name="Ask for the deletion").click()
    requester.wait_for_url(re.compile(r"/changes/\d+/$"))
    approver.goto(requester.url)
    requester.goto(f"/requests/{created.pk}/")
    approver.get_by_role("button", name="Approve the deletion").click()
    expect(requester.get_by_text("no longer at Fivetran", exact=True)).to_be_visible(timeout=20_000)
    assert portal.connections() == []
    state(approver, "done")


def test_the_schedules_form_follows_the_rules(portal: Fivetran, browse: Browse, created: ConnectionRequest) -> None:
    page = browse("requester")
    page.goto(f"/requests/{created.pk}/")
    choose(page, "Change schedule")
    time, frequency = page.locator("[name=daily_sync_time]"), page.locator("[name=sync_frequency]")
    expect(frequency).to_have_value("360")
    expect(time).to_be_hidden()
    frequency.select_option("1440")
    expect(time).to_be_visible()
    time.select_option("05:00")
    page.locator("[name=schedule_type]").select_option("manual")
    expect(time).to_be_hidden()
    expect(page.get_by_text("With a manual schedule the frequency has no effect")).to_be_visible()
    page.locator("[name=schedule_type]").select_option("auto")
    page.get_by_label("Reason").fill("Less load")
    page.get_by_role("button", name="Ask for this change").click()
    page.wait_for_url(re.compile(r"/changes/\d+/$"))
    expect(page.locator("[data-after]")).to_have_text("daily at 05:00 UTC")
    wanted = {"sync_frequency": 1440, "daily_sync_time": "05:00", "schedule_type": "auto", "run_setup_tests": False}
    assert ConnectionChange.objects.get().body == wanted


def test_an_operator_adopts_a_connection(portal: Fivetran, browse: Browse, cast: dict[str, Any]) -> None:
    portal.seed(group_id="projected_sickle", service="google_sheets", schema="left.behind")
    catalog.refresh_all()
    operator = browse("operator")
    operator.goto("/operations/")
    operator.get_by_role("link", name="Adopt connections that were made elsewhere").click()
    operator.get_by_label("Name, id, service or group").fill("left")
    operator.get_by_role("button", name="Search").click()
    operator.get_by_role("link", name="Adopt left.behind").click()
    operator.get_by_label("Owner").fill("requester")
    operator.get_by_label("Reason").fill("Nobody answered for it")
    operator.get_by_role("button", name="Adopt").click()
    operator.wait_for_url(re.compile(r"/requests/\d+/$"))
    owner = browse("requester")
    owner.goto(operator.url)
    expect(owner.get_by_text("Adopted: it was made elsewhere")).to_be_visible()
    owner.get_by_text("More", exact=True).click()
    expect(owner.get_by_role("button", name="Pause", exact=True)).to_be_visible()
