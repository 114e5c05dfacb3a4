"""The admin's pages that the portal changes: nothing that axe finds, wide and narrow, light and dark; no overflow."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from connections import workflow
from connections.models import ChangeKind, Kind, Preset, ServiceRule
from connections.states import Status
from tests import catalogs, factories
from tests.browser.test_accessibility import ERROR, LONG, RULES
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


def is_fine(page: Page, where: str) -> None:
    """Wide and narrow; in the dark only colours are looked at, since nothing else depends on the theme."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme, rules in (("light", RULES), ("dark", ["color-contrast"])):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found = Axe().run(page, options={"runOnly": rules}).response["violations"]
            told = [(v["id"], [node["failureSummary"] + node["html"][:200] for node in v["nodes"]]) for v in found]
            assert told == [], (where, width, scheme)
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{where} scrolls sideways"


def test_every_page_that_the_portal_changes(admin: Page, live_server: Any, rows: dict[str, int]) -> None:
    for path in PAGES:
        answer = admin.goto(live_server.url + path.format(**rows))
        assert answer is not None and answer.ok, path
        is_fine(admin, path)


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_the_confirmation_of_a_decision(admin: Page, live_server: Any, rows: dict[str, int], action: str) -> None:
    admin.goto(f"{live_server.url}{ADMIN}connectionrequest/")
    admin.get_by_role("checkbox", name="Select all").check()
    admin.get_by_label("Action:").select_option(action)
    admin.get_by_role("button", name="Run").or_(admin.get_by_role("button", name="Go")).click()
    expect(admin.get_by_role("heading", name="look at what will be sent")).to_be_visible()
    is_fine(admin, action)
    if action == "reject":  # without the reason that it asks for
        admin.get_by_role("button", name="Reject", exact=True).click()
        expect(admin.locator("#id_decision_reason_error")).to_be_visible()
        is_fine(admin, "without a reason")
