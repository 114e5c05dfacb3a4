"""PostgreSQL, the broker and Fivetran, each away for longer than pauses need to grow: all is back within seconds.

With real clocks, since shorter outages would prove nothing about pauses that double: one test of some three minutes.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from connections.models import ConnectionRequest
from tests import processes
from tests.faults.broker import Broker
from tests.faults.conftest import exactly_one, on_postgresql, reconnected, settles
from tests.processes import seconds, until
from tests.sandbox_client import Fivetran

AWAY = 75.0
BACK = 5.0
pytestmark = [pytest.mark.slow, pytest.mark.workers]


@pytest.fixture
def broker_url(broker: Broker) -> str:
    """Everything in this file speaks to that one."""
    return broker.url


@pytest.fixture
def database_url(server: processes.PostgresServer) -> str:
    """Everything in this file speaks to that one."""
    return server.url


@on_postgresql
def test_whatever_was_away_is_missed_no_longer_than_it_was(
    server: processes.PostgresServer,
    fivetran: Fivetran,
    approve: Callable[..., ConnectionRequest],
    portal_environment: dict[str, str],
    broker: Broker,
    sandbox: processes.Sandbox,
) -> None:
    took: dict[str, float] = {}
    with ExitStack() as stack:
        # The sweeper's own period is no help: what comes back has to be noticed by itself.
        environment = {**portal_environment, "SWEEP_INTERVAL": "60", "PROBE_SECONDS": "30"}
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
        while_both = approve("while_both_are_away")
        server.stop()
        asked = time.monotonic()
        while time.monotonic() < asked + AWAY:
            assert not _is_ready(site)
            time.sleep(1)  # people go on asking, as they do
        server.start()
        took["the database"] = seconds(lambda: until(lambda: _is_ready(site)))
        until(reconnected)
        broker.start()
        took["the broker"] = seconds(lambda: settles(while_both))
        exactly_one(fivetran, while_fivetran, while_both)
    assert max(took.values()) < BACK, took


def _is_ready(site: str) -> bool:
    return processes.status_of(f"{site}/readyz") == 200
