"""The message when the broker, or a connection to it, goes away before it is enqueued or in the middle of it."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from celery.worker import state
from django.core.signals import request_finished, request_started

from connections import tasks
from connections.models import ConnectionRequest
from connections.queue import publisher
from connections.states import Status
from portal.celery import app
from tests.faults.conftest import status
from tests.processes import free_port, quickest, seconds, until

ANSWERED = 1.0  # seconds in which whoever clicked has an answer


class Door:
    """A way to the broker that lets the first connection through and treats later ones as the test says.

    "refused", "closed", "hung" (taken, and then silence) or "passed" (let through as well).
    """

    def __init__(self, broker_path: str, later: str) -> None:
        self.port = free_port()
        self._path = broker_path
        self._later = later
        self._open: list[socket.socket] = []
        self._silenced = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            first, _address = self._listener.accept()
            if self._later == "refused":
                self._listener.close()
            self._pass_on(first)
            while True:
                later, _address = self._listener.accept()
                self._open.append(later)
                if self._later == "closed":
                    later.close()
                elif self._later == "passed":
                    self._pass_on(later)

    def _pass_on(self, client: socket.socket) -> None:
        broker = socket.socket(socket.AF_UNIX)
        broker.connect(self._path)
        self._open += [client, broker]
        for source, target in ((client, broker), (broker, client)):
            threading.Thread(target=_copy, args=(source, target, self._silenced), daemon=True).start()

    def forget(self) -> None:
        """What is sent over the connections of now arrives nowhere, as behind a firewall that forgot them."""
        self._silenced.set()
        self._silenced = threading.Event()

    def close(self) -> None:
        """Let go of everything."""
        for sock in (self._listener, *self._open):
            with suppress(OSError):
                sock.close()


def _copy(source: socket.socket, target: socket.socket, silenced: threading.Event) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            if not silenced.is_set():
                target.sendall(data)


@pytest.fixture
def door(live_broker: str, settings: Any) -> Iterator[Callable[[str], Door]]:
    """`door("refused")` puts such a door before the broker of this process."""
    doors: list[Door] = []
    before = app.conf.broker_url

    def put(later: str) -> Door:
        doors.append(Door(live_broker.removeprefix("unix://").partition("?")[0], later))
        settings.REDIS_URL = app.conf.broker_url = f"redis://127.0.0.1:{doors[-1].port}/0"
        return doors[-1]

    yield put
    app.conf.broker_url = before
    for each in doors:
        each.close()


@pytest.mark.parametrize("later", ["refused", "closed", "hung"])
def test_the_broker_goes_away_after_it_was_asked(door: Callable[[str], Door], later: str) -> None:
    """Faults 14 and 15, in the moment between: nobody waits for it to come back."""

    def enqueue() -> None:
        door(later)
        assert tasks.enqueue("notify") is False

    assert quickest(lambda: seconds(enqueue), ANSWERED) < ANSWERED


def test_connections_that_were_forgotten_on_the_way_cost_one_message(door: Callable[[str], Door]) -> None:
    """Faults 14 and 15, of the connections alone: nobody waits, and the next message is enqueued over new ones."""

    def enqueue() -> float:
        way = door("passed")
        until(lambda: tasks.enqueue("notify"))
        way.forget()
        enqueued: list[bool] = []
        took = seconds(lambda: enqueued.append(tasks.enqueue("notify")))
        assert enqueued == [False]
        until(lambda: tasks.enqueue("notify"))
        return took

    assert quickest(enqueue, ANSWERED) < ANSWERED


def test_a_message_takes_the_connection_of_the_last_one_while_it_is_fresh(
    messages_are_published: None, live_broker: str
) -> None:
    """Fault 12: one that the broker closed meanwhile, or that was idle for long, loses no message."""
    with redis.Redis.from_url(live_broker) as broker:

        def connected() -> int:
            return int(broker.info("stats")["total_connections_received"])

        assert tasks.enqueue("notify")
        before = connected()
        assert tasks.enqueue("notify") and connected() == before
        broker.client_kill_filter(_type="normal", skipme=True)
        assert tasks.enqueue("notify") and connected() > before
        before = connected()
        publisher._publishing._used_at -= publisher.KEPT_SECONDS  # as if so long ago: this clock can be set by nobody
        assert tasks.enqueue("notify") and connected() > before
        assert broker.llen("control") == 4


def test_nobody_waits_for_the_broker(
    messages_are_published: None, approve: Callable[..., ConnectionRequest], live_broker: str
) -> None:
    """Faults 14 and 15: within a request messages are published when its answer is sent, as the server tells by closing
    it; one that ended without leaves the next no message.
    """
    with redis.Redis.from_url(live_broker) as broker:
        for number, answered in enumerate((True, False, True)):
            request_started.send(sender=None, environ={})
            approve(f"within_a_request_{number}")
            assert broker.llen("slow") == 0
            if answered:
                request_finished.send(sender=None)
                assert broker.lpop("slow") and broker.llen("slow") == 0
        approve("outside_of_a_request")
        assert broker.llen("slow") == 1


def test_messages_do_not_pile_up_while_nobody_hears_them(
    messages_are_published: None, approve: Callable[..., ConnectionRequest], live_broker: str
) -> None:
    """Faults 12 and 62: a sweep enqueues what has no message yet, however many sweeps there are."""
    requests = [approve(f"unheard_{n}") for n in range(5)]
    with redis.Redis.from_url(live_broker) as broker:
        for _ in range(3):
            tasks.sweep()
            assert broker.llen("slow") == len(requests)
        broker.flushall()
        tasks.sweep()
        assert broker.llen("slow") == len(requests)


def test_what_lost_its_message_is_rung_for_before_what_came_later(
    messages_are_published: None, approve: Callable[..., ConnectionRequest], live_broker: str
) -> None:
    """Fault 13, while so much is asked for that the queue is never empty."""
    lost = [approve(f"lost_its_message_{n}") for n in range(2)]
    with redis.Redis.from_url(live_broker) as broker:
        broker.flushall()
        for number in range(3):
            approve(f"later_{number}")
        tasks.sweep()
        enqueued = [json.loads(base64.b64decode(json.loads(item)["body"]))[0] for item in broker.lrange("slow", 0, 1)]
    assert sorted(enqueued) == [[conn_request.pk] for conn_request in lost]


def test_a_worker_looks_for_the_next_one_only_where_no_message_waits(
    messages_are_published: None, approve: Callable[..., ConnectionRequest], live_broker: str
) -> None:
    """Faults 12 and 13: a message that was lost costs no sweep, and messages that are there no vain look-ups."""
    first, second = approve("with_a_message"), approve("with_another")
    tasks.TASKS["submit"](first.pk)
    assert (status(first), status(second)) == (Status.CREATED, Status.APPROVED)
    with redis.Redis.from_url(live_broker) as broker:
        broker.flushall()
    state.should_stop = 0  # as Celery sets it on SIGTERM
    try:
        tasks.TASKS["submit"](first.pk)
    finally:
        state.should_stop = None
    assert status(second) is Status.APPROVED
    tasks.TASKS["submit"](first.pk)
    assert status(second) is Status.CREATED
