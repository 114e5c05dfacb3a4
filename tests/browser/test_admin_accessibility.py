"""The admin's pages that the portal changes: nothing that axe finds, wide and narrow, light and dark; no overflow."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from connections import workflow
from connections.models import ChangeKind, Kind, Preset, ServiceRule
from connections.states import Status
from tests import catalogs, factories
from tests.browser.accessibility import CONTRAST, NARROWEST, WIDTHS, Expected, finds_nothing
from tests.browser.test_accessibility import ERROR, LONG
from tests.browser.test_admin_in_browser import log_in

pytestmark = pytest.mark.django_db(transaction=True)
ADMIN = "/admin/connections/"
PAGES = [
    "/admin/",
    f"{ADMIN}connectionrequest/",
    f"{ADMIN}connectionrequest/?q=zzz_nothing",
    *(f"{ADMIN}connectionrequest/{{{name}}}/change/" for name in ("pending", "own", "rejected", "created", "failed")),
    f"{ADMIN}connectionchange/",
    f"{ADMIN}connectionchange/{{change}}/change/",
    f"{ADMIN}preset/",
    f"{ADMIN}preset/add/",
    f"{ADMIN}preset/{{preset}}/change/",
    f"{ADMIN}servicerule/",
    f"{ADMIN}servicerule/{{rule}}/change/",
    f"{ADMIN}portalpolicy/",
    f"{ADMIN}event/",
    "/admin/login/",
]


@pytest.fixture
def rows(cast: dict[str, Any]) -> dict[str, int]:
    """Numbers of what there is to open, with long names and long errors."""
    catalogs.offered(without=[Kind.PRIVATE_LINK])
    requester, approver = cast["requester"], cast["approver"]
    found = {
        status.value: factories.request_in(status, requester, approver, config__schema=f"{LONG[:50]}_{number}").pk
        for number, status in enumerate((Status.REJECTED, Status.CREATED, Status.FAILED))
    }
    pending = factories.submitted(requester, config__schema=LONG[:50], trust_certificates=True)
    created = factories.request_in(Status.CREATED, requester, approver, config__schema="to_delete")
    change = workflow.ask_for_change(by=requester, conn_request=created, kind=ChangeKind.DELETE, reason=ERROR)
    preset = Preset.objects.create(name="Sheets", service="google_sheets", values={"sync_frequency": 60}, fixed=[])
    rule = ServiceRule.objects.create(service="google_sheets", note=ERROR[:200])
    own = factories.submitted(cast["admin"], config__schema="own")
    more = {"pending": pending, "own": own, "change": change, "preset": preset, "rule": rule}
    return found | {name: row.pk for name, row in more.items()}


@pytest.fixture
def admin(browser: Browser, live_server: Any, cast: dict[str, Any]) -> Iterator[Page]:
    """A superuser's browser; colours do not fade from one into the other, for half of one cannot be judged."""
    page = browser.new_page(reduced_motion="reduce")
    log_in(page, live_server, cast["admin"])
    yield page
    page.context.close()


def is_fine(page: Page, expected: Expected) -> None:
    """In both themes, wide and narrow."""
    finds_nothing(page, expected, widths=WIDTHS, narrower=[NARROWEST])
    page.emulate_media(color_scheme="dark")
    finds_nothing(page, expected, widths=WIDTHS, rules=CONTRAST)
    page.emulate_media(color_scheme="light")


def test_every_page_that_the_portal_changes(admin: Page, live_server: Any, rows: dict[str, int]) -> None:
    for path in PAGES:
        answer = admin.goto(live_server.url + path.format(**rows))
        assert answer is not None and answer.ok, path
        is_fine(admin, answer)


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_the_confirmation_of_a_decision(admin: Page, live_server: Any, rows: dict[str, int], action: str) -> None:
    admin.goto(f"{live_server.url}{ADMIN}connectionrequest/")
    admin.get_by_role("checkbox", name="Select all").check()
    admin.get_by_label("Action:").select_option(action)
    admin.get_by_role("button", name="Run").or_(admin.get_by_role("button", name="Go")).click()
    is_fine(admin, "look at what will be sent")
    if action == "reject":  # without the reason that it asks for
        admin.get_by_role("button", name="Reject", exact=True).click()
        is_fine(admin, admin.locator("#id_decision_reason_error"))
