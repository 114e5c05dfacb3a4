"""People of the company's LDAP directory log in at the portal's own form in a browser, and decide."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Browser, expect

from portal.sign_on.models import DirectoryRole
from tests import catalogs, factories, processes
from tests.conftest import missing
from tests.sign_on import slapd
from tests.sign_on.conftest import configure_ldap
from tests.sign_on.slapd import Directory


@pytest.fixture
def directory(live_server: Any, cast: Any, settings: Any) -> Iterator[Directory]:
    settings.PUBLIC_URL = live_server.url
    try:
        with slapd.running() as directory:
            directory.empty()
            configure_ldap(settings, directory)
            settings.LDAP_OWNS_ADDRESSES = True
            yield directory
    except processes.Missing as reason:
        missing(str(reason))


@pytest.fixture
def group_id(portal_environment: dict[str, str]) -> str:
    from connections import catalog

    catalogs.fetched()
    return catalog.destinations()[0].id


def test_an_approver_of_the_directory_decides_until_the_group_is_taken_away(
    directory: Directory, browser: Browser, group_id: str, live_server: Any
) -> None:
    DirectoryRole.objects.create(directory_group="data-approvers", group=Group.objects.get(name="Approvers"))
    DirectoryRole.objects.create(directory_group="data-auditors", group=Group.objects.get(name="Auditors"))
    mia = directory.has("mia", mail="mia@example.com")
    directory.has_group("data-approvers", mia)
    first, second = (factories.submitted(group_id=group_id, config__schema=name, config__table="t") for name in "ab")
    said: list[str] = []
    page = browser.new_context(base_url=live_server.url).new_page()
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.goto(f"/requests/{first.pk}/")
    page.get_by_label("Username").fill("mia")
    page.get_by_label("Password").fill(slapd.RIGHT)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**/requests/{first.pk}/")
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator("[data-status]").first).to_have_attribute("data-status", "approved")

    page.goto(f"/requests/{second.pk}/")
    directory.without_groups(mia)
    directory.has_group("data-auditors", mia)
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("Only approvers can decide on requests.").first).to_be_visible()
    assert ["403" in text for text in said] == [True]
    second.refresh_from_db()
    assert second.status == "pending" and page.request.get("/approvals/").status == 403
    page.context.close()
