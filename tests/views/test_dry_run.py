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
    for role in ("requester", "approver", "operator"):
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
    DryRun.objects.update(
        asked_at=F("asked_at") - timedelta(minutes=9), finished_at=F("asked_at") - timedelta(minutes=3)
    )
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


def test_an_open_page_that_shows_it_is_told_nothing(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("requester")
    workflow.ask_for_dry_run(by=cast["requester"], conn_request=conn_request)
    url = f"/requests/{conn_request.pk}/test-request/"
    [seen] = re.findall(r"hx-vals=\"{&quot;seen&quot;: &quot;([^&]+)&quot;}\"", reader.get(url).content.decode())
    assert reader.get(url, {"seen": seen}).status_code == 204
    results = [Result(Check.ACCOUNT, CheckState.PASSED, ("Yes.",)).as_json()]
    DryRun.objects.update(checks=results)
    assert reader.get(url, {"seen": seen}).status_code == 200


def test_the_last_result_is_shown_while_a_new_test_waits_long(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("approver")
    ended(conn_request, cast["requester"], name=CheckState.FAILED)
    workflow.ask_for_dry_run(by=cast["requester"], conn_request=conn_request)
    soon = page_of(reader, conn_request)
    assert soon.count('data-check-state="running"') == 10 and "Asked for" in soon
    DryRun.objects.update(asked_at=F("asked_at") - timedelta(hours=1), finished_at=F("asked_at") - timedelta(hours=3))
    page = " ".join(page_of(reader, conn_request).split())
    assert "9 passed, 1 failed" in page and "running" not in panel_in(page)
    assert "A new test waits for a worker, and goes on by itself. This is what the one before found." in page
    [line] = re.findall(r"<p [^>]*data-tested.*?</p>", page)
    assert "3 hours ago" in line and ": a new test waits" in line
    assert "data-stale" not in page
    filing = Filing(values=factories.values(config__table="other"), service_name="S", group_name="G")
    workflow.submit(by=cast["requester"], filing=filing, conn_request=conn_request)
    panel = panel_in(page_of(reader, conn_request))
    assert "The request has changed since." in panel and "test it again" not in panel


@pytest.mark.parametrize(
    ("states", "tone"),
    [
        ({}, "success"),
        ({"sandbox": CheckState.NOT_POSSIBLE}, "success"),
        ({"name": CheckState.NOT_POSSIBLE}, "secondary"),
        (dict.fromkeys(map(str, Check), CheckState.NOT_POSSIBLE), "secondary"),
        ({"name": CheckState.NOT_POSSIBLE, "config": CheckState.WARNING}, "warning"),
        ({"name": CheckState.FAILED, "config": CheckState.WARNING}, "danger"),
    ],
)
def test_what_could_not_be_tested_is_not_green(
    as_user: Login, cast: Cast, states: dict[str, CheckState], tone: str
) -> None:
    conn_request = factories.submitted(cast["requester"])
    ended(conn_request, cast["requester"], **states)
    page = page_of(as_user("approver"), conn_request)
    for place in (panel_in(page), re.findall(r"<p [^>]*data-tested.*?</p>", page, re.DOTALL)[0]):
        assert re.findall(r'class="tag tag-(\w+)"', place) == [tone]


def test_what_a_newer_version_stored_breaks_no_page(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    run = ended(conn_request, cast["requester"])
    odd: list[Any] = [7, {}, {**run.checks[0], "check": "moon"}, {**run.checks[1], "state": "great"}, *run.checks[2:]]
    odd[-1] = {**odd[-1], "acts": "nobody we know"}
    DryRun.objects.update(checks=odd)
    assert panel_in(page_of(as_user("requester"), conn_request)).count('data-check-state="not_possible"') == 3


def test_look_again_leads_to_the_page(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("requester")
    for _ in range(7):
        page = reader.post(f"/requests/{conn_request.pk}/test-request/")
    assert page.status_code == 429
    assert f'<a href="/requests/{conn_request.pk}/">Look again</a>' in panel_in(page.content.decode())


def test_an_open_page_learns_that_somebody_else_began_a_test(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("approver")
    [seen] = re.findall(r"seen=(\w+)", page_of(reader, conn_request))[:1]
    url = f"/requests/{conn_request.pk}/status/"
    assert reader.get(url, {"seen": seen}).status_code == 204
    workflow.ask_for_dry_run(by=cast["requester"], conn_request=conn_request)
    assert "data-checks" in reader.get(url, {"seen": seen}).content.decode()


@pytest.mark.parametrize("role", ["requester", "approver"])
def test_the_page_that_follows_gets_every_part_once(as_user: Login, cast: Cast, role: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    ended(conn_request, cast["approver"], name=CheckState.FAILED)
    parts = as_user(role).get(f"/requests/{conn_request.pk}/status/").content.decode()
    ids = re.findall(r'\bid="([^"]+)"', parts)
    assert "dry-run-live" in ids
    assert sorted(ids) == sorted(set(ids))
    assert "hx-swap-oob" not in panel_in(parts).split(">", 1)[1]  # a part of a part: htmx would take it twice


def test_the_line_of_whoever_decides_follows_too(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    workflow.ask_for_dry_run(by=cast["requester"], conn_request=conn_request)
    url = f"/requests/{conn_request.pk}/test-request/"
    assert "&quot;short&quot;" in page_of(as_user("approver"), conn_request)
    DryRun.objects.update(due_at=None)
    ended(conn_request, cast["requester"])
    followed = " ".join(as_user("approver").get(url, {"short": "1"}).content.decode().split())
    assert 'id="dry-run-short" data-tested hx-swap-oob="true"' in followed and followed.count("10 passed") == 3
    assert "dry-run-short" not in as_user("requester").get(url, {"short": "1"}).content.decode()
    assert "dry-run-short" not in as_user("approver").get(url).content.decode()


def test_what_was_found_is_read_only_where_it_is_shown(
    as_user: Login, cast: Cast, django_assert_max_num_queries: Any
) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("requester")
    ended(conn_request, cast["requester"])
    [seen] = re.findall(r"seen=(\w+)", page_of(reader, conn_request))[:1]
    for path in (f"status/?seen={seen}", "export/"):
        with django_assert_max_num_queries(40) as asked:
            reader.get(f"/requests/{conn_request.pk}/{path}")
        assert not [query for query in asked.captured_queries if '."checks"' in query["sql"]], path


@pytest.mark.parametrize("role", ["approver", "auditor", "operator", "requester2"])
def test_nobody_tests_or_sees_the_draft_of_another(as_user: Login, cast: Cast, role: str) -> None:
    conn_request = factories.draft(cast["requester"])
    ended(conn_request, cast["requester"])
    url = f"/requests/{conn_request.pk}/test-request/"
    assert (as_user(role).get(url).status_code, as_user(role).post(url).status_code) == (404, 404)


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
