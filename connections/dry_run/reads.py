"""The calls of a dry run: several at the same time, and none that outlasts it."""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from connections.fivetran.answers import Answer
from connections.fivetran.errors import FivetranError, NotSent, Unknown
from connections.fivetran.exchanges import Exchange
from connections.fivetran.reader import FivetranReader
from connections.fivetran.transport import boottime

log = logging.getLogger(__name__)
AT_ONCE = 6
CLOSE = 0.05  # seconds
LATE = "Fivetran did not answer within the time that this test has."

Ask = Callable[[FivetranReader], Answer | list[dict[str, Any]]]


@dataclass(frozen=True)
class Read:
    """What came of a call: `data` or an `error`; or `why_not`, in words, where nothing was asked or nobody waited."""

    name: str
    data: Any = None
    error: FivetranError | None = None
    why_not: str = ""
    exchanges: tuple[Exchange, ...] = ()

    @property
    def is_answered(self) -> bool:
        return self.error is None and not self.why_not


@dataclass
class Reads:
    """By name. After `until` (`boottime()`) nothing is waited for; with `why_not` nothing is asked at all."""

    client: FivetranReader
    until: float
    why_not: str = ""
    done: dict[str, Read] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dry-run")
        self._waiting: dict[Future[Read], str] = {}

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def exchanges(self) -> Iterable[Exchange]:
        return (one for read in self.done.values() for one in read.exchanges)

    def has_begun(self, name: str) -> bool:
        return name in self.done or name in self._waiting.values()

    def has_ended(self, name: str) -> bool:
        """Also where it was never asked."""
        return name not in self._waiting.values()

    def begin(self, name: str, ask: Ask) -> None:
        if self.why_not:
            self.done[name] = Read(name, why_not=self.why_not)
        elif boottime() >= self.until:
            self.done[name] = Read(name, why_not=LATE)
        else:
            self._waiting[self._pool.submit(_asked, self.client, name, ask, self.until)] = name

    def wait(self, most: float | None = None) -> list[Read]:
        """Until the next answer is there, `most` seconds have passed, or the time is over; returns what was told."""
        left = max(0.0, self.until - boottime())
        ended, _ = wait(self._waiting, left if most is None else min(most, left), FIRST_COMPLETED)
        answered = [self._in_time(future.result()) for future in ended]
        for future, read in zip(ended, answered, strict=True):
            self.done[self._waiting.pop(future)] = read
        if not ended and boottime() >= self.until:
            self.done |= {name: Read(name, why_not=LATE) for name in self._waiting.values()}
            self._waiting.clear()
        return answered

    def _in_time(self, read: Read) -> Read:
        # A call ends by the same moment, and may be the first of the two to do so.
        gave_up = isinstance(read.error, NotSent | Unknown) and getattr(read.error, "status", None) is None
        if gave_up and boottime() >= self.until - CLOSE:
            return Read(read.name, why_not=LATE, exchanges=read.exchanges)
        return read

    def end(self) -> None:
        # What nobody waits for any more ends by `until`, whatever it is: a process that stops waits for its threads.
        self._pool.shutdown(wait=False, cancel_futures=True)


def _asked(client: FivetranReader, name: str, ask: Ask, until: float) -> Read:
    with client.heard() as exchanges, client.ending_by(until):
        try:
            answer = ask(client)
        except FivetranError as error:
            return Read(name, error=error, exchanges=tuple(exchanges))
        except ValueError as unusable:  # before anything was sent
            return Read(name, why_not=f"{unusable} Nothing was asked.")
        except Exception as failure:  # the others go on
            log.exception("the read %s of a dry run failed", name)
            words = f"The portal could not make this call ({type(failure).__name__})."
            return Read(name, why_not=words, exchanges=tuple(exchanges))
        data = answer.data if isinstance(answer, Answer) else answer
        return Read(name, data=data, exchanges=tuple(exchanges))
