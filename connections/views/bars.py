"""Bars of a small chart, in the picture's own units. The words beside it say the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

STEP, TALLEST = 10, 48  # from one bar to the next, and the highest bar


@dataclass(frozen=True)
class Bar:
    x: int
    y: float
    height: float
    words: str
    tone: str


def bars(values: Sequence[tuple[float, str]], tones: Iterable[str] = repeat("primary")) -> tuple[Bar, ...]:
    """A bar for each of the `values`, which are (value, its words)."""
    highest = max(value for value, _ in values) or 1
    # What is not nothing can be seen.
    heights = [max(2, round(TALLEST * value / highest, 1)) if value else 0 for value, _ in values]
    return tuple(
        Bar(number * STEP, TALLEST - height, height, words, tone)
        for number, (height, (_, words), tone) in enumerate(zip(heights, values, tones, strict=False))
    )
