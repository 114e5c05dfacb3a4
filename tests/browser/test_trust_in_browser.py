"""A certificate and a fingerprint, approved by another person, while the requester's page is left open."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections.models import Trust, TrustState
from connections.states import Actor, Status
from connections.worker import outcome
from tests import factories
from tests.browser.accessibility import NARROWEST, finds_nothing
from tests.browser.test_accessibility import open_as
from tests.browser.test_journey import ask, status
from tests.sandbox_client import Fivetran

__all__ = ["open_as"]  # a fixture
Browse = Callable[..., Page]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("schema", "button", "title"),
    [
        ("cert_orders", "Approve certificate", "Validate Certificate"),
        ("finger_orders", "Approve fingerprint", "SSH Tunnel Connection"),
    ],
)
def test_what_is_approved_passes_before_the_requesters_eyes(
    portal: Fivetran, browse: Browse, schema: str, button: str, title: str
) -> None:
    requester, approver = browse("requester"), browse("approver")
    url = ask(requester, schema)
    approver.goto(url)
    approver.get_by_role("button", name="Approve", exact=True).click()
    # Nobody touches the requester's page from here on.
    expect(status(requester)).to_have_attribute("data-status", "created", timeout=15_000)
    failed = requester.locator("[data-test-status=FAILED]", has_text=title)
    expect(failed).to_be_visible()
    expect(requester.get_by_role("button", name=button)).to_be_disabled()
    approver.goto(url)
    shown = approver.locator("[data-trust] pre").first.inner_text()
    assert len(shown) > 20
    approver.get_by_role("button", name=button).click()
    expect(requester.locator("[data-test-status=PASSED]", has_text=title)).to_be_visible(timeout=15_000)
    expect(requester.locator("[data-setup-state]")).to_have_text("connected")
    expect(requester.locator("[data-trust]")).to_have_count(0)
    row = Trust.objects.get()
    assert (row.state, row.proof.strip()) == (TrustState.SENT, shown.strip())
    assert row.approved_by.username == "approver"


TESTS = [
    {
        "title": "Validate Certificate",
        "status": "FAILED",
        "message": "No trust anchors for this connection",
        "details": [{"hash": "h" * 88, "name": "CN=" + "x" * 120, "encoded_cert": "TUlJ" * 400, "sha256": "ab" * 32}],
    },
    {"title": "SSH Tunnel Connection", "status": "FAILED", "message": "Auth fail " * 60},
    {"title": "Listing files", "status": "FAILED", "message": "Access Denied (Service: Amazon S3; Status Code: 403)"},
    {"title": "Something new", "status": "FAILED", "message": "x" * 600},
    {"title": "Checking quota", "status": "WARNING", "message": "The source allows 100 calls a day"},
]


@pytest.mark.parametrize("username", ["requester", "approver"])
def test_the_page_with_both_is_accessible_and_narrow(
    cast: dict[str, Any], open_as: Callable[..., Page], username: str
) -> None:
    conn_request = factories.request_in(Status.SENDING, cast["requester"], service="s3", config__table_group_name="t")
    data = factories.created_data(conn_request, setup_tests=TESTS, status={"setup_state": "incomplete"})
    outcome.to_created(conn_request, Actor.WORKER, data)
    page = open_as(username, 1280)
    answer = page.goto(f"/requests/{conn_request.pk}/")
    expect(page.locator("[data-trust]")).to_have_count(1)
    expect(page.locator("[data-diagnosis]")).to_have_count(4)
    finds_nothing(page, answer, narrower=[390, NARROWEST])
