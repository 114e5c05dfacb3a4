"""A database that the version before left in the middle of its work is migrated, and everything in it goes on."""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.urls import reverse

from connections import worker
from connections.models import (
    CircuitBreaker,
    ConnectionChange,
    ConnectionRequest,
    Event,
    Handover,
    Notice,
    step_of,
    with_step,
)
from connections.states import ChangeStatus, Status
from portal.celery import app
from tests.models.old_rows import OldRows
from tests.record import behind_the_back
from tests.sandbox_client import Fivetran
from tests.views.test_filing import hidden

pytestmark = pytest.mark.sql

BEFORE = ("connections", "0023_rate_limit")
RENAMED_MODELS = {"apigate": "circuitbreaker"}
RENAMED_COLUMNS = {
    "handover": {"told_at": "last_notified_at"},
    "notice": {"occasion": "dedup_key"},
    "batch": {"form_token": "idempotency_key"},
    "connectionrequest": {"form_token": "idempotency_key", "gone_at": "deleted_at_fivetran_at"},
    "circuitbreaker": {"closed_since": "open_since"},
}
_OF_ACCESS = ("accessrule", "accessgroup", "accessdestination", "accessservice")
ADDED_TABLES = ("dryrun", "eventseal", "team", "writer", *_OF_ACCESS)
ADDED_COLUMNS = {"paused_jobs", "turn", "tests_count", "tests_open", "syncs", "syncs_due_at", "syncs_not_before"}
ADDED_COLUMNS |= {"team_id", "shared_at", "closed_without_rule"}
ADDED_COLUMNS |= {"address", "typed_name", *(f"about_{name}" for name in ("kind", "id", "name"))}
# The messages that the workers of the version before may have left in the broker: (task, what its argument numbers).
ABOUT_ONE: dict[str, type[models.Model]] = {
    "submit": ConnectionRequest,
    "run_tests": ConnectionRequest,
    "reconcile": ConnectionRequest,
    "check": ConnectionRequest,
    "apply_change": ConnectionChange,
}
ABOUT_ALL: tuple[tuple[str, tuple[Any, ...]], ...] = (("observe", ()), ("probe", ()), ("sweep", ()), ("sweep", (True,)))

Rows = dict[str, dict[int, dict[str, Any]]]


def rows_of(found: list[type[models.Model]]) -> Rows:
    """Every row of these models, by the names of today."""
    rows: Rows = {}
    for model in found:
        name = RENAMED_MODELS.get(str(model._meta.model_name), str(model._meta.model_name))
        new = RENAMED_COLUMNS.get(name, {})
        rows[name] = {
            row["pk"]: {new.get(key, key): value for key, value in row.items() if key not in ADDED_COLUMNS}
            for row in model._default_manager.values("pk", *(f.attname for f in model._meta.concrete_fields))
        }
    return rows


@pytest.fixture
def upgraded(fivetran: Fivetran, group: str, cast: dict[str, User]) -> Iterator[tuple[OldRows, Rows]]:
    """The rows of the version before, and all that stood in the database just before it was migrated."""
    try:
        with behind_the_back() as cursor:  # what the cast's making left on record, which that version cannot hold
            cursor.execute("DELETE FROM connections_event")
        call_command("migrate", *BEFORE, verbosity=0)
        if connection.vendor == "sqlite":  # made the table of requests anew on the way back
            import_module("connections.migrations.0003_search").create_index(None, connection.schema_editor())
        old = OldRows(MigrationExecutor(connection).loader.project_state(BEFORE).apps, cast, group, fivetran)
        old.write()
        before = rows_of(list(old.apps.get_app_config("connections").get_models()))
    finally:
        call_command("migrate", verbosity=0)
    yield old, before


def status(old: OldRows, name: str) -> Status:
    """Where that request stands now."""
    return ConnectionRequest.objects.get(pk=old.requests[name]).state


def hear_old_messages() -> None:
    """Every task that the version before had, for every row it could have been for."""
    for task, model in ABOUT_ONE.items():
        for pk in model._default_manager.values_list("pk", flat=True):
            app.tasks[task](pk)
    for task, arguments in ABOUT_ALL:
        app.tasks[task](*arguments)


def nothing_is_lost(old: OldRows, before: Rows) -> None:
    """All rows are there with all values, the search finds them, events stay as they are, and turns are known."""
    after = rows_of(list(apps.get_app_config("connections").get_models()))
    assert [after.pop(name) for name in ADDED_TABLES] == [{}] * len(ADDED_TABLES)
    assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
    assert after == before
    assert {conn_request.status for conn_request in ConnectionRequest.objects.all()} == {each.value for each in Status}
    found = with_step(ConnectionRequest.objects.all())
    assert [
        f"{conn_request}: {conn_request.turn}"
        for conn_request in found
        if conn_request.turn != step_of(conn_request).owner.value
    ] == []
    with pytest.raises(DatabaseError), transaction.atomic():
        Event.objects.update(reason="another")
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'request_words_%'")
            assert cursor.fetchone() == (3,)


def the_pause_holds(old: OldRows, fivetran: Fivetran) -> None:
    """No message and no sweep sends anything; what died meanwhile is taken up, and what only looks goes on."""
    hear_old_messages()
    assert fivetran.posts() == [] and status(old, "approved") is Status.APPROVED
    assert CircuitBreaker.objects.get().paused_reason == "The upgrade"
    assert status(old, "claimed") is Status.APPROVED and status(old, "sending") is Status.UNKNOWN
    for name in ("rejected", "withdrawn", "expired", "failed", "attention", "draft", "pending", "changes_requested"):
        assert status(old, name).value == name


def people_go_on(old: OldRows, as_user: Callable[..., Client]) -> None:
    """On the pages: an approval, the draft's submission, a search, and the end of the pause."""
    approver, requester, pending = as_user("approver"), as_user("requester"), old.requests["pending"]
    digest = ConnectionRequest.objects.get(pk=pending).digest
    answer = approver.post(reverse("connections:approve", args=[pending]), {"digest": digest})
    assert answer.status_code == 302 and status(old, "pending") is Status.APPROVED
    draft = f"/requests/{old.requests['draft']}/edit/"
    text = requester.get(draft).content.decode()
    kept = {name: hidden(text, name) for name in ("form_token", "keep", "edited", "version")}
    conn_request = ConnectionRequest.objects.get(pk=old.requests["draft"])
    assert kept["form_token"]
    typed = {key.replace(".", "__"): value for key, value in conn_request.values.items()}
    assert requester.post(draft, {**typed, **kept, "action": "submit"}).status_code == 302
    assert status(old, "draft") is Status.PENDING
    assert "old_attention" in requester.get(reverse("connections:history"), {"q": "old_attention"}).content.decode()
    assert as_user("operator").post(reverse("connections:resume")).status_code == 302


def the_portal_goes_on(old: OldRows, fivetran: Fivetran) -> None:
    """Each of these is sent once and created, the one whose effect appeared is adopted, and the change is made."""
    unknown = ConnectionRequest.objects.get(pk=old.requests["unknown"])
    names, until = ("approved", "claimed", "sending", "unknown", "pending"), time.monotonic() + 10
    assert unknown.state is Status.CREATED
    while {status(old, name) for name in names} != {Status.CREATED} and time.monotonic() < until:
        worker.sweep()
        hear_old_messages()
    assert {name: status(old, name).value for name in names} == dict.fromkeys(names, "created")
    posted = [post["body"]["config"]["schema"] for post in fivetran.posts()]
    assert sorted(posted) == ["old_approved", "old_claimed", "old_pending", "old_sending"]
    assert ConnectionChange.objects.get(request=old.requests["changing"]).state is ChangeStatus.DONE
    assert status(old, "attention") is Status.ATTENTION


def mails_go_out(old: OldRows) -> None:
    """What was due is mailed once, the change's with the change; the source owner is reminded."""
    mail.outbox.clear()
    change = ConnectionChange.objects.get(request=old.requests["created"])
    due = Notice.objects.filter(kind__in=["failed", "change_submitted"], request__in=[*old.requests.values()])
    due = due.filter(dedup_key__in=[0, change.pk], version=4)
    assert due.count() == 2
    for _ in range(2):
        app.tasks["notify"]()
    assert [(notice.error, notice.sent_at is None) for notice in due] == [("", False)] * 2
    assert [message.to for message in mail.outbox if "old_failed" in message.body] == [["requester@example.com"]]
    assert [message.to for message in mail.outbox if "Holidays" in message.body] == [["approver@example.com"]]
    handover = Handover.objects.get()
    assert handover.reminders == 1 and handover.last_notified_at > old.now
    assert [message.to for message in mail.outbox if "owner@example.com" in message.to] == [["owner@example.com"]]


def test_everything_goes_on_after_the_upgrade(
    upgraded: tuple[OldRows, Rows], fivetran: Fivetran, as_user: Callable[..., Client]
) -> None:
    old, before = upgraded
    nothing_is_lost(old, before)
    schema = ConnectionRequest.objects.get(pk=old.requests["unknown"]).schema
    fivetran.seed(group_id=old.group, service="google_sheets", schema=schema)  # the effect that nobody saw
    the_pause_holds(old, fivetran)
    people_go_on(old, as_user)
    the_portal_goes_on(old, fivetran)
    mails_go_out(old)
