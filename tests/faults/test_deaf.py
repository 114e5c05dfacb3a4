"""A worker that hears nothing any more although the broker answers: it ends by itself, whatever its calls do."""

from collections.abc import Callable

import pytest

from connections.models import ConnectionRequest
from portal.consumer import DEAF, DEAF_SECONDS
from tests.faults.broker import Broker
from tests.faults.conftest import exactly_one, settles
from tests.processes import Process, until
from tests.sandbox_client import Fivetran

pytestmark = pytest.mark.slow
MINUTE = 60.0


@pytest.fixture
def broker_url(broker: Broker) -> str:
    """Everything in this file speaks to that one."""
    return broker.url


def test_a_failover_ends_the_worker_though_a_call_of_its_runs(
    fivetran: Fivetran, approve: Callable[..., ConnectionRequest], machinery: Callable[..., Process], broker: Broker
) -> None:
    """A replica answers and takes nothing, so the consumer fails; its end waits for the call."""
    worker = machinery(scheduled=False, SUBMIT_READ_TIMEOUT="300", SUBMIT_DEADLINE="300")
    fivetran.hold("effect")
    held = approve("held")
    until(fivetran.holding)
    broker.call("REPLICAOF", "127.0.0.1", "1")
    until(lambda: worker.popen.poll() is not None, DEAF_SECONDS + MINUTE)
    assert worker.popen.returncode == DEAF, worker.log.read_text()[-2000:]
    broker.call("REPLICAOF", "NO", "ONE")
    fivetran.release()
    ConnectionRequest.objects.filter(pk=held.pk).update(deadline_at=held.approved_at)  # as after its 330 seconds
    machinery()
    settles(held)
    exactly_one(fivetran, held)
