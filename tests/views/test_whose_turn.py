"""Whose turn it is reads the same in every place, and is stored as `next_step` derives it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.test import Client

from connections import workflow
from connections.models import (
    BreakerReason,
    ChangeKind,
    CircuitBreaker,
    Connection,
    ConnectionRequest,
    Handover,
    SetupTestsState,
    TrustState,
    step_of,
    store_turn,
    with_step,
)
from connections.states import Status
from connections.worker import connection_status, outcome, setup_tests
from connections.workflow import operations
from tests import factories
from tests.handover import handed_over
from tests.views.test_request_page import page_of, visible_text
from tests.views.test_trust import CERTIFICATE, created, failed
from tests.workflow.test_trust import approve

pytestmark = pytest.mark.django_db
Cast = dict[str, Any]
Login = Callable[..., Client]


def untouched(cast: Cast) -> ConnectionRequest:
    """A created request whose connection lacks something, without a hand-over."""
    conn_request = created(cast, None)
    connection_status.record_status(conn_request.connection, {"status": {"setup_state": "broken"}})
    return conn_request


def connected(cast: Cast) -> ConnectionRequest:
    conn_request = created(cast, None)
    connection_status.record_status(conn_request.connection, {"status": {"setup_state": "connected"}})
    return conn_request


def waiting_for_owner(cast: Cast) -> Handover:
    return handed_over(by=cast["requester"])


def revoked(cast: Cast) -> ConnectionRequest:
    handover = waiting_for_owner(cast)
    workflow.revoke(by=cast["requester"], handover=handover)
    return handover.request


def given_again(cast: Cast) -> ConnectionRequest:
    handover = Handover.objects.get(request=revoked(cast))
    workflow.pass_on(by=cast["requester"], handover=handover, to="requester2")
    return handover.request


def broken_again(cast: Cast) -> ConnectionRequest:
    handover = waiting_for_owner(cast)
    for state in ("connected", "broken"):
        connection_status.record_status(handover.request.connection, {"status": {"setup_state": state}})
    return handover.request


def asks_trust(cast: Cast) -> ConnectionRequest:
    return created(cast, CERTIFICATE)


def approved_trust(cast: Cast) -> ConnectionRequest:
    conn_request = asks_trust(cast)
    approve(conn_request, CERTIFICATE)
    return conn_request


def told_of_trust(cast: Cast) -> ConnectionRequest:
    """Fivetran knows, and the tests have not run since."""
    conn_request = approved_trust(cast)
    conn_request.trusts.update(state=TrustState.SENT, ended_at=Now())
    Connection.objects.filter(request=conn_request).update(tests=SetupTestsState.DUE)
    store_turn(conn_request.pk)
    return conn_request


def rerun_after_trust(cast: Cast) -> ConnectionRequest:
    conn_request = told_of_trust(cast)
    setup_tests.store(conn_request, conn_request.connection, {"setup_tests": failed(None)})
    return conn_request


def asked_change(cast: Cast) -> ConnectionRequest:
    conn_request = connected(cast)
    workflow.ask_for_change(
        by=cast["requester"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Quiet weeks"
    )
    return conn_request


def approved_change(cast: Cast) -> ConnectionRequest:
    conn_request = asked_change(cast)
    [change] = conn_request.changes.all()
    workflow.approve_change(by=cast["approver"], change=change, digest=change.digest)
    return conn_request


def withdrawn_change(cast: Cast) -> ConnectionRequest:
    conn_request = asked_change(cast)
    workflow.withdraw_change(by=cast["requester"], change=conn_request.changes.get())
    return conn_request


def gone(cast: Cast) -> ConnectionRequest:
    conn_request = asks_trust(cast)
    connection_status.mark_deleted(conn_request)
    return conn_request


def forbidden(cast: Cast) -> ConnectionRequest:
    conn_request = factories.request_in(Status.SENDING, cast["requester"], cast["approver"])
    outcome.to_failed(conn_request, "Forbidden", "No", Q())
    return conn_request


def handed_back(cast: Cast) -> ConnectionRequest:
    conn_request = forbidden(cast)
    operations.hand_back(by=cast["operator"], conn_request=conn_request, reason="The key may do it now")
    return conn_request


# How a request came there -> whose turn it is.
CAME: dict[Callable[[Cast], Any], str] = {
    untouched: "source owner",
    connected: "nobody",
    waiting_for_owner: "source owner",
    revoked: "requester",
    given_again: "source owner",
    broken_again: "requester",
    asks_trust: "approver",
    approved_trust: "portal",
    told_of_trust: "portal",
    rerun_after_trust: "source owner",
    asked_change: "approver",
    approved_change: "portal",
    withdrawn_change: "nobody",
    gone: "nobody",
    forbidden: "operator",
    handed_back: "requester",
}
PAGE = {
    "requester": ", the requester",
    "source owner": ", the source owner",
    "approver": "Turn: an approver",
    "portal": "Turn: the portal",
    "operator": "Turn: an operator",
    "nobody": "Turn: nobody",
}


def read_everywhere(as_user: Login, conn_request: ConnectionRequest, turn: str) -> None:
    auditor, admin = as_user("auditor"), as_user("admin")
    assert PAGE[turn] in visible_text(page_of(auditor, conn_request))
    assert f'data-label="Whose turn">{turn}<' in auditor.get("/requests/").content.decode()
    assert re.search(rf'field-whose_turn">{turn}<', admin.get("/admin/connections/connectionrequest/").content.decode())
    lines = b"".join(auditor.get("/requests/export.csv").streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0].endswith(",whose_turn") and lines[1].endswith(f",{turn}")
    mine = as_user("requester").get("/").content.decode().partition("Waiting for you")[2].partition("</section>")[0]
    asked = Handover.objects.live().filter(request=conn_request).exists()
    assert (f"/requests/{conn_request.pk}/" in mine) is (turn in ("requester", "source owner") and not asked)

    listed = re.search(r"/(changes|requests)/\d+/", as_user("approver").get("/approvals/").content.decode())
    assert (listed is not None) is (turn == "approver")
    needed = re.search(r"needs? an operator|API key", as_user("operator").get("/").content.decode())
    assert (needed is not None) is (turn == "operator")


@pytest.mark.parametrize("come", CAME)
def test_every_place_reads_the_stored_turn(as_user: Login, cast: Cast, come: Callable[[Cast], Any]) -> None:
    came = come(cast)
    row = came if isinstance(came, ConnectionRequest) else came.request
    assert factories.stored_turn(row.pk) == CAME[come]
    read_everywhere(as_user, row, CAME[come])


def parts(page: str) -> list[str]:
    return re.findall(r'<section id="([^"]+)"', page)


def test_sections_keep_their_order_whatever_happens_to_a_request(as_user: Login, cast: Cast) -> None:
    orders = set()
    for come in CAME:
        came = come(cast)
        row, reader = came if isinstance(came, ConnectionRequest) else came.request, as_user("requester")
        loaded = parts(page_of(reader, row))
        update = parts(reader.get(f"/requests/{row.pk}/status/").content.decode())
        assert update == [part for part in loaded if part in update], come.__name__
        assert set(loaded) - set(update) == {"asked"}, "only what was asked for stays as it is"
        orders.add(tuple(loaded))
    assert len(orders) == 1


@pytest.mark.parametrize("status", Status)
def test_a_status_is_stored_with_whose_turn_it_is(cast: Cast, status: Status) -> None:
    factories.stored_turn(factories.request_in(status, cast["requester"], cast["approver"]).pk)


def test_while_the_key_is_refused_operators_act_and_nothing_is_stored_of_it(as_user: Login, cast: Cast) -> None:
    conn_request = factories.approved(cast["requester"], cast["approver"])
    read_everywhere(as_user, conn_request, "portal")
    CircuitBreaker.objects.update_or_create(pk=1, defaults={"reason": BreakerReason.AUTH})
    read_everywhere(as_user, conn_request, "operator")
    conn_request.refresh_from_db()
    assert conn_request.turn == "portal"


def test_tests_that_were_given_up_leave_it_to_people(cast: Cast) -> None:
    conn_request = told_of_trust(cast)
    Connection.objects.filter(request=conn_request).update(tests=SetupTestsState.STORED)
    connection_status.record_status(conn_request.connection, {"status": {"setup_state": "broken"}})
    assert factories.stored_turn(conn_request.pk) == "source owner"
    workflow.rerun_tests(by=cast["requester"], conn_request=ConnectionRequest.objects.get(pk=conn_request.pk))
    assert factories.stored_turn(conn_request.pk) == "portal"


@pytest.mark.django_db(transaction=True)
def test_the_migration_finds_the_same(cast: Cast) -> None:
    with transaction.atomic():
        rows = [factories.request_in(status, cast["requester"], cast["approver"]) for status in Status]
        rows += [come(cast) for come in CAME]
    try:
        call_command("migrate", "connections", "0024_circuit_breaker", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    found = with_step(ConnectionRequest.objects.all())
    assert len(found) == len(rows)
    assert [
        f"{conn_request}: {conn_request.turn}"
        for conn_request in found
        if conn_request.turn != step_of(conn_request).owner.value
    ] == []
