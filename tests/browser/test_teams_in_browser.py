"""A colleague goes on with what somebody began who has left; the rest an operator hands over."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from connections.models import ConnectionRequest
from tests import factories
from tests.browser.test_journey import ask, status
from tests.sandbox_client import Fivetran
from tests.teams import team

Browse = Callable[..., Page]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def finance(cast: dict[str, User]) -> Any:
    return team(cast["requester"], cast["requester2"])


def left(cast: dict[str, User]) -> None:
    User.objects.filter(pk=cast["requester"].pk).update(is_active=False)


def test_a_colleague_continues_the_request_of_somebody_who_left(
    portal: Fivetran, browse: Browse, cast: dict[str, User], finance: Any
) -> None:
    url = ask(browse("requester"), "leaver")
    approver = browse("approver")
    approver.goto(url)
    approver.get_by_label("Reason").first.fill("Take the other table")
    approver.get_by_role("button", name="Request changes").click()
    expect(status(approver)).to_have_attribute("data-status", "changes_requested")
    left(cast)
    colleague = browse("requester2")
    colleague.goto("/requests/?tab=team")
    colleague.locator("[data-request-id] a").first.click()
    expect(colleague.locator("#people")).to_contain_text("Finance")
    colleague.get_by_role("button", name="Edit", exact=True).click()
    colleague.locator("[name=config__table]").fill("invoices")
    colleague.get_by_role("button", name="Submit for approval").click()
    colleague.wait_for_url(re.compile(r"/requests/\d+/$"))
    approver.goto(url)
    expect(approver.locator("#people")).to_contain_text("Also written by")
    approver.get_by_role("button", name="Approve", exact=True).click()
    expect(status(colleague)).to_have_attribute("data-status", "created", timeout=15_000)
    [post] = portal.posts()
    assert post["body"]["config"]["table"] == "invoices"


def test_a_draft_is_shared_continued_and_taken_back(
    live_server: Any, browse: Browse, cast: dict[str, User], finance: Any
) -> None:
    owner, colleague = browse("requester"), browse("requester2")
    owner.goto("/requests/new/")
    owner.locator("[name=reason]").fill("Weekly sales report")
    owner.get_by_role("button", name="Save draft").click()
    owner.wait_for_url(re.compile(r"/edit/$"))
    address = owner.url
    assert colleague.request.get(address).status == 404
    owner.get_by_role("button", name="Share with Finance").click()
    expect(owner.locator(".alert-success, [data-message]").first).to_contain_text("Finance")
    colleague.goto(address)
    colleague.locator("[name=reason]").fill("Monthly sales report")
    colleague.get_by_role("button", name="Save draft").click()
    expect(colleague.get_by_text("was saved")).to_be_visible()
    owner.goto(address)
    expect(owner.locator("[name=reason]")).to_have_value("Monthly sales report")
    owner.get_by_role("button", name="Stop sharing").click()
    expect(owner.get_by_role("button", name="Share with Finance")).to_be_visible()
    assert colleague.request.get(address).status == 404


def test_an_operator_hands_over_what_somebody_left(live_server: Any, browse: Browse, cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    factories.draft(cast["requester"])
    left(cast)
    operator = browse("operator")
    operator.goto("/operations/")
    operator.get_by_role("link", name="Hand over the requests of a person").click()
    expect(operator.get_by_role("heading", name="Hand over the requests of a person")).to_be_visible()
    operator.get_by_role("link", name=re.compile("Hand over")).last.click()
    operator.get_by_label("To", exact=True).fill("requester2")
    operator.get_by_label("Reason").fill("Left the company")
    operator.get_by_role("button", name="Hand over").click()
    expect(operator.get_by_text("2 are handed over")).to_be_visible()
    assert set(ConnectionRequest.objects.values_list("requester", flat=True)) == {cast["requester2"].pk}
    heir = browse("requester2")
    heir.goto(f"/requests/{conn_request.pk}/")
    expect(heir.get_by_text("Handed to somebody else")).to_be_visible()
