"""The broker killed, emptied, hung, full and locked: approvals are saved at once, and everything is sent in the end."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from connections import tasks
from connections.models import ConnectionRequest
from connections.states import Status
from tests import factories
from tests.faults.broker import Broker
from tests.faults.conftest import CANARIES, exactly_one, settles, status
from tests.processes import Process, quickest, seconds, until
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
Machinery = Callable[..., Process]
AT_ONCE = 1.0  # seconds in which the click on Approve is answered, whatever the broker does
pytestmark = pytest.mark.slow


@pytest.fixture
def broker_url(broker: Broker) -> str:
    """Everything in this file speaks to that one."""
    return broker.url


@pytest.fixture
def click(group: str, live_broker: str) -> "Click":
    """`click("name")` approves by the button; returns what was approved, and the seconds that the page took.

    One request, or up to three until one is approved `AT_ONCE`: a busy machine stalls one click, and not each.
    """
    approver: User = factories.person("approver")
    client = Client()
    client.force_login(approver)
    until(lambda: tasks.enqueue("notify"))  # a message of this process was enqueued before: their code is loaded

    def approve(schema: str) -> tuple[list[ConnectionRequest], float]:
        clicked: list[ConnectionRequest] = []

        def once() -> float:
            name = f"{schema}_{len(clicked)}"
            conn_request = factories.submitted(group_id=group, config__schema=name, config__table="t")
            clicked.append(conn_request)
            page = reverse("connections:request", args=[conn_request.pk])
            assert client.get(page).status_code == 200  # whoever clicks has read it; and the views' code is loaded
            url = reverse("connections:approve", args=[conn_request.pk])
            took = seconds(lambda: client.post(url, {"digest": conn_request.digest}))
            assert status(conn_request) is Status.APPROVED
            return took

        took = quickest(once, AT_ONCE)
        return clicked, took

    return approve


Click = Callable[[str], tuple[list[ConnectionRequest], float]]


def test_a_hundred_messages_lost_with_the_broker(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, broker: Broker
) -> None:
    """Fault 12: killed without persistence while a hundred approved requests wait."""
    requests = [approve(f"lost_message_{n}".removeprefix("lost_")) for n in range(100)]
    broker.kill()
    broker.start()
    assert not broker.call("KEYS", "*")
    machinery()
    settles(*requests)
    exactly_one(fivetran, *requests)
    assert len(fivetran.posts()) == 100


def test_emptied_in_the_middle(fivetran: Fivetran, approve: Approve, machinery: Machinery, broker: Broker) -> None:
    """Fault 13."""
    fivetran.settings(create_seconds=0.2)
    requests = [approve(f"flushed_{n}") for n in range(20)]
    machinery()
    until(lambda: len(fivetran.connections()) >= 3)
    broker.call("FLUSHALL")
    settles(*requests)
    exactly_one(fivetran, *requests)
    assert len(fivetran.posts()) == 20
    kept = broker.contents()
    assert not [canary for canary in CANARIES if canary.encode() in kept]


def test_refusing_when_somebody_approves(
    fivetran: Fivetran, click: Click, machinery: Machinery, broker: Broker
) -> None:
    """Fault 14: the worker was connected before, and takes up its work when the broker is back."""
    machinery()
    broker.kill()
    requests, took = click("refusing_broker")
    assert took < AT_ONCE
    assert Client().get("/readyz").json() == {"status": "degraded"}
    broker.start()
    settles(*requests)
    exactly_one(fivetran, *requests)


def test_hung_when_somebody_approves(fivetran: Fivetran, click: Click, machinery: Machinery, broker: Broker) -> None:
    """Fault 15: a broker that takes connections and says nothing."""
    machinery()
    broker.freeze()
    requests, took = click("hung_broker")
    assert took < AT_ONCE
    assert Client().get("/readyz").json() == {"status": "degraded"}
    broker.thaw()
    settles(*requests)
    exactly_one(fivetran, *requests)


def test_hung_for_long_with_workers_connected(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, broker: Broker
) -> None:
    """Fault 16: 30 seconds, six times the worker's socket timeout; the workers go on without a restart."""
    worker = machinery()
    first = approve("before_the_hang")
    settles(first)
    broker.freeze()
    time.sleep(30)  # the fault itself: this long nobody answers
    broker.thaw()
    second = approve("after_the_hang")
    settles(second)
    assert worker.popen.poll() is None
    exactly_one(fivetran, first, second)


def test_full(fivetran: Fivetran, click: Click, machinery: Machinery, broker: Broker, caplog: Any) -> None:
    """Fault 17: `noeviction` refuses the message; the approval stands, and the log tells the operator."""
    machinery()
    broker.call("CONFIG", "SET", "maxmemory", "1")
    requests, took = click("full_broker")
    assert took < AT_ONCE
    assert "submit was not enqueued" in caplog.text
    broker.call("CONFIG", "SET", "maxmemory", "0")
    settles(*requests)
    exactly_one(fivetran, *requests)


def test_locked_by_a_new_password(
    fivetran: Fivetran, click: Click, machinery: Machinery, broker: Broker, caplog: Any
) -> None:
    """Fault 18: sessions that are open stay open, a new one is refused until the password is right again."""
    machinery()
    broker.call("CONFIG", "SET", "requirepass", "rotated")
    broker.call("CLIENT", "KILL", "TYPE", "normal", password="rotated")  # noqa: S106  # as idle ones end one day
    requests, took = click("locked_broker")
    assert took < AT_ONCE
    assert "submit was not enqueued (AuthenticationError)" in caplog.text and "rotated" not in caplog.text
    broker.call("CONFIG", "SET", "requirepass", "", password="rotated")
    settles(*requests)
    exactly_one(fivetran, *requests)
