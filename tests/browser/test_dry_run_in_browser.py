"""Test request by a person: pressed, followed live, read, mended, and the same without JavaScript."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from connections import worker, workflow
from connections.models import DryRun
from tests import factories
from tests.browser.accessibility import NARROWEST, finds_nothing
from tests.dry_run import postgres
from tests.sandbox_client import Fivetran
from tests.worker.conftest import approve, fivetran, group

__all__ = ["approve", "fivetran", "group"]
pytestmark = pytest.mark.usefixtures("group")
FLAWS = {"config__update_method": "WRONG", "hybrid_deployment_agent_id": "agent_lab"}


def states(page: Page) -> dict[str, int]:
    """How many checks are in which state, as the page shows them."""
    found: list[str] = page.locator("[data-checks] [data-check]").evaluate_all(
        "items => items.map(item => item.dataset.checkState)"
    )
    return {state: found.count(state) for state in found}


def test_a_person_presses_the_button_and_sees_each_check_end(
    fivetran: Fivetran, cast: dict[str, User], browse: Callable[..., Page]
) -> None:
    fivetran.seed(group_id="amber_harbor", service="postgres", schema="orders_db")
    conn_request = factories.submitted(cast["requester"], **postgres(**FLAWS))
    page = browse("requester")
    page.goto(f"/requests/{conn_request.pk}/")
    page.get_by_role("button", name="Test request").click()
    expect(page.locator("[data-check-state=running]")).to_have_count(10)
    worker.run("dry_run", conn_request.pk)
    expect(page.locator("[data-check=name]")).to_have_attribute("data-check-state", "failed")
    expect(page.locator("#dry-run-said")).to_have_text("6 passed, 2 warnings, 1 failed, 1 not possible")
    assert states(page) == {"passed": 6, "failed": 1, "warning": 2, "not_possible": 1}
    answer = page.locator("[data-check=name] details")
    answer.locator("summary").click()
    expect(answer).to_contain_text("GET /v1/connections?group_id=amber_harbor&schema=orders_db")
    asked = page.evaluate(
        "performance.getEntriesByType('resource').filter(r => r.name.includes('test-request')).length"
    )
    page.wait_for_timeout(1500)
    assert asked == page.evaluate(
        "performance.getEntriesByType('resource').filter(r => r.name.includes('test-request')).length"
    )  # it is over: nothing is asked any more


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(
    fivetran: Fivetran, cast: dict[str, User], browse: Callable[..., Page], scheme: str
) -> None:
    fivetran.seed(group_id="amber_harbor", service="postgres", schema="orders_db")
    conn_request = factories.submitted(cast["requester"], **postgres(**FLAWS))
    page = browse("approver", color_scheme=scheme)
    page.goto(f"/requests/{conn_request.pk}/")
    page.get_by_role("button", name="Test request").click()
    expect(page.locator("[data-check-state=running]")).to_have_count(10)
    for over in (False, True):
        if over:
            worker.run("dry_run", conn_request.pk)
            expect(page.locator("[data-tested]")).to_contain_text("1 failed")
            page.evaluate("document.querySelectorAll('[data-checks] details').forEach(one => one.open = true)")
        finds_nothing(page, page.locator("[data-checks]"), widths=[1280, NARROWEST])


def test_what_was_opened_stays_open_while_checks_end(
    fivetran: Fivetran, cast: dict[str, User], browse: Callable[..., Page]
) -> None:
    conn_request = factories.draft(cast["requester"], **postgres())
    page = browse("requester")
    page.goto(f"/requests/{conn_request.pk}/")
    page.get_by_role("button", name="Test request").click()
    expect(page.locator("[data-check-state=running]")).to_have_count(10)
    worker.run("dry_run", conn_request.pk)
    checks = sorted(
        DryRun.objects.get().checks, key=lambda one: str(one["check"])
    )  # account first, whatever ended first
    begun = {"due_at": DryRun.objects.get().asked_at, "token": uuid.uuid4(), "finished_at": None}
    DryRun.objects.update(checks=checks[:3], **begun)
    page.reload()
    page.locator("[data-check=account] summary").click()
    DryRun.objects.update(checks=checks, due_at=None)
    expect(page.locator("[data-check=sandbox]")).to_have_attribute("data-check-state", "passed")
    expect(page.locator("[data-check=account] details")).to_have_attribute("open", "")


def test_without_javascript(fivetran: Fivetran, cast: dict[str, User], browse: Callable[..., Any]) -> None:
    conn_request = factories.draft(cast["requester"], **postgres())
    page = browse("requester", java_script_enabled=False)
    page.goto(f"/requests/{conn_request.pk}/")
    page.get_by_role("button", name="Test request").click()
    expect(page.locator("[data-check-state=running]")).to_have_count(10)
    worker.run("dry_run", conn_request.pk)
    page.get_by_role("link", name="Look again").click()
    expect(page.locator("[data-check-state=passed]")).to_have_count(10)


def test_the_focus_in_an_answer_stays_and_passed_checks_are_a_row_each(
    fivetran: Fivetran, cast: dict[str, User], browse: Callable[..., Page]
) -> None:
    conn_request = factories.submitted(cast["requester"], **postgres())
    workflow.ask_for_dry_run(by=cast["requester"], conn_request=conn_request)
    worker.run("dry_run", conn_request.pk)
    checks = sorted(DryRun.objects.get().checks, key=lambda one: str(one["check"]))
    asked_at = DryRun.objects.get().asked_at
    DryRun.objects.update(checks=checks[:3], due_at=asked_at, token=uuid.uuid4(), finished_at=None)
    page = browse("approver")
    page.goto(f"/requests/{conn_request.pk}/")
    page.locator("[data-check=account] summary").click()
    page.locator("#answer-account-1").focus()
    DryRun.objects.update(checks=checks, due_at=None, token=None, finished_at=asked_at)
    expect(page.locator("[data-tested]")).to_contain_text("10 passed")
    expect(page.locator("#answer-account-1")).to_be_focused()
    page.locator("[data-check=account] summary").click()
    assert page.locator("[data-checks]").bounding_box()["height"] < 560  # type: ignore[index]  # it is there
