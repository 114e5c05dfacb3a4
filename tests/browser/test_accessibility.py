"""Every page, as everybody who may see it, in both themes and two widths: nothing that axe finds, no overflow."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections import workflow
from connections.models import CatalogEntry, ChangeKind, Connection, ConnectionRequest, Kind
from connections.states import Status
from tests import factories
from tests.browser.accessibility import CONTRAST, NARROWEST, RULES, finds_nothing
from tests.views.test_last_syncs import syncs
from tests.views.test_trust import CERTIFICATE, KEY, created

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "a_very_long_destination_schema_name_that_somebody_really_chose"
ERROR = "Can't create connector `config`: the host did not answer within the time that was given to it. " * 4


@pytest.fixture
def rows(live_server: Any, cast: dict[str, Any]) -> dict[str, int]:
    """Numbers: of a request in every status, with long names and long errors, and of what waits for people."""
    requester, approver = cast["requester"], cast["approver"]
    found = {
        status.value: factories.request_in(status, requester, approver, config__schema=f"{LONG[:50]}_{number}").pk
        for number, status in enumerate(Status)
    }
    changed = factories.request_in(Status.CREATED, requester, approver, config__schema=f"{LONG[:50]}_changed")
    change = workflow.ask_for_change(by=requester, conn_request=changed, kind=ChangeKind.DELETE, reason=ERROR)
    found |= {"change": change.pk, "trust": created(cast, [CERTIFICATE, KEY]).pk}
    data = {"id": "made_elsewhere", "service": "google_sheets", "group_id": "projected_sickle", "schema": LONG}
    CatalogEntry.objects.create(kind=Kind.CONNECTION, fivetran_id="made_elsewhere", name=LONG, data=data)
    Connection.objects.update(syncs=syncs("COMPLETED", "FAILURE", *["RESCHEDULED"] * 18, seconds=20_000))
    ConnectionRequest.objects.filter(status=Status.FAILED).update(failure_message=ERROR)
    ConnectionRequest.objects.filter(status=Status.ATTENTION).update(note=ERROR[:500])
    return found


PAGES = {
    "requester": [
        "/",
        "/requests/",
        "/requests/?q=zzz_nothing",
        "/requests/?tab=needs-me&sort=-name&service=google_sheets",
        "/requests/?tab=drafts",
        "/catalog/",
        "/requests/?status=nonsense",
        "/requests/new/",
        "/requests/new/?service=google_sheets&sync_frequency=1440&networking_method=PrivateLink",
        "/requests/999999/",
        "/reference/create-connection/",
        "/reference/create-connection/?request={pending}&q=schema",
        "/accounts/password_change/",
        "/requests/{draft}/edit/",
        "/requests/{pending}/edit/",
        "/requests/{failed}/clone/",
        *(f"/requests/{{{status.value}}}/" for status in Status),
        "/requests/{draft}/export/",
        "/requests/{created}/export/",
        *(f"/requests/{{created}}/changes/new/?kind={kind}" for kind in ("pause", "schedule", "delete")),
        "/changes/{change}/",
        "/requests/{trust}/",
    ],
    "requester2": ["/", "/requests/", "/approvals/"],
    "approver": [
        "/",
        "/approvals/",
        "/requests/{pending}/",
        "/requests/{created}/",
        "/requests/",
        "/changes/{change}/",
        "/requests/{trust}/",
    ],
    "operator": [
        "/",
        "/operations/",
        "/requests/{attention}/",
        "/operations/adopt/",
        "/operations/adopt/?q=zzz_nothing",
        "/operations/adopt/made_elsewhere/",
    ],
    "": ["/accounts/login/", "/accounts/password_reset/", "/handover/return/"],
}


REFUSED = {
    ("requester", "/requests/?status=nonsense"),
    ("requester", "/requests/999999/"),
    ("requester2", "/approvals/"),
}


@pytest.fixture(params=["light", "dark"])
def open_as(
    request: pytest.FixtureRequest, browser: Any, live_server: Any, as_user: Any
) -> Iterator[Callable[..., Page]]:
    """`open_as("approver", 390)` is a page of that person, that wide, in this theme; a session's cookie logs in."""
    contexts = []

    def open_page(username: str, width: int) -> Page:
        context = browser.new_context(
            base_url=live_server.url, color_scheme=request.param, viewport={"width": width, "height": 900}
        )
        contexts.append(context)
        if username:
            cookie = as_user(username).cookies["sessionid"]
            context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": live_server.url}])
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("username", list(PAGES), ids=lambda name: name or "anonymous")
def test_every_page(rows: dict[str, int], open_as: Callable[..., Page], username: str) -> None:
    page = open_as(username, 1280)
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    rules = CONTRAST if dark else RULES
    for path in PAGES[username]:
        page.set_viewport_size({"width": 1280, "height": 900})
        answer = page.goto(path.format(**rows))
        assert answer is not None and answer.ok is ((username, path) not in REFUSED), path
        page.evaluate("document.querySelectorAll('#last-syncs').forEach(table => table.open = true)")
        finds_nothing(page, answer, narrower=[NARROWEST], rules=rules)


def test_a_form_with_errors(rows: dict[str, int], open_as: Callable[..., Page]) -> None:
    page = open_as("requester", 390)
    page.goto("/requests/new/?service=google_sheets")
    with page.expect_navigation():
        page.get_by_role("button", name="Submit for approval").click()
    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.textContent").strip().startswith("There is a problem")
    finds_nothing(page, page.locator("[data-error-summary]"))


def test_the_keyboard_alone_is_enough_to_decide(cast: dict[str, Any], open_as: Callable[..., Page]) -> None:
    conn_request = factories.submitted(cast["requester"])
    page = open_as("approver", 1280)
    page.goto(f"/requests/{conn_request.pk}/")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Approve":
            break
    page.keyboard.press("Enter")
    expect(page.locator("[data-status]").first).to_have_attribute("data-status", "approved")
    conn_request.refresh_from_db()
    assert conn_request.approved_by == cast["approver"]
    assert workflow.known_account() == conn_request.approved_account
