"""Several processes as one: started together, watched together, stopped together."""

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NoReturn

from connections.spec.characters import visible

LAST_LINES = 15
STOP_PATIENCE = 10.0  # seconds
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Died(Exception):
    """A process ended, or did not become ready, while the others needed it; the message has its last output."""


class Supervisor:
    """Starts processes and passes their output to `write`, with a name before each line."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write
        self._finish: Callable[[], object] = lambda: None
        self._busy = self._told = self._silent = False
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._last: dict[str, deque[str]] = {}
        self._selector = selectors.DefaultSelector()

    def end_at(self, signals: Iterable[signal.Signals], finish: Callable[[], NoReturn]) -> None:
        def hear(*_signal: object) -> None:
            for number in signals:
                signal.signal(number, signal.SIG_IGN)
            self._told, self._finish = True, finish
            if not self._busy:
                self._end()

        for number in signals:
            signal.signal(number, hear)

    def _end(self) -> None:
        self._told = False
        self.close()
        self._finish()

    # A signal takes effect at once, or at the end of a block in which this file changes its own state. It raises
    # nothing: any code on the way might swallow an exception or print it.
    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
            if self._told:
                self._end()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        on_orphaned: signal.Signals = signal.SIGKILL,
        shown: bool = True,
    ) -> None:
        """Start `command`. On Linux it gets the signal `on_orphaned` when this process dies, however it dies.

        Its output is kept for the report of its death, and passed on if `shown`.
        """
        with self._undisturbed():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C is for us alone: we stop the others in order
                preexec_fn=lambda: end_with_parent(on_orphaned),
            )
            self._running[name] = process
            self._last[name] = deque(maxlen=LAST_LINES)
            assert process.stdout is not None  # noqa: S101  (PIPE above)
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, _Lines(name, shown))

    def wait_until(self, what: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for `ready` and watch all processes; raises Died when one ends first or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.watch(0.05)
            if time.monotonic() > deadline:
                raise Died(f"{what} was not ready after {seconds:.0f} s." + self._tail(what))

    def watch(self, seconds: float) -> None:
        """Pass output on for up to `seconds`; raises Died when a process has ended."""
        with self._undisturbed():
            if self._selector.get_map():
                self._pass_on(seconds)
            else:
                time.sleep(seconds)  # nobody has output to wait on, so the pause between two looks is this one
            for name, process in self._running.items():
                if process.poll() is not None:
                    self._pass_on(0)
                    raise Died(f"{name} ended with {exit_words(process.returncode)}." + self._tail(name))

    def close(self) -> None:
        """End all processes, the last started first: SIGTERM, then SIGKILL for those left after STOP_PATIENCE."""
        self._silent = True  # that each process misses the others is no news
        with self._undisturbed():
            deadline = time.monotonic() + STOP_PATIENCE
            for process in reversed(self._running.values()):
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            while any(process.poll() is None for process in self._running.values()) and time.monotonic() < deadline:
                self._pass_on(0.05)
            for process in self._running.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # its own children too, were it gone before them
                process.wait()
            self._pass_on(0)
            self._running.clear()

    def _pass_on(self, seconds: float) -> None:
        for key, _events in self._selector.select(seconds) if self._selector.get_map() else []:
            stream, lines = key.fileobj, key.data
            data = os.read(stream.fileno(), 65536)  # type: ignore[union-attr]
            if not data:
                self._selector.unregister(stream)
            for line in lines.take(data):
                self._last[lines.name].append(line)
                if lines.shown and not self._silent:
                    self.write(f"{lines.name:>9} | {line}")

    def _tail(self, name: str) -> str:
        return "".join(f"\n    {line}" for line in self._last.get(name, ()))


class _Lines:
    """Cuts a byte stream into lines of text that cannot act on a terminal."""

    def __init__(self, name: str, shown: bool) -> None:
        self.name = name
        self.shown = shown
        self._rest = b""

    def take(self, data: bytes) -> list[str]:
        # The end of the stream (no data) completes the last line.
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data and self._rest:
            lines, self._rest = [self._rest], b""
        return [visible(line.decode(errors="replace").rstrip().replace("\r", " ")) for line in lines]


def end_with_parent(with_signal: signal.Signals) -> None:
    """Have Linux send this process `with_signal` when its parent dies, even by SIGKILL; elsewhere nothing happens."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, with_signal)


def exit_words(returncode: int) -> str:
    return f"exit status {returncode}" if returncode >= 0 else signal.Signals(-returncode).name
