"""Access rules in a browser: an administrator makes one, and from then on finance sees and asks for its own alone."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Page, expect

from connections.models import AccessRule, CatalogEntry, CatalogRefresh, Kind
from tests import factories
from tests.browser.test_admin_in_browser import log_in

pytestmark = pytest.mark.django_db(transaction=True)
FINANCE = "finance_warehouse"


@pytest.fixture
def company(cast: dict[str, Any]) -> dict[str, Any]:
    """Two destinations, and for finance a group that asks and one that decides."""
    for place, name in ((FINANCE, "Finance warehouse"), ("sales_warehouse", "Sales warehouse")):
        CatalogEntry.objects.create(kind=Kind.GROUP, fivetran_id=place, name=name)
        described = {"name": place, "data": {"setup_status": "CONNECTED"}}
        CatalogEntry.objects.create(kind=Kind.DESTINATION, fivetran_id=place, **described)
    for kind in (Kind.GROUP, Kind.DESTINATION):
        CatalogRefresh.objects.update_or_create(kind=kind, defaults={"fetched_at": timezone.now()})
    Group.objects.create(name="finance").user_set.add(cast["requester"])
    Group.objects.create(name="finance approvers").user_set.add(factories.person("approver", "frank"))
    return cast


def choose(page: Page, field: str, words: str) -> None:
    page.locator(f"#id_{field}_from").select_option(label=words)
    page.locator(f"#id_{field}_add").click()


def test_a_rule_is_made_and_counts_at_once(browser: Any, live_server: Any, company: dict[str, Any]) -> None:
    waiting = factories.submitted(company["requester"], group_id=FINANCE)
    admin, sofia, other = (browser.new_context().new_page() for _ in range(3))
    for page, who in ((admin, "admin"), (sofia, "approver"), (other, "requester2")):
        log_in(page, live_server, company[who])
    sofia.goto(f"{live_server.url}/requests/{waiting.pk}/")
    expect(sofia.get_by_role("button", name="Approve", exact=True)).to_be_visible()

    admin.goto(f"{live_server.url}/admin/connections/accessrule/add/")
    admin.get_by_label("Name:").fill("Finance")
    choose(admin, "destinations", "Finance warehouse")
    choose(admin, "requesters", "finance")
    choose(admin, "approvers", "finance approvers")
    admin.get_by_role("button", name="Save", exact=True).click()
    preview = admin.locator("[data-preview]")
    expect(preview).to_contain_text("Who may ask for connections into Finance warehouse")
    expect(preview.get_by_role("heading", name="Not saved yet")).to_be_focused()
    expect(admin).to_have_title(re.compile("^Not saved yet"))
    expect(preview).to_contain_text("frank")
    expect(admin.locator(".errornote")).to_have_count(0)
    assert not AccessRule.objects.exists()
    for width in (1280, 390):
        admin.set_viewport_size({"width": width, "height": 900})
        assert admin.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), width
    preview.get_by_role("button", name="Save it like this").click()
    expect(admin.locator(".messagelist")).to_contain_text("was added successfully")

    answer = sofia.goto(f"{live_server.url}/requests/{waiting.pk}/")
    assert answer is not None and answer.status == 404
    other.goto(f"{live_server.url}/requests/new/?group_id={FINANCE}&reason=Budget")
    expect(other.locator("#id_group_id_error")).to_contain_text("The access rules do not let you ask")
    expect(other.locator("[name=reason]")).to_have_value("Budget")
    expect(other.locator("[name=group_id] option")).to_have_text(
        ["Choose…", "Sales warehouse", f"{FINANCE} (not offered)"]
    )
