"""People of the directory log in at the company's SAML provider in a browser, under the portal's own CSP."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from playwright.sync_api import Page, expect

from portal.sign_on.models import DirectoryRole
from tests import catalogs, factories, processes
from tests.conftest import missing
from tests.sign_on import saml
from tests.sign_on.saml import SamlProvider

ATTRIBUTES = {"uid": "mia", "mail": "mia@example.com"}
MIA: dict[str, Any] = {"subject": "s-mia", "attributes": {**ATTRIBUTES, "groups": ["data-approvers"]}}


@pytest.fixture
def provider(live_server: Any, cast: Any, settings: Any) -> Iterator[SamlProvider]:
    settings.PUBLIC_URL, settings.SAML_ENTITY_ID = live_server.url, f"{live_server.url}/accounts/saml/metadata/"
    try:
        with saml.provider() as provider:
            settings.SAML_IS_ON, settings.SAML_NAME, settings.SAML_OWNS_ADDRESSES = True, "Example", True
            settings.SAML_METADATA_URL = f"{provider.url}/metadata"
            provider.knows(Client().get("/accounts/saml/metadata/").content.decode())
            yield provider
    except processes.Missing as reason:
        missing(str(reason))


@pytest.fixture
def group_id(portal_environment: dict[str, str]) -> str:
    from connections import catalog

    catalogs.fetched()
    return catalog.destinations()[0].id


def log_in(page: Page, name: str) -> None:
    page.get_by_role("link", name="Log in with Example").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Log in").click()


# The provider is at 127.0.0.1 and the portal at localhost: two sites, between which no Lax cookie goes with a POST.
def test_an_approver_of_the_directory_decides_until_the_group_is_taken_away(
    provider: SamlProvider, browse: Callable[..., Page], group_id: str, live_server: Any
) -> None:
    assert "//localhost:" in live_server.url and "//127.0.0.1:" in provider.url
    DirectoryRole.objects.create(directory_group="data-approvers", group=Group.objects.get(name="Approvers"))
    provider.has("mia", **MIA)
    first, second = (factories.submitted(group_id=group_id, config__schema=name, config__table="t") for name in "ab")
    page = browse()
    page.goto(f"/requests/{first.pk}/")
    log_in(page, "mia")
    page.wait_for_url(f"**/requests/{first.pk}/")
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator("[data-status]").first).to_have_attribute("data-status", "approved")

    provider.has("mia", **MIA | {"attributes": ATTRIBUTES})
    page.context.clear_cookies()
    page.goto("/")
    log_in(page, "mia")
    expect(page.get_by_role("link", name="New request").first).to_be_visible()
    assert page.request.get("/approvals/").status == 403
    assert page.request.get(f"/requests/{second.pk}/").status == 404
