"""PostgreSQL, the broker and Fivetran, each away for longer than pauses need to grow: all is back within seconds.

With real clocks, since shorter outages would prove nothing about pauses that double: one test of some three minutes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from connections.models import ConnectionRequest
from tests import processes
from tests.conftest import missing
from tests.faults.broker import Broker, own_broker
from tests.faults.conftest import exactly_one, on_postgresql, settles
from tests.processes import seconds, until
from tests.stand_in import Fivetran

AWAY = 75.0
BACK = 5.0
WORK = 5.0  # seconds that a busy machine may take for what begins within BACK
pytestmark = [pytest.mark.slow, pytest.mark.workers]


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that the test may end."""
    try:
        processes.pgbouncer_program()
        with own_broker() as broker:
            yield broker
    except processes.Missing as reason:
        missing(str(reason))


@pytest.fixture
def broker_url(broker: Broker) -> str:
    """Everything in this file speaks to that one."""
    return broker.url


@on_postgresql
def test_whatever_was_away_is_missed_no_longer_than_it_was(
    fivetran: Fivetran,
    approve: Callable[..., ConnectionRequest],
    portal_environment: dict[str, str],
    database_url: str,
    broker: Broker,
    sandbox: processes.Sandbox,
) -> None:
    """The portal reaches its database through a pooler of its own, which is what goes away and comes back."""
    took: dict[str, float] = {}
    port = processes.free_port()
    with ExitStack() as stack:
        pooler = stack.enter_context(ExitStack())
        url = pooler.enter_context(processes.pgbouncer(database_url, port=port))
        # The sweeper's own period is no help: what comes back has to be noticed by itself.
        environment = {**portal_environment, "DATABASE_URL": url, "SWEEP_INTERVAL": "60", "PROBE_SECONDS": "30"}
        stack.enter_context(processes.scheduler(environment))
        stack.enter_context(processes.worker(environment))
        site = stack.enter_context(processes.web(environment))
        settles(approve("before"))

        sandbox.process.kill()
        while_fivetran = approve("while_fivetran_is_away")
        time.sleep(AWAY)  # the fault's own length
        stack.enter_context(processes.sandbox(int(sandbox.url.rpartition(":")[2]), state=sandbox.state))
        fivetran.settings(test_seconds=0, unique_names=False)
        took["Fivetran"] = seconds(lambda: settles(while_fivetran))

        broker.kill()
        pooler.close()
        while_both = approve("while_both_are_away")
        asked = time.monotonic()
        while time.monotonic() < asked + AWAY:
            assert not _is_ready(site)
            time.sleep(1)  # people go on asking, as they do
        pooler.enter_context(processes.pgbouncer(database_url, port=port))
        took["the database"] = seconds(lambda: until(lambda: _is_ready(site)))
        broker.start()
        took["the broker"] = seconds(lambda: settles(while_both))
        exactly_one(fivetran, while_fivetran, while_both)
    assert max(took.values()) < BACK + WORK, took


def _is_ready(site: str) -> bool:
    return processes.status_of(f"{site}/readyz") == 200
