"""People of the company's directory log in at its provider and decide, under the portal's own CSP."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from portal.sign_on.models import DirectoryRole
from tests import catalogs, factories, processes
from tests.conftest import missing
from tests.sign_on import providers
from tests.sign_on.providers import Certified

MIA = {"email": "mia@example.com", "email_verified": True, "preferred_username": "mia", "groups": ["data-approvers"]}


@pytest.fixture
def provider(live_server: Any, cast: Any, settings: Any) -> Iterator[Certified]:
    settings.PUBLIC_URL = live_server.url
    try:
        with providers.certified(f"{live_server.url}/accounts/oidc/callback/") as provider:
            providers.configure(settings, provider.url)
            yield provider
    except processes.Missing as reason:
        missing(str(reason))


def log_in(page: Page, subject: str) -> None:
    """From the portal's log-in page to the provider's, and back."""
    page.get_by_role("link", name="Log in with Example").click()
    page.get_by_label("Name").fill(subject)
    page.get_by_role("button", name="Sign in").click()


def test_an_approver_of_the_directory_decides_until_the_group_is_taken_away(
    provider: Certified, browse: Callable[..., Page], group_id: str
) -> None:
    DirectoryRole.objects.create(directory_group="data-approvers", group=Group.objects.get(name="Approvers"))
    provider.has("s-mia", **MIA)
    first, second = (factories.submitted(group_id=group_id, config__schema=name, config__table="t") for name in "ab")
    page = browse()
    page.goto(f"/requests/{first.pk}/")
    log_in(page, "s-mia")
    page.wait_for_url(f"**/requests/{first.pk}/")
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator("[data-status]").first).to_have_attribute("data-status", "approved")

    provider.has("s-mia", **MIA | {"groups": []})
    page.context.clear_cookies()
    page.goto("/")
    log_in(page, "s-mia")
    expect(page.get_by_role("link", name="New request").first).to_be_visible()
    assert page.request.get("/approvals/").status == 403
    assert page.request.get(f"/requests/{second.pk}/").status == 404


@pytest.fixture
def group_id(portal_environment: dict[str, str]) -> str:
    from connections import catalog

    catalogs.fetched()
    return catalog.destinations()[0].id
