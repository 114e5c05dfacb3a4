"""What Fivetran answers, or does not: late, limited, unauthorized, endless, hostile."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connections import permissions, worker
from connections.demo import environment
from connections.models import BreakerReason, CircuitBreaker, ConnectionRequest, Event, EventKind, SetupTest
from connections.models.connection import MAX_MESSAGE, MAX_TESTS
from connections.permissions.rights import as_boolean
from connections.queue import circuit_breaker
from connections.states import Status
from tests.faults.conftest import CLOCKS, IMPATIENT, exactly_one, fresh, none_there, settles, status
from tests.processes import Process, until
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
Machinery = Callable[..., Process]


@pytest.fixture
def clocks(settings: Any) -> Any:
    """The short clocks in this process too, where a test sends by itself."""
    for name, value in CLOCKS.items():
        setattr(settings, name, float(value))
    settings.CREATIONS_PER_MINUTE = 0
    return settings


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1, 5])
def test_an_effect_that_comes_after_the_timeout(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, seconds: float
) -> None:
    """Fault 37: soon, and late in the settle time but for what a busy machine needs; found, and not sent again."""
    fivetran.settings(late_seconds=seconds)
    machinery(SETTLE_SECONDS="8", **IMPATIENT)
    conn_request = approve("late_effect")
    settles(conn_request)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1 and fresh(conn_request).connection.adopted


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["lost", "lost_before", "error", "error_after", "html", "cut", "drip", "reset"])
def test_unclear_answers_with_and_without_effect(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, prefix: str
) -> None:
    """Faults 36, 40, 41, 42, 43, with real workers: sent again only where nothing came of it."""
    fivetran.settings(drip_seconds=0.4)
    machinery(**IMPATIENT)
    conn_request = approve(f"{prefix}_answer")
    settles(conn_request)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == (2 if prefix in ("lost_before", "error") else 1)
    notes = " ".join(conn_request.attempts.values_list("message", flat=True))
    assert "<" not in notes and "html" not in notes.lower()


def _in(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


RETRY_AFTER = {
    "a second": ("1", 1, 1.2),
    "an hour": ("3600", 3600, 3961),
    "a date": (lambda: _in(60), 55, 68),
    "none": (None, 30, 33.1),
    "abc": ("abc", 30, 33.1),
    "negative": ("-5", 1, 1.2),
    "endless": ("1000000000000", 7200, 7921),
}


@pytest.mark.parametrize("case", RETRY_AFTER)
def test_asked_to_wait(fivetran: Fivetran, approve: Approve, clocks: Any, case: str) -> None:
    """Fault 38: the breaker opens for as long as was asked, within bounds; no attempt is burnt and no worker sleeps."""
    clocks.PROBE_SECONDS = 30
    value, least, most = RETRY_AFTER[case]
    said = value() if callable(value) else value
    headers = {} if said is None else {"Retry-After": str(said)}
    body = {"code": "TooManyRequests", "message": "Too many"}
    fivetran.next({"path": "/v1/connections", "status": 429, "headers": headers, "body": body})
    conn_request = approve("asked_to_wait")
    before = timezone.now()
    started = time.monotonic()
    worker.run("submit", conn_request.pk)
    assert time.monotonic() - started < 20  # far less than most of the waits that were asked for
    row = circuit_breaker.current()
    assert row.reason == BreakerReason.RATE_LIMITED
    # However long this process stalls on the way: at least from before the call, and at most from now.
    assert CircuitBreaker.objects.filter(not_before__gt=before + timedelta(seconds=least - 1)).exists()
    assert CircuitBreaker.objects.filter(not_before__lt=Now() + timedelta(seconds=most + 1)).exists()
    assert (fresh(conn_request).state, fresh(conn_request).attempts_used) == (Status.APPROVED, 0)
    none_there(fivetran, conn_request)


@pytest.mark.slow
def test_a_storm_of_429(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    """Fault 39: five a window allowed, twenty waiting: nobody is overtaken, no attempt burnt, few refusals."""
    window = 4.0
    fivetran.settings(create_limit_per_minute=5, rate_window_seconds=window)
    requests = [approve(f"storm_{n:02}") for n in range(20)]
    threads = 2
    machinery(concurrency=threads, PROBE_SECONDS="10")  # nobody has to ask: Fivetran says how long to wait
    settles(*requests)
    exactly_one(fivetran, *requests)
    posts = fivetran.posts()
    moments = [datetime.fromisoformat(post["time"]).timestamp() for post in posts]
    refused = [moment for moment, post in zip(moments, posts, strict=True) if post["status"] == 429]
    # A refusal is a second of silence at least, but for the calls that the other threads had begun.
    assert refused and all(sum(0 < m - moment < 0.9 for m in moments) < threads for moment in refused)
    assert len(refused) <= threads * ((moments[-1] - moments[0]) / window + 1)
    assert [fresh(conn_request).attempts_used for conn_request in requests] == [1] * 20
    assert _overtaken() < threads


def _overtaken() -> int:
    """The most requests that ever waited, approved, while one that was approved after them was taken."""
    waiting: set[int] = set()
    most = 0
    for moved, to in Event.objects.filter(kind=EventKind.MOVED).order_by("id").values_list("request_id", "target"):
        if to == Status.APPROVED:
            waiting.add(moved)
        elif to == Status.CLAIMED:
            waiting.discard(moved)
            most = max(most, sum(other < moved for other in waiting))
    return most


@pytest.mark.slow
def test_the_key_is_refused_in_the_middle_and_replaced(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, tmp_path: Path
) -> None:
    """Faults 49 and 50: a running call ends by its own answer, the queue stops, nothing fails, the new key goes on."""
    secret = tmp_path / "secret"
    secret.write_text(environment.SANDBOX_SECRET)
    requests = [approve(f"rotated_{n:02}") for n in range(20)]
    fivetran.hold("effect")
    machinery(FIVETRAN_API_SECRET_FILE=str(secret))
    until(fivetran.holding)
    fivetran.settings(secret="rotated-secret")
    fivetran.release()
    until(lambda: CircuitBreaker.objects.filter(reason=BreakerReason.AUTH).exists())
    until(lambda: not ConnectionRequest.objects.filter(status__in=[Status.CLAIMED, Status.SENDING]).exists())
    done = len(fivetran.connections())
    assert 0 < done <= 4 and [status(r) for r in requests].count(Status.CREATED) == done
    refused = [post for post in fivetran.posts() if post["status"] == 401]
    assert len(refused) <= 4 and not ConnectionRequest.objects.filter(status=Status.FAILED).exists()
    secret.write_text("rotated-secret")
    settles(*requests)
    exactly_one(fivetran, *requests)


def test_the_group_was_deleted(fivetran: Fivetran, approve: Approve, clocks: Any) -> None:
    """Fault 51: the refusal names the group, and the requester may clone."""
    conn_request = approve("gone_group")
    worker.run("submit", conn_request.pk)
    conn_request = fresh(conn_request)
    assert conn_request.state is Status.FAILED and conn_request.group_id in conn_request.failure_message
    assert as_boolean(permissions.check_can_clone)(conn_request.requester, conn_request)
    none_there(fivetran, conn_request)


def test_setup_tests_without_measure(fivetran: Fivetran, approve: Approve, clocks: Any) -> None:
    """Fault 55: 5,000 tests, a message of 500 KB, unknown statuses, markup; stored, cut, escaped."""
    script = "<script>alert(1)</script>"
    odd = {
        "title": script,
        "status": "PENDING_REVIEW",
        "message": script + "x" * 500_000,
        "details": [1, {"a": script}],
    }
    many = [{"title": f"t{n}", "status": "PASSED"} for n in range(5_000)]
    conn_request = approve("measureless")
    data = {
        "id": "measureless_id",
        "service": conn_request.service,
        "schema": conn_request.schema,
        "group_id": conn_request.group_id,
        "status": {"setup_state": "brand_new"},
        "setup_tests": [odd, *many],
    }
    fivetran.next({"path": "/v1/connections", "status": 201, "body": {"code": "Success", "data": data}})
    worker.run("submit", conn_request.pk)
    conn_request = fresh(conn_request)
    assert conn_request.state is Status.CREATED
    run = conn_request.connection.runs.get()
    stored = list(SetupTest.objects.filter(run=run))
    assert len(stored) == MAX_TESTS and run.left_out == 5_001 - MAX_TESTS
    assert len(stored[0].message) == MAX_MESSAGE and stored[0].status == "PENDING_REVIEW"
    client = Client()
    client.force_login(conn_request.requester)
    page = client.get(reverse("connections:request", args=[conn_request.pk])).content.decode()
    assert script not in page and "&lt;script&gt;alert(1)" in page


@pytest.mark.slow
def test_a_run_of_tests_rung_twice(fivetran: Fivetran, approve: Approve, clocks: Any) -> None:
    """Fault 56: two messages are one run; a run that was asked for later is kept beside the first."""
    from connections import workflow

    conn_request = approve("tests_twice")
    worker.run("submit", conn_request.pk)
    conn_request = fresh(conn_request)
    workflow.rerun_tests(by=conn_request.requester, conn_request=conn_request)
    for _ in range(2):
        worker.run("run_tests", conn_request.pk)
    assert conn_request.connection.runs.count() == 2
    exactly_one(fivetran, conn_request)
