"""Several at once, in a browser: paste, correct in place, submit, and one decision; both themes, wide and narrow."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connections.models import Batch
from connections.states import Status
from connections.workflow import batches
from tests import catalogs
from tests.browser.accessibility import NARROWEST, WIDTHS, Expected, finds_nothing
from tests.browser.test_accessibility import open_as  # noqa: F401  # the fixture
from tests.forms.test_batch import filed, line, requests_of, text

pytestmark = pytest.mark.django_db(transaction=True)
OpenAs = Callable[[str, int], Page]


def look(page: Page, name: str, expected: Expected) -> None:
    finds_nothing(page, expected, widths=[*WIDTHS, NARROWEST], name=name)
    page.set_viewport_size({"width": 1280, "height": 900})


def test_paste_correct_submit_and_decide(cast: dict[str, Any], open_as: OpenAs) -> None:  # noqa: F811
    catalogs.offered()
    page = open_as("requester", 1280)
    page.goto("/requests/")
    page.get_by_role("link", name="Several at once").click()
    look(page, "empty", "Several at once")
    page.get_by_label("Table", exact=True).fill(
        text(line(1), line(2, sync_frequency="7"), line(3, daily_sync_time="9:00"))
    )
    page.get_by_role("button", name="Check the table").click()
    expect(page.get_by_role("alert")).to_be_focused()
    look(page, "wrong", page.get_by_role("alert"))
    page.get_by_label("Row 2, sync_frequency").fill("60")
    page.get_by_label("Row 3, daily_sync_time").fill("")
    page.get_by_role("button", name="Check again").click()
    look(page, "right", page.get_by_role("button", name="Submit for approval"))
    with page.expect_navigation():
        page.get_by_role("button", name="Submit for approval").click()
    batch = Batch.objects.get()
    expect(page).to_have_url(f"{page.url.split('/batches')[0]}/batches/{batch.pk}/")
    look(page, "submitted", f"Batch #{batch.pk}")

    page = open_as("approver", 1280)
    look(page, "inbox", page.goto("/approvals/"))
    page.get_by_role("link", name=f"Batch #{batch.pk}").click()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    page.get_by_role("button", name="Tick all rows").click()
    expect(page.get_by_label("Reason to reject row 2")).to_be_hidden()
    page.get_by_label("Approve row 2").uncheck()
    page.get_by_label("Reason to reject row 2").fill("Wrong table")
    page.get_by_label("Approve row 2").check()
    expect(page.get_by_label("Reason to reject row 2")).to_be_visible()
    page.get_by_label("Reason to reject row 2").fill("")
    page.get_by_label("Approve row 2").uncheck()
    page.get_by_label("Approve row 3").uncheck()
    page.get_by_label("Reason to reject row 3").fill("No budget for this one")
    look(page, "deciding", f"Batch #{batch.pk}")
    page.get_by_role("button", name="Approve the ticked rows").click()
    expect(page.get_by_text("1 request was approved.")).to_be_visible()
    assert [r.state for r in requests_of(batch)] == [Status.APPROVED, Status.PENDING, Status.PENDING]
    expect(page.get_by_label("Reason to reject row 3")).to_have_value("No budget for this one")
    page.get_by_role("button", name="Reject the rows with a reason").click()
    expect(page.get_by_text("1 request was rejected.")).to_be_visible()
    assert [r.state for r in requests_of(batch)] == [Status.APPROVED, Status.PENDING, Status.REJECTED]
    look(page, "decided", f"Batch #{batch.pk}")


def test_a_decision_that_came_too_late(cast: dict[str, Any], open_as: OpenAs) -> None:  # noqa: F811
    batch = filed(cast["requester"], 2)
    page = open_as("approver", 1280)
    page.goto(f"/batches/{batch.pk}/")
    first = requests_of(batch)[0]
    decision = {first.pk: batches.Decision(first.digest, approve=False, reason="Twice")}
    batches.decide_batch(by=cast["admin"], batch=batch, decisions=decision)
    page.get_by_role("button", name="Tick all rows").click()
    page.get_by_role("button", name="Approve the ticked rows").click()
    expect(page.get_by_text("it is already “Rejected” by admin")).to_be_visible()
    look(page, "late", f"Batch #{batch.pk}")


def test_without_scripts(cast: dict[str, Any], browser: Any, live_server: Any, as_user: Any) -> None:
    catalogs.offered()
    cookie = as_user("requester").cookies["sessionid"]
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": live_server.url}])
    page = context.new_page()
    page.goto("/requests/batch/")
    page.get_by_label("CSV file").set_input_files(
        {"name": "table.csv", "mimeType": "text/csv", "buffer": text(line(1), line(2), separator=",").encode()}
    )
    page.get_by_role("button", name="Check the table").click()
    page.get_by_role("button", name="Submit for approval").click()
    expect(page.locator("[data-status='pending']")).to_have_count(2)
    context.close()
