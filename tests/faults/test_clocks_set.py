"""Clocks that are set while everything runs: the worker's host, the scheduler's, the database's. With libfaketime."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import connection
from django.db.models.functions import Now

from connections.models import ConnectionRequest, Heartbeat
from connections.states import Status
from tests import processes
from tests.conftest import missing
from tests.faults.conftest import exactly_one, fresh, moved_to, settles, status
from tests.processes import until
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
Start = Callable[..., None]
pytestmark = pytest.mark.slow
MINUTE = 60.0  # in which everything goes on
ON_SQLITE = connection.vendor == "sqlite"


@pytest.fixture
def clock() -> Iterator[processes.Clock]:
    """The clock that the test sets."""
    with ExitStack() as stack:
        try:
            mine = stack.enter_context(processes.clock())
        except processes.Missing as reason:
            missing(str(reason))
        yield mine


@pytest.fixture
def host() -> str:
    """Whose clock it is."""
    return "database"


@pytest.fixture
def database_url(transactional_db: None, clock: processes.Clock, host: str) -> Iterator[str]:
    """The test's database; where its clock is set, on a server of its own. SQLite has its worker's clock."""
    place = connection.settings_dict
    if ON_SQLITE:
        yield f"sqlite:///{place['NAME']}"
    elif host != "database":
        yield f"postgresql://{place['USER']}@/{place['HOST']}/{place['NAME']}"
    else:
        with processes.postgres(environment=clock.environment) as url, moved_to(url):
            yield url


@pytest.fixture
def start(
    environment: dict[str, str], live_broker: str, clock: processes.Clock, host: str
) -> Iterator[Callable[..., None]]:
    """`start()` starts a worker and a scheduler and returns when the worker has heard of both; without old messages."""
    with ExitStack() as stack:

        def start(**changes: str) -> None:
            env = {**environment, **changes}
            set_ = {**env, **clock.environment}
            with redis.Redis.from_url(live_broker) as broker:
                broker.flushall()
            stack.enter_context(processes.scheduler(set_ if host == "scheduler" else env))
            set_there = host == "worker" or (ON_SQLITE and host == "database")
            stack.enter_context(processes.worker(set_ if set_there else env))
            until(lambda: Heartbeat.objects.count() == 2, MINUTE)
            sweeps(3)

        yield start


def _is_the_databases(host: str) -> bool:
    """Whether it is the clock that the rows are by: SQLite has that of the process which asks."""
    return host == "database" or (ON_SQLITE and host == "worker")


def sweeps(count: int) -> None:
    """Wait until the sweeper ran `count` times more."""
    for _ in range(count):
        before = _heard()
        until(lambda before=before: _heard() != before, MINUTE)  # type: ignore[misc]


def _heard() -> list[Any]:
    return list(Heartbeat.objects.order_by("process").values_list("at", flat=True))


@pytest.mark.parametrize("days", [-2, 2])
@pytest.mark.parametrize("host", ["scheduler", "worker", "database"])
def test_what_waits_is_sent_within_a_minute(
    database_url: str, fivetran: Fivetran, approve: Approve, start: Start, clock: processes.Clock, host: str, days: int
) -> None:
    """Faults 59 and 60: only the sweeper finds it, where it waits by a clock that is not right any more, or soon."""
    conn_request = approve("clock_was_set")
    waiting = ConnectionRequest.objects.filter(pk=conn_request.pk, status=Status.APPROVED)
    assert waiting.update(next_try_at=Now() + timedelta(minutes=10)) == 1
    start(PROBE_SECONDS="60")  # so that ten minutes are no longer than a request may wait
    clock.set(timedelta(days=days))
    if not _is_the_databases(host):
        assert waiting.update(next_try_at=Now() + timedelta(seconds=5)) == 1
    settles(conn_request, patience=MINUTE)
    sweeps(2)
    assert ON_SQLITE or Heartbeat.objects.silent() == set()
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1


@pytest.mark.everywhere
@pytest.mark.parametrize("days", [-1, 1])
def test_a_call_under_way_has_its_whole_time(
    database_url: str, fivetran: Fivetran, approve: Approve, start: Start, clock: processes.Clock, days: int
) -> None:
    """Fault 60: the sweeper goes on, and takes no sender for dead that is at work."""
    conn_request = approve("under_way")
    fivetran.hold("effect")
    start(SUBMIT_DEADLINE="300", SUBMIT_READ_TIMEOUT="290")
    until(fivetran.holding, MINUTE)
    clock.set(timedelta(days=days))
    sweeps(3)
    assert status(conn_request) is Status.SENDING
    fivetran.release()
    settles(conn_request, patience=MINUTE)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1 and not fresh(conn_request).unknown_at


@pytest.mark.parametrize("days", [-1, 1])
def test_an_effect_has_its_whole_time_to_show(
    database_url: str, fivetran: Fivetran, approve: Approve, start: Start, clock: processes.Clock, days: int
) -> None:
    """Fault 60: a day that only the clock saw is none in which the connection could have appeared."""
    conn_request = approve("late_by_the_clock")
    fivetran.hold("body")
    start(SUBMIT_DEADLINE="3", SUBMIT_READ_TIMEOUT="2", SETTLE_SECONDS="30")
    settles(conn_request, as_=Status.UNKNOWN, patience=MINUTE)
    clock.set(timedelta(days=days))
    until(lambda: len(fivetran.posts()) > 1 or fresh(conn_request).lookups >= 3, MINUTE)
    fivetran.release()
    settles(conn_request, patience=MINUTE)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1
