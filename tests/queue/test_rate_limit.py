"""Fivetran's own account of its rate limit: read from every answer, kept on the breaker, and obeyed before a 429."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections import worker
from connections.fivetran import configured, rate_limit
from connections.models import CircuitBreaker, ConnectionRequest, Pace
from connections.queue import circuit_breaker, rate_budget
from connections.queue.job import Needs
from connections.states import Status
from tests import factories
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]


def fresh(conn_request: ConnectionRequest) -> ConnectionRequest:
    """The row as it is now."""
    return ConnectionRequest.objects.get(pk=conn_request.pk)


def read(fivetran: Fivetran, remaining: int, limit: int = 20_000) -> CircuitBreaker:
    """The circuit breaker's row once an answer said so."""
    fivetran.settings(hourly_limit=limit, hourly_remaining=remaining)
    configured.client().probe()
    rate_budget.record_rate_limit(circuit_breaker.current())
    return circuit_breaker.current()


@pytest.mark.parametrize(
    ("remaining", "pace"),
    [
        (20_000, Pace.FREE),
        (2_000, Pace.FREE),
        (1_999, Pace.SPREAD),
        (400, Pace.SPREAD),
        (399, Pace.LOOK_UPS),
        (0, Pace.LOOK_UPS),
    ],
)
def test_what_is_left_decides_the_pace(fivetran: Fivetran, remaining: int, pace: Pace) -> None:
    row = read(fivetran, remaining)
    assert (row.rate_limit, row.rate_remaining, row.pace) == (20_000, remaining, pace)


def test_the_rest_is_spread_over_the_hour(fivetran: Fivetran, settings: Any) -> None:
    settings.SWEEP_INTERVAL = 30
    assert all(rate_budget.acquire().taken for _ in range(60))  # CREATIONS_PER_MINUTE is off
    read(fivetran, 900)
    taken = 0
    while rate_budget.acquire().taken:
        taken += 1
    # An hour has places for 300 creations of three calls: one each 12 s, of which those of two sweeps go at once.
    assert taken == 6 and rate_budget.permits(500) <= 1
    assert rate_budget.acquire().wait_until is not None


def test_the_last_calls_are_for_look_ups(fivetran: Fivetran, approve: Approve) -> None:
    unclear, waiting = approve("lost_one"), approve("sheets_waits")
    worker.run("submit", unclear.pk)
    assert fresh(unclear).state is Status.UNKNOWN
    read(fivetran, 100)
    worker.run("submit", waiting.pk)
    assert fresh(waiting).state is Status.APPROVED
    due = worker.sweep()
    allowed = [circuit_breaker.allows(needs) for needs in (Needs.CHANGING, Needs.CALLING)]
    assert (due["submit"], due["reconcile"], *allowed) == (
        [],
        [unclear.pk],
        False,
        True,
    )
    worker.run("reconcile", unclear.pk)
    assert fresh(unclear).state is Status.CREATED
    read(fivetran, 15_000)
    ConnectionRequest.objects.filter(pk=waiting.pk).update(next_try_at=fresh(waiting).status_since)
    worker.run("submit", waiting.pk)
    assert fresh(waiting).state is Status.CREATED


def test_nothing_is_written_while_little_changes(fivetran: Fivetran) -> None:
    read(fivetran, 15_000)
    with CaptureQueriesContext(connection) as captured:
        read(fivetran, 14_900)
    assert not [query for query in captured.captured_queries if query["sql"].startswith("UPDATE")]
    assert read(fivetran, 14_000).rate_remaining == 14_000


@pytest.mark.parametrize(
    "said",
    [("", ""), ("20000", ""), ("many", "1"), ("0", "0"), ("10", "11"), ("9" * 30, "1"), ("10", "-1"), ("²", "1")],
)
def test_what_is_no_number_is_not_believed(said: tuple[str, str]) -> None:
    rate_limit.note("https://nowhere.example", {"X-Rate-Limit": said[0], "X-Rate-Limit-Remaining": said[1]})
    assert rate_limit.latest("https://nowhere.example") is None


def test_operators_read_it(fivetran: Fivetran, client: Client) -> None:
    read(fivetran, 1_234)
    client.force_login(factories.person("operator"))
    page = " ".join(client.get("/operations/").content.decode().split())
    assert "1,234 of 20,000 calls an hour are left" in page and "spread over the hour" in page
