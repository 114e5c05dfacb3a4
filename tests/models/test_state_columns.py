"""Every move of every machine by every actor, tried on a row: what the table lacks changes nothing."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Model
from django.db.models.functions import Now

from connections.models import CircuitBreaker, Connection, Handover, IllegalTransition, Trust, move
from connections.states import BREAKER, HANDOVER, SETUP_TESTS, TRUST, Actor, HandoverState, Machine, Status
from tests import factories

pytestmark = pytest.mark.django_db


def handover() -> Model:
    return Handover.objects.create(request=factories.request_in(Status.CREATED), address="olga@example.org")


def trust() -> Model:
    conn_request = factories.request_in(Status.CREATED)
    return Trust.objects.create(
        request=conn_request,
        requester=conn_request.requester,
        approved_by=factories.person("approver"),
        token=uuid.uuid4(),
        lease_until=Now(),
    )


def setup_tests() -> Model:
    return Connection.objects.get(request=factories.request_in(Status.CREATED))


def breaker() -> Model:
    return CircuitBreaker.objects.create(pk=1)


@pytest.mark.parametrize(
    ("machine", "made"), [(HANDOVER, handover), (TRUST, trust), (SETUP_TESTS, setup_tests), (BREAKER, breaker)]
)
def test_only_legal_moves_are_made(machine: Machine[Any], made: Callable[[], Model]) -> None:
    row = made()
    rows: Any = type(row)._default_manager.filter(pk=row.pk)
    for actor in Actor:
        for target in machine.states:
            for source in machine.states:
                rows.update(**{machine.column: source})
                found = machine.find(source, target)
                allowed = found is not None and actor in found.actors
                try:
                    moved = move(rows, target, actor=actor)
                except IllegalTransition:
                    moved = 0
                row.refresh_from_db()
                expected = (1, target) if allowed else (0, source)
                assert (moved, getattr(row, machine.column)) == expected, f"{actor}: {source} to {target}"


def test_a_move_that_nobody_of_that_role_makes_is_said() -> None:
    with pytest.raises(IllegalTransition, match="worker cannot move any handover to revoked"):
        move(Handover.objects.all(), HandoverState.REVOKED, actor=Actor.WORKER)


def test_the_event_is_written_with_the_move_or_not_at_all() -> None:
    rows = Handover.objects.filter(pk=handover().pk)
    written: list[str] = []

    def event() -> None:
        written.append("event")
        raise ZeroDivisionError

    assert move(rows, HandoverState.RETURNED, actor=Actor.SOURCE_OWNER, event=event) == 0
    assert written == []
    with pytest.raises(ZeroDivisionError):
        move(rows, HandoverState.OPEN, actor=Actor.SOURCE_OWNER, event=event)
    assert written == ["event"]
