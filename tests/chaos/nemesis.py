"""The drawer of faults: kills, freezes and empties what the portal stands on, by a seeded dice."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress

import psycopg
from django.db import connection

from connections import tasks
from connections.models import ConnectionRequest
from connections.queue.publisher import enqueue_many
from connections.states import Status
from tests import processes
from tests.faults.broker import Broker

# Fault -> how often, of the sum.
WEIGHTS = {
    "worker killed with its group": 20,
    "main process killed": 8,
    "worker told to end": 8,
    "worker frozen": 16,
    "database session ended": 24,
    "broker killed": 4,
    "broker emptied": 5,
    "broker hung": 5,
    "broker full": 4,
    "messages enqueued thrice": 10,
    "another sweeper": 6,
}
PAUSE = (0.3, 1.1)  # seconds between two faults
FREEZE = (1.0, 6.0)
HANG = (1.0, 4.0)
PATIENCE = (0.5, 3.0)  # of whoever told a worker to end
RESTART = (0.2, 1.2)
LAST_WORDS = 400  # characters of the log of a worker that ended by itself
REST = 8.0  # seconds in which a worker that was frozen is not frozen again: SETTLE covers one freeze, not a row of them


class Worker:
    """A place for a worker process, with what the nemesis has done to it."""

    def __init__(self, number: int, environment: Mapping[str, str]) -> None:
        self._number = number
        self._environment = environment
        self._lives = 0
        self._stack = ExitStack()
        self.process: processes.Process | None = None
        self.frozen_until: float | None = None
        self.rested_at = 0.0
        self.killed_at: float | None = None
        self.start_at: float | None = 0.0
        self.logs: list[str] = []

    @property
    def works(self) -> bool:
        """Whether a process runs here and has begun to take work. Its log says so, whatever its level."""
        if self.process is None or self.killed_at is not None:
            return False
        return b" ready." in self.process.log.read_bytes()

    def start(self) -> None:
        """Start a process here; does not wait until it is ready."""
        self._lives += 1
        command = processes.worker_command(f"chaos{self._number}-{self._lives}@localhost")
        self.process = self._stack.enter_context(processes.running("worker", command, self._environment))
        self.start_at = None

    def kill(self, *, group: bool = True) -> None:
        """SIGKILL, to the whole group or to the main process alone."""
        assert self.process is not None
        if not group:
            os.kill(self.process.popen.pid, signal.SIGKILL)
            self.process.popen.wait()
        self.process.kill()
        self._forget()

    def stop(self) -> None:
        """End it as a deployment does."""
        if self.process is not None:
            self.process.stop()
            self._forget()

    def _forget(self) -> None:
        assert self.process is not None
        self.logs.append(self.process.log.read_text(errors="replace"))
        self._stack.close()
        self.process, self.frozen_until, self.killed_at = None, None, None


class Nemesis:
    """Draws faults and applies them; `tick` is to be called often, from one thread, which must outlive the workers."""

    def __init__(self, *, seed: int, workers: list[Worker], broker: Broker) -> None:
        self._random = random.Random(f"nemesis {seed}")
        self._workers = workers
        self._broker = broker
        self._broker_back_at: tuple[float, Callable[[], None]] | None = None
        place = connection.settings_dict
        # A connection of its own: Django's come and go with what the run does.
        self._database = (
            psycopg.connect(host=place["HOST"], dbname=place["NAME"], user=place["USER"], autocommit=True)
            if connection.vendor == "postgresql"
            else None
        )
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
        if self._database is not None:
            self._database.close()

    def _strike(self, fault: str) -> bool:
        """Whether the fault could be applied now."""
        match fault:
            case "worker killed with its group" | "main process killed":
                return self._kill(group=fault == "worker killed with its group")
            case "worker told to end":
                return self._tell_to_end()
            case "worker frozen":
                return self._freeze()
            case "messages enqueued thrice":
                return self._ring_thrice()
            case "another sweeper":
                return bool(tasks.sweep())
            case "database session ended":
                return self._end_session()
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

    def _freeze(self) -> bool:
        now = time.monotonic()
        able = [w for w in self._workers if w.works and w.frozen_until is None and w.rested_at <= now]
        if not able:
            return False
        worker = self._random.choice(able)
        assert worker.process is not None
        os.killpg(worker.process.popen.pid, signal.SIGSTOP)
        worker.frozen_until = now + self._random.uniform(*FREEZE)
        worker.rested_at = worker.frozen_until + REST
        return True

    def _end_session(self) -> bool:
        if self._database is None:
            return False
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'worker' AND backend_type = 'client backend'"
        sessions = sorted(row[0] for row in self._database.execute(query))
        if not sessions:
            return False
        self._database.execute("SELECT pg_terminate_backend(%s)", [self._random.choice(sessions)])
        return True

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
        for worker in self._workers:
            if worker.frozen_until is not None and (all_ or worker.frozen_until <= now):
                assert worker.process is not None
                with suppress(ProcessLookupError):
                    os.killpg(worker.process.popen.pid, signal.SIGCONT)
                worker.frozen_until = None
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
