"""The drawer of faults: kills, freezes and empties what the portal stands on, by a seeded dice."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psycopg
from django.db import InterfaceError, OperationalError, connection
from django.db import connections as databases

from connections import tasks
from connections.models import ConnectionRequest
from connections.queue.publisher import enqueue_many
from connections.states import Status
from tests.chaos.workers import Worker
from tests.faults.broker import Broker
from tests.processes import PostgresServer

# Fault -> how often, of the sum.
WEIGHTS = {
    "worker killed with its group": 20,
    "main process killed": 8,
    "worker told to end": 8,
    "worker frozen": 16,
    "worker starved": 10,
    "database session ended": 24,
    "database server crashed": 4,
    "broker killed": 4,
    "broker emptied": 5,
    "broker hung": 5,
    "broker full": 4,
    "messages enqueued thrice": 10,
    "another sweeper": 6,
}
# Those that ask the database themselves.
OF_THE_DATABASE = ("database session ended", "database server crashed", "messages enqueued thrice", "another sweeper")
PAUSE = (0.3, 1.1)  # seconds between two faults
FREEZE = (1.0, 6.0)
STARVE = (4.0, 9.0)  # longer than a claim's lease and a call's deadline
HANG = (1.0, 4.0)
PATIENCE = (0.5, 3.0)  # of whoever told a worker to end
RESTART = (0.2, 1.2)
CRASHED = (0.2, 3.0)
LAST_WORDS = 400  # characters of the log of a worker that ended by itself
REST = 8.0  # seconds in which a worker that was frozen is not frozen again: SETTLE covers one freeze, not a row of them


class Nemesis:
    """Draws faults and applies them; `tick` is to be called often, from one thread, which must outlive the workers."""

    def __init__(self, *, seed: int, workers: list[Worker], broker: Broker, server: PostgresServer | None) -> None:
        self._random = random.Random(f"nemesis {seed}")
        self._workers = workers
        self._broker = broker
        self._broker_back_at: tuple[float, Callable[[], None]] | None = None
        self._server = server  # SQLite has none that could crash: who writes there is a worker, and those are killed
        self._server_back_at: float | None = None
        self._sweeper: threading.Thread | None = None
        self._next = time.monotonic() + self._random.uniform(*PAUSE)
        self.counts: Counter[str] = Counter()

    def tick(self) -> None:
        """Mend what is due to be mended, and strike if it is time."""
        self._mend()
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._random.uniform(*PAUSE)
        [fault] = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if self._strike(fault):
            self.counts[fault] += 1

    def stop(self) -> None:
        """Mend everything at once; no more faults."""
        self._mend(all_=True)
        if self._sweeper is not None:
            self._sweeper.join()

    def _strike(self, fault: str) -> bool:
        """Whether the fault could be applied now."""
        if self._server_back_at is not None and fault in OF_THE_DATABASE:
            return False
        match fault:
            case "worker killed with its group" | "main process killed":
                return self._kill(group=fault == "worker killed with its group")
            case "worker told to end":
                return self._tell_to_end()
            case "worker frozen":
                return self._freeze()
            case "worker starved":
                return self._starve()
            case "messages enqueued thrice":
                return self._ring_thrice()
            case "another sweeper":
                return self._sweep_too()
            case "database session ended":
                return self._end_session()
            case "database server crashed":
                return self._crash_server()
            case _:
                return self._hit_broker(fault)

    def _kill(self, *, group: bool) -> bool:
        able = [worker for worker in self._workers if worker.works]
        if len(able) < 2:  # one at least goes on, else nothing would be under way that a fault can hit
            return False
        worker = self._random.choice(able)
        worker.kill(group=group)
        worker.start_at = time.monotonic() + self._random.uniform(*RESTART)
        return True

    def _tell_to_end(self) -> bool:
        """SIGTERM, as a deployment sends it, and SIGKILL when that has no patience left."""
        able = [worker for worker in self._workers if worker.works and worker.frozen_until is None]
        if len(able) < 2:
            return False
        worker = self._random.choice(able)
        assert worker.process is not None
        worker.process.popen.terminate()
        worker.killed_at = time.monotonic() + self._random.uniform(*PATIENCE)
        return True

    def _ring_thrice(self) -> bool:
        """Every message of what is under way, three times: the broker may deliver twice, and anybody may enqueue."""
        under_way = ConnectionRequest.objects.filter(status__in=[Status.APPROVED, Status.SENDING, Status.UNKNOWN])
        ids = list(under_way.order_by("pk").values_list("pk", flat=True)[:10])
        messages = [(job, pk) for pk in ids for job in ("submit", "reconcile")]
        return bool(messages) and enqueue_many(messages * 3)

    def _sweep_too(self) -> bool:
        """In a thread of its own: it may wait for a lock of a worker that stands still until this one lets it go on."""
        if self._sweeper is not None and self._sweeper.is_alive():
            return False
        self._sweeper = threading.Thread(target=_sweep, name="sweeper")
        self._sweeper.start()
        return True

    def _freeze(self) -> bool:
        now = time.monotonic()
        if (worker := self._to_stop(now)) is None:
            return False
        worker.freeze()
        worker.frozen_until = now + self._random.uniform(*FREEZE)
        worker.rested_at = worker.frozen_until + REST
        return True

    def _starve(self) -> bool:
        now = time.monotonic()
        if (worker := self._to_stop(now)) is None:
            return False
        worker.starve(now + self._random.uniform(*STARVE))
        return True

    def _to_stop(self, now: float) -> Worker | None:
        able = [
            w for w in self._workers if w.works and w.frozen_until is w.starved_until is None and w.rested_at <= now
        ]
        return self._random.choice(able) if able else None

    def _end_session(self) -> bool:
        if self._server is None:
            return False
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'worker' AND backend_type = 'client backend'"
        place = connection.settings_dict
        # A connection of its own: Django's come and go with what the run does.
        with psycopg.connect(host=place["HOST"], dbname=place["NAME"], user=place["USER"], autocommit=True) as own:
            sessions = sorted(row[0] for row in own.execute(query))
            if not sessions:
                return False
            own.execute("SELECT pg_terminate_backend(%s)", [self._random.choice(sessions)])
        return True

    def _crash_server(self) -> bool:
        """SIGQUIT, on which it throws everybody out and writes nothing down, or SIGKILL to all that it is."""
        if self._server is None:
            return False
        self._random.choice((self._server.stop, self._server.kill))()
        self._server_back_at = time.monotonic() + self._random.uniform(*CRASHED)
        return True

    def _restart_server(self) -> None:
        assert self._server is not None
        self._server.start()
        self._server_back_at = None
        connection.close()  # this thread's own died with it

    def _hit_broker(self, fault: str) -> bool:
        if self._broker_back_at is not None:
            return False
        now = time.monotonic()
        match fault:
            case "broker killed":
                self._broker.kill()
                self._broker_back_at = now + self._random.uniform(*RESTART), self._broker.start
            case "broker emptied":
                self._broker.call("FLUSHALL")
            case "broker full":
                self._broker.call("CONFIG", "SET", "maxmemory", 1)
                self._broker_back_at = now + self._random.uniform(*HANG), self._make_room
            case "broker hung":
                self._broker.freeze()
                self._broker_back_at = now + self._random.uniform(*HANG), self._broker.thaw
        return True

    def _make_room(self) -> None:
        self._broker.call("CONFIG", "SET", "maxmemory", 0)

    def _mend(self, *, all_: bool = False) -> None:
        now = time.monotonic()
        if self._broker_back_at is not None and (all_ or self._broker_back_at[0] <= now):
            self._broker_back_at[1]()
            self._broker_back_at = None
        if self._server_back_at is not None and (all_ or self._server_back_at <= now):
            self._restart_server()
        for worker in self._workers:
            self._mend_worker(worker, now, all_=all_)

    def _mend_worker(self, worker: Worker, now: float, *, all_: bool) -> None:
        worker.next_slice(now if not all_ else float("inf"))
        if worker.frozen_until is not None and (all_ or worker.frozen_until <= now):
            worker.thaw()
        if worker.killed_at is not None and worker.process is not None:
            if all_ or worker.killed_at <= now or worker.process.popen.poll() is not None:
                worker.kill()
                worker.start_at = now
        elif worker.process is not None and worker.process.popen.poll() is not None:
            status, log = worker.process.popen.returncode, worker.process.log.read_text(errors="replace")
            print(f"a worker ended by itself with status {status}:\n{log[-LAST_WORDS:]}", flush=True)
            worker.kill()
            self.counts["worker ended by itself"] += 1
            worker.start_at = now
        if worker.start_at is not None and (all_ or worker.start_at <= now):
            worker.start()


def _sweep() -> None:
    try:
        with suppress(OperationalError, InterfaceError):  # the database may go away while it sweeps
            tasks.sweep()
    finally:
        databases.close_all()
