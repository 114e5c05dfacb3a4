"""The budget of calls in time: CREATIONS_PER_MINUTE, and less where little is left of Fivetran's own limit."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import DateTimeField, Exists, F, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone

from connections.fivetran import configured
from connections.models import BreakerReason, CircuitBreaker, Pace
from connections.models.circuit_breaker import RATE_WINDOW
from connections.queue.circuit_breaker import HALF_OPEN, NOT_PAUSED, WAITED, closed_row, current

CALLS_A_CREATION = 3  # of Fivetran's hourly limit: the look-up, the creation, and whatever is read afterwards
RATE_STORED = 100  # parts of the limit: a smaller change is no reason to write
RATE_AGE = timedelta(minutes=1)  # after which it is written though little changed
RATE_FRESH = 10.0  # seconds: what this process read before that, another one may know better
_BREAKER = CircuitBreaker.objects.filter(pk=1)
_TRIAL = _BREAKER.filter(reason=BreakerReason.HALF_OPEN)


@dataclass(frozen=True)
class Permit:
    """The call may go now (`taken`), or waits until a moment, or (neither) until the breaker is closed."""

    taken: bool = False
    alone: bool = False
    interval: timedelta | None = None  # which the call takes of the rate
    wait_until: datetime | CombinedExpression | None = None


def acquire(due: Callable[[], QuerySet[Any]] | None = None, job: str = "") -> Permit:
    """Take a permit in the budget, if the circuit breaker lets calls of `job` through. `due`: what the call is for."""
    row = closed_row()
    if row is None or job in row.paused_jobs:
        return Permit()
    record_rate_limit(row)
    if row.pace is Pace.LOOK_UPS:
        return Permit(wait_until=Now() + RATE_AGE)
    if row.reason == BreakerReason.HALF_OPEN:
        if due is not None and not due().exists():  # the one place is for a call that is made
            return Permit()
        # One call goes ahead, and the others wait for its end. A worker that dies before it holds them no longer.
        until = Now() + timedelta(seconds=settings.CLAIM_LEASE)
        alone = _BREAKER.filter(HALF_OPEN).update(not_before=until) == 1
        return Permit(taken=alone, alone=alone)
    # Generic cell rate algorithm in one conditional UPDATE. The sweeper enqueues the rows that wait, so two of its
    # periods are tolerated: what one could not send goes with the next, even a late one. In an hour at 40 a minute
    # that is 2,441 calls at most.
    seconds = _interval(row)
    if not seconds:
        return Permit(taken=True)
    interval, leeway = timedelta(seconds=seconds), timedelta(seconds=tolerance())
    slot = Greatest(Coalesce(F("next_slot_at"), Now()), Now(), output_field=DateTimeField())
    free = Q(next_slot_at=None) | Q(next_slot_at__lte=Now() + leeway)
    if _BREAKER.filter(free).update(next_slot_at=slot + interval) == 1:
        return Permit(taken=True, interval=interval)
    slot_at = _BREAKER.values_list("next_slot_at", flat=True).get()
    return Permit(wait_until=slot_at - leeway if slot_at else None)


def _interval(row: CircuitBreaker) -> float:
    """Seconds between two creations: by our own rate, and by the rest of Fivetran's where that is little."""
    own = 60 / settings.CREATIONS_PER_MINUTE if settings.CREATIONS_PER_MINUTE else 0.0
    if row.pace is not Pace.SPREAD:
        return own
    return max(own, CALLS_A_CREATION * RATE_WINDOW.total_seconds() / max(1, row.rate_remaining or 0))


def record_rate_limit(row: CircuitBreaker) -> None:
    """Store on `row` what this process has just read of Fivetran's rate limit, if that is news."""
    read = configured.latest_rate_limit()
    if read is None or read.age > RATE_FRESH:
        return
    at = timezone.now() - timedelta(seconds=read.age)
    before, known = row.pace, (row.rate_limit, row.rate_remaining, row.rate_read_at)
    row.rate_limit, row.rate_remaining, row.rate_read_at = read.limit, read.remaining, at
    if known[0] == read.limit and known[1] is not None and known[2] is not None:
        little = abs(known[1] - read.remaining) * RATE_STORED < read.limit
        if little and row.pace is before and abs(at - known[2]) < RATE_AGE:
            return
    older = Q(rate_read_at=None) | Q(rate_read_at__lt=at) | Q(rate_read_at__gt=at + RATE_AGE)
    _BREAKER.filter(older).update(rate_limit=read.limit, rate_remaining=read.remaining, rate_read_at=at)


def release(permit: Permit) -> None:
    """Return a permit for which no call was made."""
    if permit.alone:
        _TRIAL.update(not_before=Now())
    elif permit.interval:
        _BREAKER.exclude(next_slot_at=None).update(next_slot_at=F("next_slot_at") - permit.interval)


def tolerance() -> float:
    """Seconds by which a call may come before its slot in the budget."""
    return 2 * settings.SWEEP_INTERVAL


def permits(most: int) -> int:
    """How many calls the budget would let go now, `most` at most."""
    breaker = current()
    if breaker.reason == BreakerReason.HALF_OPEN:
        return 1
    if breaker.pace is Pace.LOOK_UPS:
        return 0
    interval = _interval(breaker)
    if not interval:
        return most
    slot, now = _BREAKER.values_list("next_slot_at", Now()).get()
    ahead = max(0.0, (slot - now).total_seconds()) if slot else 0.0
    free = (tolerance() - ahead) / interval
    return max(0, min(most, int(free) + 1))


def still_allows(permit: Permit) -> Q:
    """A condition of a WHERE that fails if the breaker opened since `acquire`."""
    return _ALLOWS_A_TRIAL if permit.alone else _ALLOWS


_LETS_THROUGH = Q(reason=BreakerReason.CLOSED) | WAITED
_ALLOWS = Q(Exists(_BREAKER.filter(NOT_PAUSED & _LETS_THROUGH)))
_ALLOWS_A_TRIAL = Q(Exists(_BREAKER.filter(NOT_PAUSED & (_LETS_THROUGH | Q(reason=BreakerReason.HALF_OPEN)))))


def extend(permit: Permit) -> None:
    """The call is about to be made: others wait for its end as long as that may take."""
    if permit.alone:
        _TRIAL.update(not_before=Now() + timedelta(seconds=settings.SUBMIT_DEADLINE))
