"""Texts that make a careless parser slow, and how long something takes on them.

Those for a regular expression are made of its own parts: what leads to a repetition, the repeated text many times, and
something that spoils the match. `LONG` characters must take less than `LIMIT` seconds of the processor's time.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from re import Pattern
from re import _parser as parser  # type: ignore[attr-defined]  # what `re` itself makes of a pattern
from types import FrameType
from typing import Any

LONG = 100_000
LENGTHS = (140, LONG)  # exponential time shows at the first, the square of a length at the second
LIMIT = 0.05
_LOOK = 0.05  # seconds between two looks at what something took
_PATIENCE = 10  # times the limit of the processor's time, after which something counts as endless
_CANDIDATES = "aZ0_-./:@ \n[]{}()<>\"'\\,;=+%&#é\u0301\u202e\x00"
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_UNITS = (
    *_CANDIDATES,
    *(
        "__",
        "__0",
        "__a",
        "config__a__0__",
        "a.",
        "a@",
        "a:",
        "://",
        "//",
        "\r\n",
        "\t",
        "\\\\",
        '\\"',
        '"a" ',
        '""',
        '"\\" ',
    ),
    *(
        "<!--",
        "<a ",
        "<a a=",
        "</",
        "&#",
        "%2F",
        "/handover/",
        "[a](",
        "{a}",
        "1",
        "9.",
        "1e",
        "sep=",
        "service,",
        "a;",
    ),
    *("['", "😀", "ß", "\ufdfa", "\u0315\u0300", "-", "+", "=", "127.", "[::", "password", "_key", "certificate"),
)


class Endless(Exception):
    """It did not end in time."""


def texts(length: int) -> Iterator[str]:
    """Hostile texts for anything that reads text."""
    for unit in _UNITS:
        yield (unit * length)[:length]
    yield "\u0315" * (length // 2) + "\u0300" * (length // 2)  # accents in the wrong order, to be sorted
    yield "http://" + "\u0315" * (length // 2) + "\u0300" * (length // 2)
    yield "a@" + "\u0315" * (length // 2) + "\u0300" * (length // 2)
    yield "service" + "," * (length - 7)
    yield "service" + "," * (length // 2) + "\nx" + "," * (length // 2)
    yield ",".join(f"config__a{n}" for n in range(length // 14)) + "\na"
    yield ",".join(f"config__password{n}" for n in range(length // 21)) + "\n" + "x," * (length // 21)
    yield "config" + "__0" * (length // 3)
    for nested in ("[", '{"a":', "("):
        yield nested * (length // len(nested))
        yield nested * 500 + "1"
    yield '{"a": 1' + "0" * length + "}"
    yield '{"a": 0.' + "1" * length + "}"
    yield "{" + ",".join(f'"{n}":1' for n in range(length // 8)) + "}"


def attacks(pattern: Pattern[str], length: int) -> Iterator[str]:
    """Hostile texts for `pattern`: each repetition in it many times, reached, alone, and spoilt at the end."""
    for before, repeated in dict.fromkeys(_loops(list(parser.parse(pattern.pattern, pattern.flags)), "")):
        many = repeated * (length // len(repeated))
        yield f"{before}{many}"
        yield f"{before}{many}!\x00"
        yield (before + repeated) * (length // len(before + repeated))


def _loops(items: list[Any], before: str) -> Iterator[tuple[str, str]]:
    for place, (op, argument) in enumerate(items):
        lead = before + (_matching(items[:place]) or [""])[0]
        if str(op) in _REPEATS:
            _, most, inner = argument
            pumps = [text for text in _matching(list(inner)) if text]
            if most > 1:
                yield from ((lead, pump) for pump in [*pumps, "".join(pumps)] if pump)
            yield from _loops(list(inner), lead)
        elif str(op) == "SUBPATTERN":
            yield from _loops(list(argument[3]), lead)
        elif str(op) == "BRANCH":
            for branch in argument[1]:
                yield from _loops(list(branch), lead)


def _matching(items: list[Any]) -> list[str]:
    """A few texts that the parts of a pattern match, one after the other."""
    found = [""]
    for op, argument in items:
        found = [text + more for text in found for more in _of_one(str(op), argument)][:4]
    return found


def _of_one(op: str, argument: Any) -> list[str]:
    if op == "LITERAL":
        return [chr(argument)]
    if op in _REPEATS:
        least, _, inner = argument
        return [text * max(least, 1) for text in _matching(list(inner))]
    if op == "SUBPATTERN":
        return _matching(list(argument[3]))
    if op == "BRANCH":
        return [text for branch in argument[1] for text in _matching(list(branch))[:1]]
    if op == "IN":
        first = argument[0][1]
        return [c for c in _CANDIDATES if _is_in(c, argument)][:4] or [
            chr(first if isinstance(first, int) else first[0])
        ]
    return {"ANY": ["a"], "NOT_LITERAL": ["a" if argument != ord("a") else "b"]}.get(op, [""])


def _is_in(character: str, members: list[Any]) -> bool:
    negated = str(members[0][0]) == "NEGATE"
    return negated != any(_is_member(character, str(op), argument) for op, argument in members)


def _is_member(character: str, op: str, argument: Any) -> bool:
    if op == "LITERAL":
        return ord(character) == argument
    if op == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    kinds = {
        "DIGIT": character.isdigit(),
        "SPACE": character.isspace(),
        "WORD": character.isalnum() or character == "_",
    }
    kind = str(argument).removeprefix("CATEGORY_")
    return op == "CATEGORY" and kinds[kind.removeprefix("NOT_")] != kind.startswith("NOT_")


# --- how long it takes -----------------------------------------------------------------------------------------------
def seconds(
    call: Callable[[Any], Any], text: Any, *, refusals: tuple[type[Exception], ...] = (), limit: float = LIMIT
) -> float:
    """The processor's seconds of `call(text)`, which may raise `refusals`: where it is slow, the best of three."""
    best = float("inf")
    for _ in range(3):
        took = _once(call, text, refusals, _PATIENCE * limit)
        best = min(best, took)
        if best < limit or took == float("inf"):  # a collection of garbage may have come between
            break
    return best


def _once(call: Callable[[Any], Any], text: Any, refusals: tuple[type[Exception], ...], patience: float) -> float:
    began = time.thread_time()
    try:
        with _ended(patience):
            call(text)
    except Endless:
        return float("inf")
    except refusals:
        pass
    return time.thread_time() - began


@contextmanager
def _ended(patience: float) -> Iterator[None]:
    """Ends what takes more than `patience` seconds of the processor: `re` looks for signals while it matches.

    By the clock on the wall, which asks how much it was: the signal of ITIMER_PROF came up to half a minute too late.
    """
    began = time.thread_time()

    def end(_signal: int, _frame: FrameType | None) -> None:
        if time.thread_time() - began > patience:
            raise Endless

    old = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, _LOOK, _LOOK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
