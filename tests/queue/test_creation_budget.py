"""The sweeper enqueues no more than the budget of creations has room for."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connections import worker
from connections.models import CircuitBreaker, ConnectionRequest
from connections.queue import rate_budget
from connections.queue.retry import MAX_ATTEMPTS
from connections.states import Status
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_backlog_beyond_the_budget_is_not_rung(settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 1, 60
    rows = [factories.approved() for _ in range(5)]
    assert worker.sweep()["submit"] == [
        conn_request.pk for conn_request in rows[:3]
    ]  # two periods of one a minute, and the place that is free now


def test_a_spent_budget_leaves_fewer_places_and_no_limit_leaves_all(settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 60, 10
    assert rate_budget.permits(500) == 21
    CircuitBreaker.objects.filter(pk=1).update(next_slot_at=timezone.now() + timedelta(seconds=9.5))
    assert rate_budget.permits(500) == 11
    assert rate_budget.permits(5) == 5
    settings.CREATIONS_PER_MINUTE = 0
    assert rate_budget.permits(500) == 500


def test_a_place_that_is_given_back_is_free_for_another(settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 1, 0
    place = rate_budget.acquire()
    assert place.taken
    refused = rate_budget.acquire()
    assert not refused.taken and refused.wait_until is not None
    rate_budget.release(place)
    assert rate_budget.acquire().taken


def test_a_row_that_is_not_claimed_costs_no_place(settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 1, 0
    conn_request = factories.approved()
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(attempts_used=MAX_ATTEMPTS)
    worker.run("submit", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.state is Status.ATTENTION
    assert rate_budget.acquire().taken
