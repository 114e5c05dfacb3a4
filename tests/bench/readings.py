"""What a goal measures with and what it hands back: numbers beside their bars, and the clockwork that takes turns."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

WARM_UP = 5  # turns that do not count
# Further calls on the stack. CPython 3.11 takes and frees 16 KB at each call that crosses the end of a chunk of its
# frame stack: a loop that happens to stand there takes many times as long, and one more middleware moves it elsewhere.
DEPTHS = (0, 8, 16)


@dataclass(frozen=True)
class Site:
    """What a goal finds: its databases, and how long it should measure.

    `small` and `large` are addresses of databases with 1,000 and `rows` requests. The goal's own process is set up for
    `large`, or for a copy of it where the goal writes.
    """

    vendor: str
    small: str
    large: str
    rows: int
    rounds: int

    @property
    def is_sqlite(self) -> bool:
        """SQLite is for trials: what is asked of a server's database is reported there, not demanded."""
        return self.vendor == "SQLite"


@dataclass(frozen=True)
class Reading:
    """One number. `bar` is the most it may be, None where it is only reported; `beside` names what it stands beside."""

    what: str
    measured: float
    unit: str
    bar: float | None = None
    beside: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is kept, None without one."""
        return None if self.bar is None else self.measured <= self.bar

    def as_json(self) -> dict[str, Any]:
        """The reading for another process."""
        return asdict(self)


def deeper(act: Callable[[], object], frames: int) -> Callable[[], object]:
    """The same act with as many more calls on the stack."""
    return act if frames == 0 else lambda: deeper(act, frames - 1)()


def milliseconds(act: Callable[[], object]) -> float:
    """How long `act` takes."""
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


def take_turns(
    first: Callable[[], object], second: Callable[[], object], times: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of each, alternating, who begins changing every time: a busy neighbour meets both alike."""
    took: tuple[list[float], list[float]] = ([], [])
    for turn in range(times):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            took[which].append(milliseconds((first, second)[which]))
    return took


@dataclass(frozen=True)
class Compared:
    """Medians over the rounds: of `ours` and of the yardstick (milliseconds), and of their ratio."""

    ratio: float
    ours: float
    yardstick: float


def compare(
    ours: Callable[[], object], yardstick: Callable[[], object], *, rounds: int, times: int, percent: int = 50
) -> Compared:
    """Measure both, alternating, in `rounds` of `times` each; of a round counts that percentile, else the median.

    Of the DEPTHS of the stack counts the best one, for each of both.

    A low one is for two acts of unlike length: a neighbour interrupts the long one far more often than the short one.
    """
    take_turns(ours, yardstick, WARM_UP)
    found = []
    for _ in range(rounds):
        turns = [take_turns(deeper(ours, depth), deeper(yardstick, depth), times) for depth in DEPTHS]
        mine, theirs = (min(percentile(took[which], percent) for took in turns) for which in (0, 1))
        found.append((mine / theirs, mine, theirs))
    return Compared(*(statistics.median(column) for column in zip(*found, strict=True)))


def percentile(numbers: Sequence[float], percent: int) -> float:
    """The smallest of `numbers` that at least `percent` of a hundred of them do not exceed (nearest rank)."""
    ordered = sorted(numbers)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
