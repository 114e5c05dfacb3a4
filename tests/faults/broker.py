"""A broker of one's own, which can be killed, emptied, frozen and starved."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from tests import processes


class Broker:
    """A Valkey server without persistence on a private socket that stays the same over restarts."""

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/redis.sock"
        self.url = f"unix://{self._path}?db=0"
        self._stack = ExitStack()
        self._process: processes.Process | None = None

    def start(self) -> None:
        """Start it, empty; returns when it answers."""
        self._process = self._stack.enter_context(processes.broker_process(self._path))

    def kill(self) -> None:
        """SIGKILL: whatever was queued is gone, and until `start` nobody listens."""
        self._running.kill()
        self._stack.close()
        self._process = None

    def freeze(self) -> None:
        """SIGSTOP: connections are taken by the kernel, and nobody answers."""
        self._running.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._running.popen.send_signal(signal.SIGCONT)

    def follow(self, primary: "Broker") -> None:
        """Become a replica of `primary`; returns when it has all that is there."""
        port = processes.free_port()
        primary.call("CONFIG", "SET", "port", port)  # replication goes by TCP alone
        self.call("REPLICAOF", "127.0.0.1", port)
        processes.until(lambda: self.call("INFO", "replication")["master_link_status"] == "up")

    def take_over(self, primary: "Broker") -> None:
        """Whoever asks at the address of `primary`, which is gone, finds this one from now on, and it takes writes."""
        self.call("REPLICAOF", "NO", "ONE")
        Path(self._path).rename(primary._path)
        self._path, self.url = primary._path, primary.url

    def call(self, *command: Any, password: str | None = None) -> Any:
        """One command of the broker, as `redis-cli` would send it."""
        with redis.Redis.from_url(self.url, socket_timeout=5, password=password) as client:
            return client.execute_command(*command)

    def contents(self) -> bytes:
        """Everything that is stored, as bytes, to look for what must not be there."""
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            return b"".join(client.dump(key) or b"" for key in client.keys("*"))

    def close(self) -> None:
        """End it, however it is."""
        if self._process is not None:
            self.kill()

    @property
    def _running(self) -> processes.Process:
        assert self._process is not None, "it is not running"
        return self._process


@contextmanager
def own_broker() -> Iterator[Broker]:
    """A running broker of one's own. Raises processes.Missing."""
    with tempfile.TemporaryDirectory(prefix="portal-test-") as folder:
        broker = Broker(folder)
        broker.start()
        try:
            yield broker
        finally:
            broker.close()
