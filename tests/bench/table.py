"""What was measured, as one table: each number beside its bar, and beside an earlier commit's where there is one."""

import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.bench.goals import GOALS
from tests.bench.readings import Reading


@dataclass(frozen=True)
class Line:
    """One number of a goal; `before` is the earlier commit's, None where it has none."""

    goal: str
    vendor: str
    reading: Reading
    before: float | None = None

    @property
    def ratio(self) -> float | None:
        """Now by before."""
        return self.reading.measured / self.before if self.before else None


def compared(
    goal: str, vendor: str, now: Sequence[Sequence[Reading]], before: Sequence[Sequence[Reading]]
) -> list[Line]:
    """The medians over the rounds of `now` beside those of `before`: the readings are told apart by their words."""
    earlier = _medians(before)
    return [Line(goal, vendor, found, _measured(earlier.get(what))) for what, found in _medians(now).items()]


def _medians(rounds: Sequence[Sequence[Reading]]) -> dict[str, Reading]:
    """what -> its reading in the last round, with the median of all rounds."""
    measured: dict[str, list[float]] = {}
    for readings in rounds:
        for reading in readings:
            measured.setdefault(reading.what, []).append(reading.measured)
    return {r.what: replace(r, measured=statistics.median(measured[r.what])) for r in rounds[-1]}


def _measured(reading: Reading | None) -> float | None:
    return reading.measured if reading else None


def heading(rows: int, rounds: int) -> str:
    """What the figures rest on, with the machine's load: they are worth what it was idle."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"\n{rows:,} requests, medians of {rounds} rounds, "
        f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, load {load}\n"
    )


def as_table(lines: Sequence[Line], base: str = "") -> str:
    """The lines in the order of the goals; with a `base` its figures and the ratio stand beside each."""
    rows = [("goal", "database", "what", "measured", *((base, "now / then") if base else ()), "bar", "met?")]
    for line in sorted(lines, key=lambda line: list(GOALS).index(line.goal)):
        reading = line.reading
        shown = reading.what + (f" ({reading.beside})" if reading.beside else "")
        then = "-" if line.before is None else number(line.before, reading.unit)
        ratio = "-" if line.ratio is None else f"{line.ratio:.2f} x"
        bar = "" if reading.bar is None else f"<= {number(reading.bar, reading.unit)}"
        met = {None: "reported", True: "yes", False: "NO"}[reading.met]
        beside = (then, ratio) if base else ()
        rows.append((line.goal, line.vendor, shown, number(reading.measured, reading.unit), *beside, bar, met))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)).rstrip() for row in rows) + "\n"


def number(value: float, unit: str) -> str:
    """`value` as the table shows it."""
    if unit == "x":
        return f"{value:.2f} x"
    return f"{value:.0f} {unit}" if value >= 100 or value == int(value) else f"{value:.1f} {unit}"
