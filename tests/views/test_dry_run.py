"""The panel "Test request" on a request's page: who may ask, what it shows, and what it costs."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client

from connections import workflow
from connections.models import ConnectionRequest, DryRun, Event, EventKind
from connections.spec.dry_run import Check, CheckState, Result
from connections.states import Owner, Status
from connections.workflow import Filing
from tests import factories

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
Cast = dict[str, User]
ANSWER = {"method": "GET", "address": "/v1/x", "status": 200, "milliseconds": 7, "answer": "{}"}


def ended(conn_request: ConnectionRequest, by: User, **states: CheckState) -> DryRun:
    """A dry run that has ended; all passed but those in `states`."""
    checks = [
        Result(
            check, states.get(check.value, CheckState.PASSED), (f"About {check.value}.",), Owner.OPERATOR, (ANSWER,)
        ).as_json()
        for check in Check
    ]
    columns = {"digest": conn_request.digest, "version": conn_request.version, "checks": checks}
    run, _ = DryRun.objects.update_or_create(request=conn_request, defaults={**columns, "asked_by": by})
    DryRun.objects.update(finished_at=F("asked_at"))
    return run


def page_of(reader: Client, conn_request: ConnectionRequest) -> str:
    """The request's page."""
    return reader.get(f"/requests/{conn_request.pk}/").content.decode()


def panel_in(page: str) -> str:
    """The part of the page with the checks, without repeated blanks."""
    [found] = re.findall(r'<section id="dry-run".*?</section>', page, re.DOTALL)
    return " ".join(str(found).split())


def test_a_request_that_was_never_tested_has_the_button(as_user: Login, cast: Cast) -> None:
    page = page_of(as_user("requester"), factories.draft(cast["requester"]))
    assert page.count('id="do-test-request"') == 1
    assert "data-checks" not in page and "hx-get" not in panel_in(page)


def test_whoever_sees_it_asks_and_the_page_follows(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    for role in ("requester", "approver", "auditor"):
        answer = as_user(role).post(f"/requests/{conn_request.pk}/test-request/")
        assert (answer.status_code, answer["Location"]) == (302, f"/requests/{conn_request.pk}/#dry-run")
        assert DryRun.objects.get().asked_by == cast[role]
    panel = panel_in(page_of(as_user("requester"), conn_request))
    assert re.findall(r'data-check="(\w+)" data-check-state="running"', panel) == [check.value for check in Check]
    assert f'hx-get="/requests/{conn_request.pk}/test-request/"' in panel and 'hx-trigger="every 1s"' in panel
    assert "<noscript>" in panel and "Look again" in panel
    assert as_user("requester2").get(f"/requests/{conn_request.pk}/test-request/").status_code == 404


def test_the_fragment_stops_asking_at_the_end(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("requester")
    workflow.ask_for_dry_run(by=cast["requester"], conn_request=conn_request)
    url = f"/requests/{conn_request.pk}/test-request/"
    running = " ".join(reader.get(url).content.decode().split())
    assert 'id="dry-run-live" class="dry-run" data-dry-run hx-swap-oob="true" hx-get=' in running
    assert '<p id="dry-run-said" hx-swap-oob="innerHTML">Testing: 10 running</p>' in running
    DryRun.objects.update(due_at=None)
    ended(conn_request, cast["requester"], name=CheckState.FAILED, config=CheckState.WARNING)
    over = reader.get(url).content.decode()
    assert "hx-get" not in over and "8 passed, 1 warning, 1 failed" in over


def test_what_a_check_shows(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    ended(conn_request, cast["requester"], name=CheckState.FAILED, sandbox=CheckState.NOT_POSSIBLE)
    panel = panel_in(page_of(as_user("requester"), conn_request))
    [name] = re.findall(r'<li[^>]*data-check="name".*?</li>', panel)
    for shown in (
        'data-check-state="failed"',
        '<span class="dry-check-word">failed</span>',
        "<bdi>About name.</bdi>",
        "Who acts: an operator",
        "GET /v1/x",
        "HTTP 200 in 7 ms",
    ):
        assert shown in name, shown
    assert "<svg" in name  # an icon beside the word
    assert "8 passed, 1 failed, 1 not possible" in panel and "just now" in panel and ">you</bdi>" in panel


def test_it_is_stale_once_another_body_would_be_sent(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    ended(conn_request, cast["requester"])
    assert "data-stale" not in page_of(as_user("approver"), conn_request)
    filing = Filing(values=factories.values(config__table="other"), service_name="S", group_name="G")
    workflow.submit(by=cast["requester"], filing=filing, conn_request=conn_request)
    page = page_of(as_user("approver"), conn_request)
    assert "The request has changed since: test it again." in page
    assert "the request has changed since</span>" in " ".join(page.split())


def test_whoever_decides_reads_result_and_age_in_a_line(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    assert "data-tested" not in page_of(as_user("approver"), conn_request)
    ended(conn_request, cast["requester"], name=CheckState.FAILED)
    DryRun.objects.update(asked_at=F("asked_at") - timedelta(minutes=3))
    [line] = re.findall(r"<p [^>]*data-tested.*?</p>", page_of(as_user("approver"), conn_request), re.DOTALL)
    assert "9 passed, 1 failed" in line and "3 minutes ago" in line and 'href="#dry-run"' in line
    assert "Mara Lindqvist" in line
    for role in ("requester", "auditor"):
        assert "data-tested" not in page_of(as_user(role), conn_request)


def test_a_run_that_no_worker_takes_up_is_asked_for_less_often(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    workflow.ask_for_dry_run(by=cast["requester"], conn_request=conn_request)
    DryRun.objects.update(asked_at=F("asked_at") - timedelta(minutes=2))
    panel = panel_in(page_of(as_user("requester"), conn_request))
    assert "It waits for a worker" in panel and 'hx-trigger="every 5s"' in panel


def test_six_times_a_minute_and_person(as_user: Login, cast: Cast) -> None:
    one, other = factories.submitted(cast["requester"]), factories.submitted(cast["requester"])
    reader = as_user("requester")
    codes = [reader.post(f"/requests/{row.pk}/test-request/").status_code for row in (one, other) * 4]
    assert codes == [302] * 6 + [429] * 2
    refused = reader.post(f"/requests/{one.pk}/test-request/")
    assert "You tested requests 6 times within a minute" in refused.content.decode()
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert as_user("approver").post(f"/requests/{one.pk}/test-request/").status_code == 302
    assert Event.objects.filter(kind=EventKind.DRY_RUN_ASKED).count() == 7
    assert "Request tested" not in page_of(reader, one)  # the panel tells it, and the timeline stays short


@pytest.mark.parametrize("status", [Status.DRAFT, Status.PENDING, Status.CREATED, Status.REJECTED])
def test_the_page_costs_no_query_more(
    as_user: Login, cast: Cast, django_assert_max_num_queries: Any, status: Status
) -> None:
    conn_request = factories.request_in(status, cast["requester"], cast["approver"])
    reader = as_user("requester")
    with django_assert_max_num_queries(40) as before:
        page_of(reader, conn_request)
    ended(conn_request, cast["requester"], name=CheckState.FAILED)
    with django_assert_max_num_queries(len(before.captured_queries)):
        assert "data-checks" in page_of(reader, conn_request)
    with django_assert_max_num_queries(3):  # session, reader, request
        reader.get(f"/requests/{conn_request.pk}/test-request/")
