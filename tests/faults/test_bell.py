"""The bell when the broker, or a connection to it, goes away before the ringing or in the middle of it."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis

from connections import tasks, worker
from connections.models import ConnectionRequest
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

    def ring() -> None:
        door(later)
        assert tasks.ring(tasks.notify) is False

    assert quickest(lambda: seconds(ring), ANSWERED) < ANSWERED


def test_connections_that_were_forgotten_on_the_way_cost_one_bell(door: Callable[[str], Door]) -> None:
    """Faults 14 and 15, of the connections alone: nobody waits, and the next bell is rung over new ones."""

    def ring() -> float:
        way = door("passed")
        until(lambda: tasks.ring(tasks.notify))
        way.forget()
        rung: list[bool] = []
        took = seconds(lambda: rung.append(tasks.ring(tasks.notify)))
        assert rung == [False]
        until(lambda: tasks.ring(tasks.notify))
        return took

    assert quickest(ring, ANSWERED) < ANSWERED


def test_a_bell_takes_the_connection_of_the_last_one_while_it_is_fresh(
    bells_are_published: None, live_broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 12: one that the broker closed meanwhile, or that was idle for long, loses no bell."""
    with redis.Redis.from_url(live_broker) as broker:

        def connected() -> int:
            return int(broker.info("stats")["total_connections_received"])

        assert tasks.ring(tasks.notify)
        before = connected()
        assert tasks.ring(tasks.notify) and connected() == before
        broker.client_kill_filter(_type="normal", skipme=True)
        assert tasks.ring(tasks.notify) and connected() > before
        before = connected()
        monkeypatch.setattr(tasks, "KEPT_SECONDS", 0)
        assert tasks.ring(tasks.notify) and connected() > before
        assert broker.llen("control") == 4


def test_bells_do_not_pile_up_while_nobody_hears_them(
    bells_are_published: None, approve: Callable[..., ConnectionRequest], live_broker: str
) -> None:
    """Faults 12 and 62: a sweep rings for what has no bell yet, however many sweeps there are."""
    requests = [approve(f"unheard_{n}") for n in range(5)]
    with redis.Redis.from_url(live_broker) as broker:
        for _ in range(3):
            tasks.ring_all(worker.sweep())
            assert broker.llen("slow") == len(requests)
        broker.flushall()
        tasks.ring_all(worker.sweep())
        assert broker.llen("slow") == len(requests)


def test_what_lost_its_bell_is_rung_for_before_what_came_later(
    bells_are_published: None, approve: Callable[..., ConnectionRequest], live_broker: str
) -> None:
    """Fault 13, while so much is asked for that the queue is never empty."""
    lost = [approve(f"lost_its_bell_{n}") for n in range(2)]
    with redis.Redis.from_url(live_broker) as broker:
        broker.flushall()
        for number in range(3):
            approve(f"later_{number}")
        tasks.ring_all(worker.sweep())
        rung = [json.loads(base64.b64decode(json.loads(item)["body"]))[0] for item in broker.lrange("slow", 0, 1)]
    assert sorted(rung) == [[request.pk] for request in lost]


def test_a_worker_looks_for_the_next_one_only_where_no_bell_waits(
    bells_are_published: None, approve: Callable[..., ConnectionRequest], live_broker: str
) -> None:
    """Faults 12 and 13: a bell that was lost costs no sweep, and bells that are there no vain look-ups."""
    first, second = approve("with_a_bell"), approve("with_another")
    tasks.submit(first.pk)
    assert (status(first), status(second)) == (Status.CREATED, Status.APPROVED)
    with redis.Redis.from_url(live_broker) as broker:
        broker.flushall()
    tasks.submit(first.pk)
    assert status(second) is Status.CREATED
