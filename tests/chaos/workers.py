"""A place for a worker process: started, killed, frozen and starved there, and started again."""

import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from tests import processes

RUNS, STANDS = 0.04, 0.4  # seconds: the slices of a starved worker, a tenth of a processor


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
        self.starved_until: float | None = None
        self._slice_ends_at, self._runs = 0.0, True
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

    def freeze(self) -> None:
        """SIGSTOP: nothing of it runs, and nothing of it ends."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self.frozen_until = None

    def starve(self, until: float) -> None:
        """From now on it gets a slice of the processor now and then: it lives, and its leases and deadlines run out."""
        self.starved_until, self._slice_ends_at = until, 0.0

    def next_slice(self, now: float) -> None:
        """Let it run for a moment, or stop it for longer, if one of both is over."""
        if self.starved_until is None or now < self._slice_ends_at:
            return
        if now >= self.starved_until:
            self.starved_until = None
            self.thaw()
            return
        self._runs = not self._runs
        self._signal(signal.SIGCONT if self._runs else signal.SIGSTOP)
        self._slice_ends_at = now + (RUNS if self._runs else STANDS)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.popen.pid, number)

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
        self.process, self.frozen_until, self.killed_at, self.starved_until = None, None, None, None
