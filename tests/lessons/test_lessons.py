"""The lessons that no other room tries, and that every lesson has tests which exist."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from connections import notifications, permissions, worker, workflow
from connections.models import (
    CatalogEntry,
    CircuitBreaker,
    Connection,
    ConnectionRequest,
    Event,
    Kind,
    Preset,
    SetupTestRun,
    store_run,
)
from connections.states import Status
from tests import catalogs, factories
from tests.escaping import ATTACKS, faults_of
from tests.lessons import LESSONS
from tests.processes import ROOT
from tests.sandbox_client import Fivetran
from tests.worker.conftest import approve, fivetran, group

__all__ = ["approve", "fivetran", "group"]  # the fixtures
Approve = Callable[..., ConnectionRequest]


@pytest.mark.parametrize("number", range(1, 18))
def test_each_lesson_has_tests_that_exist(number: int) -> None:
    lesson = LESSONS[number]
    assert lesson.name and lesson.tests
    for test in lesson.tests:
        path, _, function = test.partition("::")
        assert f"def {function}(" in (ROOT / "tests" / path).read_text(), test


def test_a_lesson_is_found_by_its_number() -> None:
    lesson = LESSONS[4]
    paths = sorted({f"tests/{test.partition('::')[0]}" for test in lesson.tests})
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:xdist", "-k", "lesson_04", *paths]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False).stdout
    assert {line.partition("[")[0] for line in found.splitlines() if "::" in line} == {
        f"tests/{test}" for test in lesson.tests
    }


# --- 3 ---------------------------------------------------------------------------------------------------------------
def test_two_approvers_in_one_second_make_one_creation(fivetran: Fivetran, group: str) -> None:
    fivetran.settings(unique_names=False)
    approvers = [factories.person("approver") for _ in range(2)]
    conn_request = factories.submitted(group_id=group, config__schema="wanted", config__table="t")

    def click(by: User) -> int:
        client = Client()
        client.force_login(by)
        try:
            answer = client.post(f"/requests/{conn_request.pk}/approve/", {"digest": conn_request.digest})
            worker.run("submit", conn_request.pk)
            return int(answer.status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(click, approvers)) == {302}
    assert len(fivetran.posts()) == len(fivetran.connections()) == 1
    assert ConnectionRequest.objects.get(pk=conn_request.pk).state is Status.CREATED
    assert Event.objects.filter(request=conn_request, target=Status.APPROVED).count() == 1


# --- 5 ---------------------------------------------------------------------------------------------------------------
def test_a_call_that_takes_too_long_ends_in_a_state_with_a_reason(fivetran: Fivetran, approve: Approve) -> None:
    """The read ends after a second, the call as a whole after two (`drip_` keeps sending)."""
    for schema in ("hang_forever", "drip_forever"):
        conn_request = approve(schema)
        fivetran.hold("headers")
        worker.run("submit", conn_request.pk)
        fivetran.release()
        conn_request.refresh_from_db()
        assert conn_request.state is Status.UNKNOWN
        attempt = conn_request.attempts.filter(call="create").latest("pk")
        assert attempt.ending and conn_request.events.filter(target=Status.UNKNOWN.value).exclude(detail={}).exists()
        CircuitBreaker.objects.update(reason="", not_before=None, unclear_in_a_row=0)


# --- 6 ---------------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_250_creations_wait_when_asked_to_and_each_is_made_once(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    settings.OPEN_REQUESTS = settings.SUBMISSIONS_PER_MINUTE = 0
    settings.PROBE_SECONDS = 30  # how long it waits where no time is said
    by, approver = factories.person(), factories.person("approver")
    rows = [approve(f"queued_{number}", by=by, approver=approver).pk for number in range(250)]
    busy = {"method": "POST", "path": "/v1/connections", "status": 429, "body": {"code": "TooMany", "message": "Wait"}}
    waits = [{**busy, "headers": {"Retry-After": "7"}}, busy, {**busy, "headers": {"Retry-After": "soon"}}]
    for turn in range(60):
        if turn < 3:
            fivetran.next(waits[turn])
        due = ConnectionRequest.objects.filter(pk__in=rows, status=Status.APPROVED)
        if not due.exists():
            break
        for pk in due.order_by("pk").values_list("pk", flat=True)[: 20 if turn < 3 else 250]:
            worker.run("submit", pk)
        if turn < 3:
            breaker = CircuitBreaker.objects.get()
            assert breaker.reason == "rate_limited" and breaker.not_before is not None
        CircuitBreaker.objects.update(not_before=Now() - timedelta(seconds=1), next_slot_at=None)
        due.update(next_try_at=Now() - timedelta(seconds=1))
    assert Counter(ConnectionRequest.objects.values_list("status", flat=True)) == {"created": 250}
    made = Counter(one["schema"] for one in fivetran.connections())
    assert len(made) == 250 and max(made.values()) == 1
    assert len(fivetran.posts()) == 250 + 3


# --- 7 ---------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_of_150_destinations_each_can_be_chosen(as_user: Callable[..., Client]) -> None:
    catalogs.offered()
    for number in range(150):
        columns: dict[str, Any] = {"fivetran_id": f"group_{number:03d}", "name": f"Warehouse {number}"}
        CatalogEntry.objects.create(kind=Kind.GROUP, data={}, **columns)
        data = {"service": "snowflake", "region": "GCP_EUROPE_WEST3", "setup_status": "CONNECTED"}
        CatalogEntry.objects.create(kind=Kind.DESTINATION, data=data, **columns)
    page = as_user("requester").get("/requests/new/").content.decode()
    assert len(set(re.findall(r'value="(group_\d{3})"', page))) == 150


@pytest.mark.django_db
def test_a_search_finds_what_is_on_no_page_yet(as_user: Callable[..., Client], cast: dict[str, User]) -> None:
    first = factories.submitted(cast["requester"], config__schema="the_very_first")
    for _ in range(120):
        factories.submitted(cast["requester"])
    client = as_user("requester")
    assert "the_very_first" not in client.get("/requests/").content.decode()
    assert f'data-request-id="{first.pk}"' in client.get("/requests/", {"q": "very_first"}).content.decode()


# --- 9 ---------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_setup_tests_of_any_shape_are_shown_as_text(as_user: Callable[..., Client], cast: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    tests = [
        {"title": "Of tomorrow", "status": "POSTPONED_BY_MOON", "message": None},
        {"title": "Without words", "status": "FAILED"},
        {"title": None, "status": None, "message": 7, "details": [[]]},
        *({"title": one, "status": one[:20], "message": one, "details": {one: one}} for one in ATTACKS),
        {"title": "Large", "status": "FAILED", "message": "x" * 200_000, "details": {"a": ["y" * 1000] * 2000}},
    ]
    row = Connection.objects.get(request=conn_request)
    store_run(row, {"id": conn_request.connection_id, "setup_tests": tests, "status": {"setup_state": "broken"}})
    for client in (as_user("requester"), as_user("approver")):
        answer = client.get(f"/requests/{conn_request.pk}/")
        text = answer.content.decode()
        assert faults_of(answer) == [] and 'data-test-status="POSTPONED_BY_MOON"' in text and "Without words" in text
        assert len(text) < 1_000_000


# --- 10 --------------------------------------------------------------------------------------------------------------
def test_whoever_leaves_while_tests_run_finds_them_done_and_no_page_makes_another_run(
    fivetran: Fivetran, group: str
) -> None:
    by = factories.person()
    columns: dict[str, Any] = {"group_id": group, "config__schema": "tested", "config__table": "t"}
    conn_request = factories.approved(by, **columns)
    worker.run("submit", conn_request.pk)
    client = Client()
    client.force_login(by)
    assert client.post(f"/requests/{conn_request.pk}/run-tests/").status_code == 302
    client.get(f"/requests/{conn_request.pk}/")
    del client  # the page is closed, the browser too
    worker.run("run_tests", conn_request.pk)
    assert SetupTestRun.objects.count() == 2
    again = Client()
    again.force_login(by)
    before = len(fivetran.call("journal?method=POST")), Event.objects.count()
    for address in ("", "status/", "status/", "clone/"):
        assert again.get(f"/requests/{conn_request.pk}/{address}").status_code in {200, 204, 286}
    assert (len(fivetran.call("journal?method=POST")), Event.objects.count()) == before
    assert worker.sweep()["run_tests"] == [] and SetupTestRun.objects.count() == 2


# --- 13 --------------------------------------------------------------------------------------------------------------
def test_a_requester_who_left_leaves_a_request_that_is_decided(fivetran: Fivetran, group: str) -> None:
    leaver, approver = factories.person(), factories.person("approver")
    columns: dict[str, Any] = {"group_id": group, "config__schema": "left_behind", "config__table": "t"}
    conn_request = factories.submitted(leaver, **columns)
    User.objects.filter(pk=leaver.pk).update(is_active=False)
    assert list(permissions.waiting_for(approver)) == [conn_request]
    workflow.approve(by=approver, conn_request=conn_request, digest=conn_request.digest)
    worker.run("submit", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.state is Status.CREATED
    mail.outbox.clear()
    notifications.send_due()
    assert leaver.email not in {address for message in mail.outbox for address in message.to}


@pytest.mark.django_db
def test_an_approver_who_left_decides_nothing_and_another_does() -> None:
    gone, other = factories.person("approver"), factories.person("approver")
    conn_request = factories.submitted()
    User.objects.filter(pk=gone.pk).update(is_active=False)
    with pytest.raises(permissions.Denied):
        workflow.approve(by=gone, conn_request=conn_request, digest=conn_request.digest)
    workflow.approve(by=other, conn_request=conn_request, digest=conn_request.digest)
    assert ConnectionRequest.objects.get().state is Status.APPROVED


@pytest.mark.django_db
def test_a_group_with_a_new_name_decides_as_before(as_user: Callable[..., Client]) -> None:
    member = factories.person("approver")
    finance = Group.objects.create(name="Finance approvers")
    member.groups.add(finance)
    preset = Preset.objects.create(name="Sheets", service="google_sheets", approvers=finance)
    filing = factories.filing()
    by = factories.person()
    conn_request = workflow.submit(by=by, filing=type(filing)(**{**filing.__dict__, "preset": preset}))
    Group.objects.filter(pk=finance.pk).update(name="Finance & Controlling")
    Group.objects.filter(name="Approvers").update(name="Deciders")
    outsider = factories.person()
    outsider.groups.add(Group.objects.get(name="Deciders"))
    with pytest.raises(permissions.Denied, match="Finance & Controlling"):
        permissions.check_can_decide(outsider, conn_request)
    workflow.approve(by=member, conn_request=conn_request, digest=conn_request.digest)


# --- 16 --------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_two_requests_of_one_kind_show_each_its_own_values(
    as_user: Callable[..., Client], cast: dict[str, User]
) -> None:
    made = {
        name: factories.submitted(cast["requester"], config__schema=f"{name}_sheet", reason=f"Because of {name}")
        for name in ("first", "second")
    }
    approver = as_user("approver")
    inbox = approver.get("/approvals/").content.decode()
    assert inbox.index("second_sheet") > inbox.index("first_sheet") > 0
    for name, other in (("first", "second"), ("second", "first")):
        page = approver.get(f"/requests/{made[name].pk}/").content.decode()
        main = page.partition("<main")[2]
        [payload] = re.findall(r"<pre[^>]*data-payload[^>]*>(.*?)</pre>", main, re.DOTALL)
        shown = json.loads(re.sub(r"<[^>]+>", "", payload).replace("&quot;", '"'))
        assert shown == made[name].payload and shown["config"]["schema"] == f"{name}_sheet"
        assert f"Because of {name}" in main and f"Because of {other}" not in main


# --- 17 --------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_the_link_of_a_mail_opens_the_request_after_the_log_in(cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    mail.outbox.clear()
    notifications.send_due()
    [body] = [str(one.body) for one in mail.outbox if one.to == [cast["approver"].email]]
    [link] = set(re.findall(rf"http://localhost(/requests/{conn_request.pk}/)", body))
    client = Client()
    answer = client.get(link)
    assert answer.status_code == 302 and answer["Location"] == f"/accounts/login/?next={link}"
    client.force_login(cast["approver"])
    assert client.get(link).status_code == 200
