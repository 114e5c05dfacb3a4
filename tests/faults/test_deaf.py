"""A worker that hears nothing any more although the broker answers: it comes back, or it ends to be started again."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from connections.models import ConnectionRequest
from portal.consumer import DEAF
from tests.faults.broker import Broker
from tests.faults.conftest import exactly_one, settles
from tests.processes import Process, until
from tests.sandbox_client import Fivetran

pytestmark = pytest.mark.slow


@pytest.fixture
def broker_url(broker: Broker) -> str:
    """Everything in this file speaks to that one."""
    return broker.url


def test_a_demoted_broker_is_left_until_it_takes_messages_again(
    fivetran: Fivetran, approve: Callable[..., ConnectionRequest], machinery: Callable[..., Process], broker: Broker
) -> None:
    """A replica answers and takes nothing (READONLY): the call goes on meanwhile, and the worker needs no restart."""
    worker = machinery(SUBMIT_READ_TIMEOUT="300", SUBMIT_DEADLINE="300")
    fivetran.hold("effect")
    held = approve("held")
    until(fivetran.holding)
    broker.call("REPLICAOF", "127.0.0.1", "1")
    until(lambda: "read only replica" in worker.log.read_text())  # the consumer has failed, and tries again
    fivetran.release()
    settles(held)
    broker.call("REPLICAOF", "NO", "ONE")
    after = approve("after")
    settles(after)
    exactly_one(fivetran, held, after)
    assert worker.popen.poll() is None


@pytest.mark.parametrize(("answers", "ends"), [("True", True), ("False", False)])
def test_a_loop_without_a_sign_of_life_ends_the_process(answers: str, ends: bool) -> None:
    """Beside a broker that answers; while none does, a restart would mend nothing."""
    watch = f"""
import os, threading
os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
from portal import consumer
consumer.HEARTBEAT, consumer.DEAF_SECONDS = 0.05, 0.5
consumer.broker.answers = lambda seconds: {answers}
threading.Timer(5, os._exit, [0]).start()
consumer._watch()
"""
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == (DEAF if ends else 0), done.stderr
