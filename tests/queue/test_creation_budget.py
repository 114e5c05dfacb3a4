"""The sweeper enqueues no more than the budget of creations has room for."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connections.models import CircuitBreaker, ConnectionRequest
from connections.queue import circuit_breaker
from connections.states import Status
from connections.worker import submit, sweep
from connections.worker.create import MAX_ATTEMPTS
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_backlog_beyond_the_budget_is_not_rung(settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 1, 60
    rows = [factories.approved() for _ in range(5)]
    assert sweep().submit == [
        conn_request.pk for conn_request in rows[:3]
    ]  # two periods of one a minute, and the place that is free now


def test_a_spent_budget_leaves_fewer_places_and_no_limit_leaves_all(settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 60, 10
    assert circuit_breaker.permits(500) == 21
    CircuitBreaker.objects.filter(pk=1).update(next_slot_at=timezone.now() + timedelta(seconds=9.5))
    assert circuit_breaker.permits(500) == 11
    assert circuit_breaker.permits(5) == 5
    settings.CREATIONS_PER_MINUTE = 0
    assert circuit_breaker.permits(500) == 500


def test_a_place_that_is_given_back_is_free_for_another(settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 1, 0
    place = circuit_breaker.acquire()
    assert place.taken
    refused = circuit_breaker.acquire()
    assert not refused.taken and refused.wait_until is not None
    circuit_breaker.release(place)
    assert circuit_breaker.acquire().taken


def test_a_row_that_is_not_claimed_costs_no_place(settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 1, 0
    conn_request = factories.approved()
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(attempts_used=MAX_ATTEMPTS)
    submit(conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.state is Status.ATTENTION
    assert circuit_breaker.acquire().taken
