"""What a database's clock that was set leaves behind is put right by the sweeper, and nothing stored is left out."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.models.functions import Now

from connections import notifications, worker
from connections.models import (
    BreakerReason,
    CatalogEntry,
    CatalogRefresh,
    CircuitBreaker,
    Connection,
    DryRun,
    Handover,
    Heartbeat,
    Kind,
    Notice,
    Observation,
    Process,
    SetupTestRun,
    SetupTestsState,
    Trust,
    TrustState,
    WebhookDelivery,
)
from connections.states import ChangeStatus, Status
from connections.worker import database_clock
from tests import factories
from tests.workflow.test_changes import change_in

# Only shown, ordered by, or compared with Fivetran's own clock: nothing waits for it.
TOLD = {
    "approved_at",
    "card_expired_at",
    "changed_at",
    "created_at",
    "decided_at",
    "deleted_at_fivetran_at",
    "done_at",
    "failed_at",
    "finished_at",
    "first_data_at",
    "first_sent_at",
    "fivetran_created_at",
    "open_since",
    "opened_at",
    "paused_at",
    "returned_at",
    "revoked_at",
    "saved_at",
    "sealed_at",
    "sent_at",
    "shared_at",
    "since",
    "started_at",
    "status_since",
    "submitted_at",
    "succeeded_at",
    "trust_since",
}
# Judged where they are read, by both sides of now: these rows cannot be changed, or are what the sweeper lives by.
JUDGED = {("Event", "at"), ("Heartbeat", "at"), ("Attempt", "started_at"), ("ResetCount", "since")}


def test_every_moment_that_something_waits_for_is_on_the_list() -> None:
    listed = {(moment.rows.model.__name__, moment.column) for moment in database_clock.MOMENTS}
    left_out = {
        (model.__name__, field.name)
        for model in apps.get_app_config("connections").get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.DateTimeField) and field.name not in TOLD
    }
    assert left_out - listed - JUDGED == set()


def _one_of_each() -> None:
    """Rows that every moment of the list is in."""
    for status in (Status.PENDING, Status.APPROVED, Status.CLAIMED, Status.SENDING, Status.UNKNOWN):
        factories.request_in(status)
    for change in (ChangeStatus.PENDING, ChangeStatus.APPROVED, ChangeStatus.RUNNING):
        change_in(change)
    approver = factories.person("approver")
    states = (TrustState.DUE, TrustState.RUNNING, TrustState.SENT)
    for tests, state in zip(
        (SetupTestsState.DUE, SetupTestsState.RUNNING, SetupTestsState.STORED), states, strict=True
    ):
        conn_request = factories.request_in(Status.CREATED)
        connection = Connection.objects.filter(request=conn_request)
        claim = {"tests_token": uuid.uuid4(), "tests_lease_until": Now()} if tests is SetupTestsState.RUNNING else {}
        connection.update(tests=tests, tests_next_try_at=Now(), check_due_at=Now(), **claim)
        SetupTestRun.objects.create(connection=connection.get())
        Trust.objects.create(
            request=conn_request,
            requester=conn_request.requester,
            approved_by=approver,
            kind="certificate",
            hash=state,
            state=state,
            token=uuid.uuid4(),
            lease_until=Now(),
            next_try_at=Now(),
            ended_at=Now(),
        )
    Handover.objects.create(request=conn_request, owner=conn_request.requester)
    DryRun.objects.create(request=conn_request, asked_by=approver)
    Notice.objects.filter(kind="approved").update(tries=1)
    Observation.objects.create(pk=1)
    CatalogRefresh.objects.create(kind=Kind.SERVICE)
    CatalogEntry.objects.create(kind=Kind.SERVICE, fivetran_id="s", name="S")
    WebhookDelivery.objects.create(digest="d")


@pytest.mark.django_db
def test_what_lies_a_month_ahead_is_put_right() -> None:
    _one_of_each()
    for moment in database_clock.MOMENTS:
        if moment.rows.model is CircuitBreaker:
            for reason in BreakerReason:
                CircuitBreaker.objects.update_or_create(pk=1, defaults={"reason": reason})
                if moment.rows.exists():
                    break
        rows = moment.rows
        assert rows.update(**{moment.column: Now() + timedelta(days=30)}), (rows.model, moment.column)
        database_clock.put_right()
        latest = 0 if moment.then is database_clock.Then.DUE else moment.ahead()
        late = rows.filter(**{f"{moment.column}__gt": Now() + timedelta(seconds=latest)})
        assert rows.exists() and not late.exists(), (rows.model, moment.column)
        early = rows.filter(**{f"{moment.column}__lt": Now() + timedelta(seconds=latest - 60)})
        assert not early.exists(), (rows.model, moment.column)


@pytest.mark.django_db
def test_what_waits_as_long_as_it_may_is_left_alone() -> None:
    _one_of_each()
    for moment in database_clock.MOMENTS:
        moment.rows.update(**{moment.column: Now() + timedelta(seconds=moment.ahead() - 1)})
    before = _all()
    database_clock.put_right()
    assert _all() == before


@pytest.mark.django_db
def test_a_mail_that_gathers_others_is_left_alone(caplog: Any) -> None:
    """Each worker that starts looks at all moments: it must not say of a healthy clock that it was set."""
    factories.request_in(Status.PENDING)
    put_off = Notice.objects.filter(sent_at=None)
    assert put_off.update(next_try_at=Now() + notifications.GATHER - timedelta(seconds=5))
    before = list(put_off.values_list("next_try_at", flat=True))
    database_clock.put_right()
    assert list(put_off.values_list("next_try_at", flat=True)) == before
    assert "too far ahead" not in caplog.text


def _all() -> list[Any]:
    return [list(m.rows.order_by("pk").values_list("pk", m.column)) for m in database_clock.MOMENTS]


@pytest.mark.django_db
@pytest.mark.parametrize("days", [1, 400])
def test_a_heartbeat_in_the_future_is_old_and_is_silence(days: int) -> None:
    worker.note_alive()
    Heartbeat.objects.update(at=Now() + timedelta(days=days))
    assert Heartbeat.objects.silent() == set(Process)
    assert worker.note_alive() and not worker.note_alive()
    assert Heartbeat.objects.silent() == set()


@pytest.mark.django_db
def test_the_sweeper_finds_what_waits_for_the_day_after_tomorrow(settings: Any) -> None:
    waiting, looked_up = factories.request_in(Status.APPROVED), factories.request_in(Status.UNKNOWN)
    for conn_request in (waiting, looked_up):
        type(conn_request).objects.filter(pk=conn_request.pk).update(
            next_try_at=Now() + timedelta(days=2) if conn_request is waiting else None,
            next_lookup_at=Now() + timedelta(days=2) if conn_request is looked_up else None,
        )
    database_clock.put_right()
    due = worker.sweep()
    assert due["submit"] == [waiting.pk] and due["reconcile"] == [looked_up.pk]
