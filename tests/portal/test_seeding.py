"""The demo's data: complete, lawful, the same each time, and only where nobody's data is at stake."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from connections import permissions
from connections.demo import sandbox_control, seeding
from connections.demo.company import COLLEAGUES, LEFT, TEAMS
from connections.demo.management.commands.seed_demo import PEOPLE, create_people
from connections.forms import Purpose, RequestForm, presets
from connections.forms.rows import unfolded
from connections.models import (
    Batch,
    CatalogEntry,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Event,
    Handover,
    Kind,
    Notice,
    PortalPolicy,
    Preset,
    ServiceRule,
    Team,
    Trust,
)
from connections.permissions import coverage
from connections.sandbox.wire import OWN_NAME
from connections.spec.payloads import digest
from connections.states import ChangeStatus, HandoverState, Status
from connections.worker.handover import REMINDERS
from tests import factories
from tests.processes import Sandbox
from tests.record import findings

REQUESTS, LIVE = 40, 24


@contextmanager
def answering(**headers: str) -> Iterator[str]:
    """The address of a server on this machine that answers everything with these headers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# --- where it is made ------------------------------------------------------------------------------------------------
def test_beside_a_server_that_does_not_say_it_is_the_sandbox_nothing_is_made(db: None, settings: Any) -> None:
    with answering(Server="Fivetran") as settings.FIVETRAN_BASE_URL:
        with pytest.raises(CommandError, match="does not say that it is the sandbox"):
            seeding.seed()
        with pytest.raises(CommandError, match="nothing was deleted"):
            seeding.clear()
    assert not User.objects.exists() and not Preset.objects.exists()


def test_a_server_elsewhere_is_not_even_asked(db: None, settings: Any) -> None:
    settings.FIVETRAN_BASE_URL = "https://sandbox.example.com"
    assert "does not say that it is the sandbox" in seeding.why_not()


def test_a_database_with_a_request_is_left_alone(groups: None, settings: Any) -> None:
    theirs = factories.draft()
    without = pytest.raises(CommandError, match="only in a database without any")
    with answering(**OWN_NAME) as settings.FIVETRAN_BASE_URL, without:
        seeding.seed()
    assert list(ConnectionRequest.objects.values_list("pk", flat=True)) == [theirs.pk]
    assert not Preset.objects.exists()


def test_what_was_approved_for_a_real_account_is_never_cleared(groups: None, settings: Any) -> None:
    settings.FIVETRAN_BASE_URL = "https://api.fivetran.com"
    theirs = factories.approved()
    with answering(**OWN_NAME) as settings.FIVETRAN_BASE_URL, pytest.raises(CommandError, match="nothing was deleted"):
        seeding.clear()
    assert ConnectionRequest.objects.filter(pk=theirs.pk).exists()


# --- what is made ----------------------------------------------------------------------------------------------------
def snapshot() -> list[tuple[Any, ...]]:
    """All that a second seed makes again; the moments of those that are minutes old move with the clock."""
    columns = ("status", "turn", "requester__username", "service", "schema", "connection_id", "digest", "note")
    return [*ConnectionRequest.objects.order_by("pk").values_list(*columns)]


def days() -> list[Any]:
    old = ConnectionRequest.objects.filter(submitted_at__lt=datetime.now(UTC) - timedelta(hours=20))
    return [f"{moment:%Y-%m-%d %H:%M}" for moment in old.values_list("submitted_at", flat=True)]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_six_weeks_of_a_company_at_work(groups: None, sandbox: Sandbox, tmp_path: Any, settings: Any) -> None:
    settings.PUBLIC_URL, settings.EMAIL_FILE_PATH = "http://localhost", str(tmp_path)
    call_command("refresh_catalog", verbosity=0)
    earlier = {"group_id": "calm_lantern", "service": "stripe", "schema": "stripe"}  # of a demo whose database is gone
    sandbox_control.tell("POST", "connections", earlier)
    assert seeding.seed() == REQUESTS
    complete()
    lawful()
    first, moments = snapshot(), days()
    # Once more from nothing: the same again.
    seeding.clear()
    assert not ConnectionRequest.objects.exists() and not Event.objects.exists()
    assert not User.objects.filter(username__in=PEOPLE).exists()
    create_people()
    call_command("refresh_catalog", verbosity=0)
    seeding.seed()
    assert snapshot() == first
    assert days() == moments


def complete() -> None:
    counted = Counter(ConnectionRequest.objects.values_list("status", flat=True))
    assert set(counted) == set(Status)
    assert counted[Status.CREATED] == LIVE
    people = User.objects.filter(username__in=[*PEOPLE, *COLLEAGUES])
    assert people.count() == 9 and all(person.first_name and person.last_name for person in people)
    assert set(people.values_list("groups__name", flat=True)) >= set(TEAMS) and len(TEAMS) == 5
    assert not any(User.objects.get(username=name).has_usable_password() for name in COLLEAGUES)
    teams_and_rules()
    oldest = ConnectionRequest.objects.earliest("created_at").created_at
    # Thirty working days: from a Saturday some hours less than six weeks.
    assert timedelta(days=39) <= datetime.now(UTC) - oldest < timedelta(days=43)
    live = Connection.objects.filter(request__deleted_at_fivetran_at=None)
    assert Counter(live.values_list("setup_state", flat=True)) == {"connected": 20, "incomplete": 3, "broken": 1}
    assert live.filter(first_data_at__isnull=False).count() == 21
    assert [one.request.service for one in live.exclude(drift=[])] == ["zendesk"]
    assert live.filter(trust_waiting=1).count() == 1 and not Trust.objects.exists()
    handovers = Handover.objects.live()
    assert Counter(handovers.values_list("state", flat=True)) == {HandoverState.WAITING: 1, HandoverState.OPEN: 1}
    assert handovers.get(owner=None).reminders == REMINDERS
    batch = ConnectionRequest.objects.filter(batch_row__batch=Batch.objects.get()).order_by("batch_row__number")
    assert [*batch.values_list("status", flat=True)] == ["created", "rejected", "pending", "pending"]
    changes = Counter(ConnectionChange.objects.values_list("status", flat=True))
    assert changes == {ChangeStatus.DONE: 2, ChangeStatus.PENDING: 1}
    assert (Preset.objects.count(), PortalPolicy.objects.get().naming_template) == (5, "{team}_{service}")
    assert ServiceRule.objects.filter(stance="denied").exists()
    owned = ConnectionRequest.objects.exclude(connection_id=None).values("connection_id")
    outside = CatalogEntry.objects.filter(kind=Kind.CONNECTION).exclude(fivetran_id__in=owned)
    assert outside.count() == 2


def teams_and_rules() -> None:
    """The auditor only reads; a team goes on with what somebody left; a rule closes one destination to the others."""
    by_name = {person.username: person for person in User.objects.all()}
    assert sorted(map(str, Team.objects.all())) == sorted(TEAMS)
    assert permissions.reads_only(by_name["auditor"]) and not permissions.reads_only(by_name["requester"])
    left = ConnectionRequest.objects.filter(requester__is_active=False)
    assert set(left.values_list("requester__username", flat=True)) == {LEFT}
    assert set(left.values_list("pk")) <= set(permissions.continued_by(by_name["requester"]).values_list("pk"))
    closed = permissions.Into("gentle_prairie", "sftp")
    may = {name for name, person in by_name.items() if permissions.may_ask_into(person, closed)}
    assert may == {"kenji", *TEAMS["Data Platform"]} and coverage.read().shut() == {}


def lawful() -> None:
    connection.check_constraints()
    moments = [*Event.objects.order_by("pk").values_list("at", flat=True)]
    assert moments == sorted(moments) and moments[-1] <= datetime.now(UTC)
    assert findings() == []
    assert not Notice.objects.filter(sent_at=None).exists()
    for conn_request in ConnectionRequest.objects.exclude(status=Status.DRAFT):
        assert conn_request.digest == digest(conn_request.payload or {})
        assert factories.stored_turn(conn_request.pk) == conn_request.turn
        form = RequestForm(unfolded(conn_request.values), purpose=Purpose.SUBMIT)
        assert form.is_valid(), (conn_request, form.errors)
        imposed = presets.imposed_values(conn_request.preset)
        assert imposed.items() <= conn_request.values.items(), conn_request
    for column in ("created_at", "submitted_at", "approved_at", "status_since"):
        late = ConnectionRequest.objects.filter(**{f"{column}__gt": datetime.now(UTC)})
        assert not late.exists(), column
