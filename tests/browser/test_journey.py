"""The whole way, as the people go it: ask, decide, watch it being created, with the page left open."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Page, expect

from connections.models import Connection, ConnectionRequest
from connections.states import Status
from tests.sandbox_client import Fivetran

Browse = Callable[..., Page]
pytestmark = pytest.mark.django_db(transaction=True)


def ask(page: Page, schema: str, service: str = "google_sheets") -> str:
    """Fill the form and submit it; returns the address of the request's page."""
    page.goto("/requests/new/")
    page.locator("[name=service]").select_option(service)
    page.locator("[name=group_id]").select_option(index=1)
    page.locator("[name=config__schema]").fill(schema)
    page.locator("[name=config__table]").fill("orders")
    page.locator("[name=reason]").fill("Weekly sales report")
    page.get_by_role("button", name="Submit for approval").click()
    page.wait_for_url(re.compile(r"/requests/\d+/$"))
    return page.url


def status(page: Page) -> Any:
    """The request's own status on its page."""
    return page.locator("[data-status]").first


def test_from_the_form_to_a_connected_connection(portal: Fivetran, browse: Browse) -> None:
    requester, approver = browse("requester"), browse("approver")
    url = ask(requester, "journey")
    expect(status(requester)).to_have_attribute("data-status", "pending")
    approver.goto("/approvals/")
    approver.locator("[data-request-id] a").first.click()
    sent = approver.locator("pre[data-payload]").inner_text()
    approver.get_by_role("button", name="Approve", exact=True).click()
    # Nobody touches the requester's page.
    expect(status(requester)).to_have_attribute("data-status", "created", timeout=15_000)
    expect(requester.locator("[data-test-status=PASSED]").first).to_be_visible()
    # Nothing on it is left of what was so before: the banner, the heading of the body, who decided.
    expect(requester.locator(".banner")).to_have_count(0)
    expect(requester.locator("#body-heading")).to_have_text("The exact body that was sent")
    expect(requester.locator("#people")).to_contain_text("Approved by")
    [post] = portal.posts()
    assert post["body"] == requester.evaluate("text => JSON.parse(text)", sent)
    expect(requester.locator("[hx-trigger^=every]")).to_have_count(1)  # until the first data
    Connection.objects.update(first_data_at=Now())
    expect(requester.locator("[hx-trigger^=every]")).to_have_count(0, timeout=15_000)
    requester.wait_for_load_state("networkidle")
    asked: list[str] = []
    requester.on("request", lambda request: asked.append(request.url))
    requester.wait_for_timeout(4_500)
    assert asked == []  # a finished request is not asked about any more
    requester.goto("/requests/")
    row = requester.locator(f'[data-request-id="{ConnectionRequest.objects.get().pk}"]')
    expect(row.locator("[data-status]")).to_have_attribute("data-status", "created")
    assert url


def test_a_lost_answer_is_settled_before_the_eyes_of_the_requester(portal: Fivetran, browse: Browse) -> None:
    portal.settings(hold_seconds=2)
    requester, approver = browse("requester"), browse("approver")
    url = ask(requester, "html_lost")
    approver.goto(url)
    approver.get_by_role("button", name="Approve", exact=True).click()
    expect(status(requester)).to_have_attribute("data-status", "created", timeout=30_000)
    assert len(portal.posts()) == 1
    requester.get_by_text("steps of the portal").click()
    expect(requester.get_by_text("Checking with Fivetran").first).to_be_visible()  # it stands in the timeline


def test_a_refusal_is_shown_and_corrected_by_a_clone(portal: Fivetran, browse: Browse) -> None:
    requester, approver = browse("requester"), browse("approver")
    url = ask(requester, "refused_once")
    approver.goto(url)
    approver.get_by_role("button", name="Approve", exact=True).click()
    expect(status(requester)).to_have_attribute("data-status", "failed", timeout=15_000)
    expect(requester.get_by_text("InvalidInput").first).to_be_visible()
    requester.get_by_role("button", name=re.compile("clone", re.I)).first.click()
    requester.wait_for_url(re.compile("/clone/$"))
    expect(requester.locator("[name=config__schema]")).to_have_value("refused_once")
    requester.locator("[name=config__schema]").fill("accepted_now")
    requester.get_by_role("button", name="Submit for approval").click()
    requester.wait_for_url(re.compile(r"/requests/\d+/$"))
    assert ConnectionRequest.objects.filter(status=Status.PENDING, cloned_from__status=Status.FAILED).count() == 1


def test_changes_are_requested_made_and_approved(portal: Fivetran, browse: Browse) -> None:
    requester, approver = browse("requester"), browse("approver")
    url = ask(requester, "changes")
    approver.goto(url)
    approver.get_by_role("button", name="Request changes").click()
    expect(approver.locator("#id_decision_reason_error")).to_be_visible()
    approver.locator("[name=decision_reason]").fill("Use another table name")
    approver.get_by_role("button", name="Request changes").click()
    expect(status(requester)).to_have_attribute("data-status", "changes_requested")
    expect(requester.get_by_text("Use another table name").first).to_be_visible()
    requester.get_by_role("button", name="Edit").click()
    requester.locator("[name=config__table]").fill("orders_v2")
    requester.get_by_role("button", name="Submit for approval").click()
    requester.wait_for_url(re.compile(r"/requests/\d+/$"))
    approver.goto(url)
    expect(approver.locator("pre[data-payload]")).to_contain_text("orders_v2")
    approver.get_by_role("button", name="Approve", exact=True).click()
    expect(status(requester)).to_have_attribute("data-status", "created", timeout=15_000)


def test_two_approvers_one_wins_and_the_other_reads_who(portal: Fivetran, browse: Browse) -> None:
    requester, first, second = browse("requester"), browse("approver"), browse("admin")
    url = ask(requester, "twice")
    for page in (first, second):
        page.goto(url)
    with first.expect_response(lambda answer: "/approve/" in answer.url):
        first.get_by_role("button", name="Approve", exact=True).click()
    # The second one's page follows by itself; a click that was faster than that is answered by who decided.
    second.evaluate("document.querySelector('form[action$=\"/approve/\"]')?.requestSubmit()")
    expect(second.get_by_text("Priya Raman").first).to_be_visible()
    assert ConnectionRequest.objects.get().approved_by is not None
    assert ConnectionRequest.objects.get().events.filter(target=Status.APPROVED).count() == 1


def test_what_is_open_stays_open_while_the_page_follows(portal: Fivetran, browse: Browse) -> None:
    requester, approver = browse("requester"), browse("approver")
    url = ask(requester, "kept_open")
    approver.goto(url)
    approver.get_by_role("button", name="Approve", exact=True).click()
    expect(requester.locator("#results [data-test-status]").first).to_be_visible(timeout=15_000)
    calls = requester.locator("#calls")
    requester.goto(url)  # where it is finished, the calls are folded
    expect(calls).not_to_have_attribute("open", "")
    approver.goto(url)
    approver.get_by_role("button", name="Run setup tests again").click()
    requester.goto(url)
    calls.locator("summary").first.click()
    expect(requester.locator("#results details.earlier")).to_have_count(1, timeout=15_000)
    expect(calls).to_have_attribute("open", "")
    expect(calls.locator("summary").first).to_be_focused()
