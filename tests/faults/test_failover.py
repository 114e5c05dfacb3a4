"""The broker replaced by its replica, and PostgreSQL restarted, while many requests are under way at two workers."""

from collections.abc import Callable, Iterator

import pytest

from connections.models import ConnectionRequest
from tests import processes
from tests.conftest import missing
from tests.faults.broker import Broker, own_broker
from tests.faults.conftest import exactly_one, on_postgresql, reconnected, settles
from tests.processes import Process, until
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
Machinery = Callable[..., Process]
COUNT = 30
pytestmark = [pytest.mark.slow, on_postgresql]


@pytest.fixture
def database_url(server: processes.PostgresServer) -> str:
    """Everything in this file speaks to that one, which the test may end."""
    return server.url


@pytest.fixture
def broker_url(broker: Broker) -> str:
    """Everything in this file speaks to that one."""
    return broker.url


@pytest.fixture
def replica(broker: Broker) -> Iterator[Broker]:
    """A second server that has all that the first one has."""
    try:
        with own_broker() as replica:
            replica.follow(broker)
            yield replica
    except processes.Missing as reason:
        missing(str(reason))


def under_way(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> list[ConnectionRequest]:
    """Requests of which some are created, some are being sent, and some wait."""
    fivetran.settings(create_seconds=0.5)
    workers = [machinery(), machinery()]
    requests = [approve(f"under_way_{n}") for n in range(COUNT)]
    until(lambda: len(fivetran.connections()) >= 6)
    assert len(fivetran.posts()) < COUNT and all(worker.popen.poll() is None for worker in workers)
    return requests


def test_a_replica_takes_the_brokers_place(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, broker: Broker, replica: Broker
) -> None:
    """Fault 69: what was not replicated yet comes twice or never; the workers go on where they are."""
    requests = under_way(fivetran, approve, machinery)
    broker.kill()
    replica.take_over(broker)
    later = approve("after_the_failover")
    settles(*requests, later)
    exactly_one(fivetran, *requests, later)
    assert len(fivetran.posts()) == COUNT + 1


@pytest.mark.parametrize("how", ["fast", "immediate", "killed"])
def test_the_database_is_restarted(
    server: processes.PostgresServer, fivetran: Fivetran, approve: Approve, machinery: Machinery, how: str
) -> None:
    """Fault 70: planned, and by a crash; no answer that was on its way is lost, so nothing is sent twice."""
    requests = under_way(fivetran, approve, machinery)
    server.kill() if how == "killed" else server.stop(how)
    server.start()
    until(reconnected)
    settles(*requests)
    exactly_one(fivetran, *requests)
    assert len(fivetran.posts()) == COUNT
