"""The sweeper rings for no more than the budget of creations has room for."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connections.models import ApiGate
from connections.provisioning import gate, sweep
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_backlog_beyond_the_budget_is_not_rung(settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 1, 60
    rows = [factories.approved() for _ in range(5)]
    assert sweep().submit == [row.pk for row in rows[:3]]  # two periods of one a minute, and the place that is free now


def test_a_spent_budget_leaves_fewer_places_and_no_limit_leaves_all(settings: Any) -> None:
    settings.CREATIONS_PER_MINUTE, settings.SWEEP_INTERVAL = 60, 10
    assert gate.places(500) == 21
    ApiGate.objects.filter(pk=1).update(next_slot_at=timezone.now() + timedelta(seconds=10))
    assert gate.places(500) == 11
    assert gate.places(5) == 5
    settings.CREATIONS_PER_MINUTE = 0
    assert gate.places(500) == 500
