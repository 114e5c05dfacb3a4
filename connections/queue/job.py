"""A kind of background work. `connections.worker.jobs` has the list of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet

Message = tuple[Any, ...]  # the name of a job, and the arguments


class Lane(StrEnum):
    SLOW = "slow"  # a call may last for minutes
    CONTROL = "control"


class Needs(Enum):
    """What must be so before a job runs, as the circuit breaker knows it; no job runs while its kind is paused."""

    NOTHING = "nothing"
    READING = "Fivetran has not asked to wait: neither an operator's pause nor a doubt about creations stops look-ups"
    CALLING = "calls are let through"
    CHANGING = "the same, and the rest of the rate limit is not kept for look-ups"
    PERMIT = "calls are let through, and the budget has room: the job takes a permit of it"


@dataclass(frozen=True)
class Job:
    """`work` is called with the key of a row of `rows`, or without one where there are none, and may be called at any
    time, by any number of workers, for any key: it does nothing unless the row says so. It returns the messages that
    follow from it, if any.
    """

    name: str
    label: str  # for operators
    work: Callable[..., Iterable[Message] | None]
    needs: Needs = Needs.NOTHING
    lane: Lane = Lane.CONTROL
    carries_on: bool = False  # with the row that is due next, unless messages wait
    every: str = ""  # the setting with the seconds between two messages of the scheduler
    rows: Callable[[], QuerySet[Any]] | None = None  # what is due, in order
    key: str = "pk"  # the column of a row that its message holds
    most: Callable[[int], int] = lambda count: count  # how many of so many may be enqueued now
    tidy: tuple[Callable[[], object], ...] = ()  # what the sweeper does for it: what a dead worker left, what is over
    gave_up: Callable[[], QuerySet[Any]] | None = None  # rows whose tries are used up, with `request`
    why: str = "note"  # the column that says why
    again: Callable[[Any, User], object] | None = None  # has such a row tried again, for an operator
    can_pause: bool = True

    @property
    def asks_first(self) -> bool:
        """Whether the circuit breaker is asked before the work begins, and not by the work itself or not at all."""
        return self.needs is not Needs.PERMIT and (self.can_pause or self.needs is not Needs.NOTHING)
