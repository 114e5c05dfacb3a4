"""A certificate and a fingerprint, approved by another person, while the requester's page is left open."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from connections.models import Trust, TrustState
from tests.browser.test_journey import ask, status
from tests.stand_in import Fivetran

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
