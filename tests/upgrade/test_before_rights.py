"""A database from before rights by destination, teams and the record is migrated, and everything in it goes on."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from connections import permissions, worker
from connections.models import (
    AccessRule,
    Attempt,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Event,
    EventSeal,
    Handover,
    Notice,
    Preset,
    Trust,
    step_of,
    with_step,
)
from connections.states import ChangeStatus, HandoverState, Status, TrustState
from portal.celery import app
from tests.record import findings
from tests.sandbox_client import Fivetran
from tests.views.test_filing import hidden
from tests.workflow.test_gathered_mail import a_minute_later

pytestmark = pytest.mark.sql

GROUP = "amber_harbor"
ROLES = {
    "requester": 25,
    "approver": 25,
    "operator": 25,
    "auditor": 25,
    "superuser": 25,
}  # pages that each sees at least


def log_in(username: str) -> Client:
    """A browser of somebody who had an account before the upgrade."""
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


def kept(name: str) -> ConnectionRequest:
    return ConnectionRequest.objects.get(schema=f"kept_{name}.orders")


@pytest.fixture
def at_fivetran(upgraded: str, fivetran: Fivetran) -> Fivetran:
    """Every connection that was created is there, and the one of which no answer came."""
    for one in ConnectionRequest.objects.exclude(connection_id="").exclude(connection_id=None):
        fivetran.seed(id=one.connection_id, group_id=one.group_id, service=one.service, schema=one.schema)
    fivetran.seed(group_id=GROUP, service="google_sheets", schema=kept("unknown").schema)
    return fivetran


def work() -> None:
    """What the scheduler and the workers do at each interval."""
    for name, *arguments in worker.messages(worker.sweep()):
        app.tasks[name](*arguments)


def work_until(*done: tuple[str, Status]) -> None:
    until = time.monotonic() + 15
    while any(kept(name).state is not status for name, status in done) and time.monotonic() < until:
        work()
    assert [(name, kept(name).state) for name, _ in done] == list(done)


def rows_in(dump: str) -> Counter[str]:
    """How many rows of each table the dump holds."""
    return Counter(re.findall(r"^INSERT INTO (?:public\.)?\"?([a-z_]+)\"? VALUES", dump, re.MULTILINE))


# --- nothing is lost -------------------------------------------------------------------------------------------------
def test_every_row_is_there_and_turns_search_and_history_are_as_they_were(upgraded: str) -> None:
    before, now = rows_in(upgraded), {}
    with connection.cursor() as cursor:
        for table in before:
            if table.startswith(("connections_", "auth_user", "sign_on_")) and "_search" not in table:
                cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
                now[table] = cursor.fetchone()[0]
    assert len(now) > 18 and now == {table: before[table] for table in now}
    assert {one.state for one in ConnectionRequest.objects.all()} == set(Status)
    assert {one.state for one in ConnectionChange.objects.all()} >= {ChangeStatus.PENDING, ChangeStatus.APPROVED}
    assert Handover.objects.get().state == HandoverState.WAITING and Trust.objects.get().state == TrustState.DUE
    assert Preset.objects.count() == 1 and Notice.objects.filter(sent_at=None).count() > 20
    found = with_step(ConnectionRequest.objects.all())
    assert [str(one) for one in found if one.turn != step_of(one).owner.value] == []
    assert "kept_attention" in log_in("requester").get("/requests/", {"q": "kept_attention"}).content.decode()
    with pytest.raises(DatabaseError), transaction.atomic():
        Event.objects.update(reason="another")
    call_command("migrate", "--check", verbosity=0)
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


# --- the pages -------------------------------------------------------------------------------------------------------
def _addresses(username: str) -> Iterator[str]:
    """The pages that this person has most to do with."""
    own, staff = username == "requester", username in {"approver", "superuser"}
    names = ("home", "history", "approvals", "operations", "new", "batch_new", "catalog", "export_csv", "export_json")
    of_the_record = ("audit", "audit_csv", "audit_json")
    yield from map(reverse, [f"connections:{name}" for name in (*names, *of_the_record)])
    for pk in ConnectionRequest.objects.values_list("pk", flat=True):
        yield f"/requests/{pk}/"
        yield from (f"/requests/{pk}/clone/", f"/requests/{pk}/edit/") if own else ()
        yield from (f"/admin/connections/connectionrequest/{pk}/change/",) if staff else ()
    for change in ConnectionChange.objects.all():
        yield reverse("connections:change", args=[change.pk])
    yield f"/handover/{Handover.objects.get().token}/"


def test_every_page_answers(upgraded: str) -> None:
    for username, least in ROLES.items():
        client, answers = log_in(username), Counter[int]()
        for address in _addresses(username):
            answer: Any = client.get(address)
            assert answer.status_code < 500, (username, address)
            answers[answer.status_code] += 1
        assert answers[200] >= least, (username, answers)


# --- who sees what, and the record ---
def seen_by(username: str) -> int:
    return permissions.visible_to(User.objects.get(username=username)).count()


def test_who_saw_everything_sees_it_still_and_approvers_by_no_right_of_their_own(restored: str) -> None:
    rights = Group.objects.filter(permissions__codename="view_all_requests")
    assert set(rights.values_list("name", flat=True)) == {"Approvers", "Operators", "Auditors"}
    call_command("migrate", verbosity=0)
    assert set(rights.values_list("name", flat=True)) == {"Operators", "Auditors"}
    assert Group.objects.get(permissions__codename="read_record").name == "Auditors"
    filed = ConnectionRequest.objects.exclude(submitted_at=None).count()
    assert filed >= len(Status) - 1
    assert [seen_by(name) for name in ("approver", "operator", "auditor")] == [filed] * 3
    # As soon as a rule names the destination, only the rule counts.
    rule = AccessRule.objects.create(name="Harbour")
    rule.destinations.create(group_id=GROUP)
    rule.groups.create(group=Group.objects.create(name="Harbour people"), may_request=True, may_approve=True)
    assert [seen_by(name) for name in ("approver", "operator", "auditor")] == [0, filed, filed]


def test_the_events_of_before_are_sealed_and_stand_in_the_record(upgraded: str) -> None:
    old = rows_in(upgraded)["connections_event"]
    assert old > 40 and Event.objects.count() == old
    worker.run("seal")
    assert EventSeal.objects.count() == old and findings() == []
    address = {"request": kept("pending").pk}
    assert "kept_pending" in log_in("auditor").get(reverse("connections:audit"), address).content.decode()
    worker.run("seal")
    assert EventSeal.objects.count() == Event.objects.count() > old and findings() == []  # with this log-in


# --- what was under way goes on --------------------------------------------------------------------------------------
def test_what_waited_is_sent_once_and_what_is_unclear_is_looked_up(at_fivetran: Fivetran) -> None:
    pending = kept("pending")
    approve = reverse("connections:approve", args=[pending.pk])
    assert log_in("requester").post(approve, {"digest": pending.digest}).status_code == 403
    assert log_in("approver").post(approve, {"digest": pending.digest}).status_code == 302
    names = ("approved", "claimed", "pending", "sending", "unknown")
    work_until(*[(name, Status.CREATED) for name in names])
    for _ in range(3):
        work()
    posted = Counter(post["body"]["config"]["schema"] for post in at_fivetran.posts())
    # No answer ever came for kept_sending, and it is not there: it was looked for first, then sent.
    assert posted == dict.fromkeys(["kept_approved", "kept_claimed", "kept_pending", "kept_sending"], 1)
    first = Attempt.objects.filter(request=kept("sending")).order_by("pk").values_list("call", flat=True)
    assert list(first)[0] == "look_up" and "create" in first
    schemas = Counter(one["schema"] for one in at_fivetran.connections())
    assert max(schemas.values()) == 1, schemas
    untouched = [one for one in Status if one.value not in {*names, "created"}]
    assert {one: kept(one.value).state for one in untouched} == {one: one for one in untouched}


def test_changes_trust_and_tests_go_on(at_fivetran: Fivetran) -> None:
    for _ in range(4):
        work()
    states = {change.request.schema: change.state for change in ConnectionChange.objects.select_related("request")}
    assert states == {
        "kept_asked.orders": ChangeStatus.PENDING,
        "kept_allowed.orders": ChangeStatus.DONE,
        "kept_paused.orders": ChangeStatus.DONE,
    }
    at = {one["schema"]: one["paused"] for one in at_fivetran.connections()}
    assert at["kept_allowed.orders"] is True and at["kept_asked.orders"] is False
    assert Trust.objects.get().state == TrustState.SENT
    asked = ConnectionChange.objects.get(request__schema="kept_asked.orders")
    answer = log_in("approver").post(reverse("connections:change_approve", args=[asked.pk]), {"digest": asked.digest})
    assert answer.status_code == 302
    for _ in range(2):
        work()
    assert ConnectionChange.objects.get(pk=asked.pk).state is ChangeStatus.DONE
    tested = ConnectionRequest.objects.get(schema="kept_created.orders")
    assert log_in("requester").post(reverse("connections:run_tests", args=[tested.pk])).status_code == 302
    for _ in range(2):
        work()
    assert Connection.objects.get(request=tested).runs.count() == 2


def test_the_draft_is_submitted_and_the_rest_decided(at_fivetran: Fivetran) -> None:
    requester, approver = log_in("requester"), log_in("approver")
    address = f"/requests/{kept('draft').pk}/edit/"
    text = requester.get(address).content.decode()
    hidden_ones = {name: hidden(text, name) for name in ("form_token", "keep", "edited", "version")}
    typed = {path.replace(".", "__"): value for path, value in kept("draft").values.items()}
    assert requester.post(address, {**typed, **hidden_ones, "action": "submit"}).status_code == 302
    left = ["draft", "preset", "row_1", "row_2", "leaver"]
    inbox = approver.get(reverse("connections:approvals")).content.decode()
    assert "kept_preset" in inbox and "kept_leaver" in inbox and "/batches/" in inbox
    for name in left:
        one = kept(name)
        assert one.state is Status.PENDING
        approver.post(reverse("connections:approve", args=[one.pk]), {"digest": one.digest})
    work_until(*[(name, Status.CREATED) for name in left])


def test_mails_that_were_due_go_out_once(at_fivetran: Fivetran) -> None:
    due = list(Notice.objects.filter(sent_at=None).values_list("pk", flat=True))
    mail.outbox.clear()
    a_minute_later()
    for _ in range(3):
        app.tasks["notify"]()
    sent = Notice.objects.filter(pk__in=due)
    assert not sent.filter(sent_at=None, error="").exists()
    owner = [message for message in mail.outbox if message.to == ["owner@example.com"]]
    assert len(owner) == 1 and "/handover/" in owner[0].body
    texts = Counter((tuple(message.to), message.subject, message.body) for message in mail.outbox)
    assert texts and max(texts.values()) == 1
