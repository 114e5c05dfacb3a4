"""Messages doubled, redelivered, forged, foreign and old; sweepers and schedulers too many and too few."""

import base64
import json
import os
import re
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from connections.models import ConnectionRequest
from connections.states import Status
from portal.celery import app
from tests import factories, processes
from tests.faults.conftest import exactly_one, settles, status
from tests.processes import ROOT, Process, until
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
Machinery = Callable[..., Process]


RECEIVED = re.compile(r"Task submit\[([0-9a-f-]{36})\] received")


def publish(task: str, args: tuple[Any, ...], **options: Any) -> None:
    """Put a message into the broker as anybody could who reaches it."""
    with app.connection_for_write() as to:
        app.send_task(task, args, connection=to, **options)


@pytest.mark.slow
def test_one_message_ten_times_at_once(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    """Fault 19: two workers with four threads each; one claim, one POST."""
    for _ in range(2):
        machinery()
    fivetran.settings(create_seconds=0.5)
    conn_request = approve("ten_times")
    for _ in range(10):
        publish("submit", (conn_request.pk,))
    settles(conn_request)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1
    assert conn_request.events.filter(target=Status.CLAIMED).count() == 1


@pytest.mark.slow
def test_a_message_is_handed_out_again_while_it_waits(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, live_broker: str
) -> None:
    """Fault 20: the visibility timeout is shorter than a call; what waits in one worker runs in a second one too."""
    settings = {"DJANGO_SETTINGS_MODULE": "tests.faults.slow_visibility"}
    fivetran.settings(create_seconds=1.9)
    requests = [approve(f"visible_{n}") for n in range(3)]
    workers = [machinery(concurrency=1, lanes="slow", **settings)]  # one message runs in it, and one waits
    until(fivetran.posts)
    with redis.Redis.from_url(live_broker) as broker:
        # A worker restores what is overdue when it begins to listen, so the second one begins after that second.
        until(lambda: broker.zcount("unacked_index", "-inf", _now(broker) - 1) > 0)
    workers.append(machinery(**settings))
    settles(*requests)
    exactly_one(fivetran, *requests)
    assert len(fivetran.posts()) == 3
    received = Counter(id_ for worker in workers for id_ in RECEIVED.findall(worker.log.read_text()))
    assert max(received.values()) > 1, received


def _now(broker: Any) -> float:
    seconds, micros = broker.time()
    return float(seconds) + micros / 1e6


@pytest.mark.slow
def test_forged_and_foreign_messages(fivetran: Fivetran, approve: Approve, group: str, machinery: Machinery) -> None:
    """Faults 21 and 22: nothing is sent for them, each is logged at most once, and the worker lives on."""
    worker = machinery(scheduled=False)
    pending = factories.submitted(group_id=group)
    arguments: list[tuple[Any, ...]] = [
        (pending.pk,),
        (10**9,),
        ("1",),
        ("x" * 1_000_000,),
        ({"id": pending.pk},),
        (pending.pk, "another", "argument"),
        (),
    ]
    for task in ("submit", "run_tests", "reconcile"):
        for args in arguments:
            publish(task, args)
    publish("sweep", (1, 2, 3))
    publish("a_task_that_is_no_more", (1,), queue="slow")
    conn_request = approve("after_the_forged")
    settles(conn_request)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1 and status(pending) is Status.PENDING
    log = worker.log.read_text()
    assert worker.popen.poll() is None
    assert log.count("a_task_that_is_no_more") <= 4 and "x" * 10_000 not in log


# A message as the first version of the portal writes it (Celery's protocol 2), kept as text so that it stays as it is.
OLD_MESSAGE = {
    "body": None,
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": {
        "lang": "py",
        "task": "submit",
        "id": "8a6f1c1e-7a0e-4f5e-9c43-0f8b6d5f8d11",
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": "8a6f1c1e-7a0e-4f5e-9c43-0f8b6d5f8d11",
        "parent_id": None,
        "argsrepr": "(1,)",
        "kwargsrepr": "{}",
        "origin": "gen1@portal",
        "ignore_result": True,
    },
    "properties": {
        "correlation_id": "8a6f1c1e-7a0e-4f5e-9c43-0f8b6d5f8d11",
        "reply_to": "6f1b6b1b-3a39-3f5e-8d5e-1f4a8c3f9a77",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "slow"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": "0f2a7c1e-5a11-4a3e-8a53-2f7b1a6d9c55",
    },
}


@pytest.mark.slow
def test_a_message_of_an_older_version(
    fivetran: Fivetran, messages_are_published: None, approve: Approve, machinery: Machinery, live_broker: str
) -> None:
    """Fault 64: a message of the old code works with the new one, whose own says no more than the old one's."""
    conn_request = approve("old_message")
    with redis.Redis.from_url(live_broker) as broker:
        [ours] = broker.lrange("slow", 0, -1)
        new = json.loads(ours)
        assert json.loads(base64.b64decode(new["body"]))[:2] == [[conn_request.pk], {}]
        assert new["headers"]["task"] == OLD_MESSAGE["headers"]["task"]  # type: ignore[index]
        broker.flushall()
        body = json.dumps([[conn_request.pk], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
        broker.lpush("slow", json.dumps({**OLD_MESSAGE, "body": base64.b64encode(body.encode()).decode()}))
    machinery(scheduled=False)
    settles(conn_request)
    exactly_one(fivetran, conn_request)


@pytest.mark.slow
def test_ten_sweepers_and_two_schedulers_at_once(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, environment: dict[str, str], group: str
) -> None:
    """Fault 62: each dead claim and each dead sending is brought back once."""
    claimed = [factories.request_in(Status.CLAIMED, group_id=group) for _ in range(5)]
    sending = [factories.request_in(Status.SENDING, group_id=group) for _ in range(5)]
    command = [sys.executable, "manage.py", "sweep"]
    env = {**os.environ, **environment}
    sweepers = [subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(10)]
    assert [sweeper.communicate(timeout=180) and sweeper.returncode for sweeper in sweepers] == [0] * 10
    for conn_request in claimed:
        assert (
            status(conn_request) is Status.APPROVED and conn_request.events.filter(source=Status.CLAIMED).count() == 1
        )
    for conn_request in sending:
        assert status(conn_request) is Status.UNKNOWN and conn_request.events.filter(source=Status.SENDING).count() == 1
    with ExitStack() as stack:
        stack.enter_context(processes.scheduler(environment))
        machinery()
        settles(*claimed, *sending)
    exactly_one(fivetran, *claimed, *sending)
    assert len(fivetran.posts()) == 10


@pytest.mark.slow
def test_without_a_scheduler_for_an_hour(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, live_broker: str
) -> None:
    """Fault 63: operators see how old the oldest request is; everything goes on when the scheduler is back."""
    conn_request = approve("no_scheduler")
    with redis.Redis.from_url(live_broker) as broker:
        broker.flushall()
    hour_ago = Now() - timedelta(hours=1)
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(approved_at=hour_ago, next_try_at=hour_ago)
    operator = Client()
    operator.force_login(factories.person("operator"))
    page = operator.get(reverse("connections:operations"))
    assert page.context["late"] and "waits long" in page.content.decode()
    machinery()
    settles(conn_request)
    exactly_one(fivetran, conn_request)


def test_a_token_of_a_claim_is_never_used_twice(fivetran: Fivetran, approve: Approve) -> None:
    """Fault 19, from the side of the row: a second claim has another token and finds nothing to claim."""
    from connections.models import StaleRow, transition
    from connections.states import Actor

    conn_request = approve("claimed_twice")
    other = ConnectionRequest.objects.get(pk=conn_request.pk)
    transition(
        conn_request, Status.CLAIMED, actor=Actor.WORKER, token=uuid.uuid4(), lease_until=Now() + timedelta(minutes=1)
    )
    with pytest.raises(StaleRow):
        transition(other, Status.CLAIMED, actor=Actor.WORKER, token=uuid.uuid4(), lease_until=Now())
