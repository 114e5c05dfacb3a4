"""The circuit breaker before the Fivetran account: one row that all workers share. Nothing waits in a process."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Exists, F, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Greatest, Now
from django.dispatch import Signal
from django.utils import timezone

from connections.fivetran import configured
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
from connections.models import BreakerReason, CircuitBreaker, Pace, move
from connections.models.circuit_breaker import RATE_WINDOW
from connections.states import Actor

# A 429 counts for the whole account, and a creation that runs setup tests counts against Fivetran's hourly limit of
# 2,500 (Fivetran, REST API rate limiting): hence the own budget below it.
log = logging.getLogger(__name__)
UNCLEAR_LIMIT = 3  # unclear endings in a row after which nothing more is sent until a probe succeeds
# Seconds between two probes of a server that is away. Less than PROBE_INTERVAL, or a message that comes a moment early
# finds nothing due, and the server is missed for another interval.
PROBE_AGAIN = 2.0
PROBE_TIMEOUT = 5.0
CALLS_A_CREATION = 3  # of Fivetran's hourly limit: the look-up, the creation, and whatever is read afterwards
RATE_STORED = 100  # parts of the limit: a smaller change is no reason to write
RATE_AGE = timedelta(minutes=1)  # after which it is written though little changed
RATE_FRESH = 10.0  # seconds: what this process read before that, another one may know better
LONGEST_WAIT = 2 * 3600 * 1.1  # seconds: the longest that a 429 may ask for, with the jitter
_BREAKER = CircuitBreaker.objects.filter(pk=1)
breaker_closed = Signal()  # calls may go again: whatever waits should be looked for at once
_NOTHING: dict[str, Any] = {"open_since": None, "not_before": None}  # of a breaker that is closed
_NOT_PAUSED = Q(paused_at=None)
_HALF_OPEN = Q(reason=BreakerReason.HALF_OPEN, not_before__lte=Now())
_WAITED = Q(reason=BreakerReason.RATE_LIMITED, not_before__lte=Now())
_CLOSED = _NOT_PAUSED & (Q(reason=BreakerReason.CLOSED) | _WAITED | _HALF_OPEN)


def current() -> CircuitBreaker:
    return CircuitBreaker.objects.get_or_create(pk=1)[0]


def may_call() -> bool:
    """Whether calls may go now; those that change something also ask `may_change`."""
    return _row_if_closed() is not None


def may_change() -> bool:
    """Not while the rest of the rate limit is kept for look-ups."""
    row = _row_if_closed()
    return row is not None and row.pace is not Pace.LOOK_UPS


def may_look() -> bool:
    """Calls that only read: neither an operator's pause nor a doubt about creations stops them."""
    return not _BREAKER.filter(reason=BreakerReason.RATE_LIMITED, not_before__gt=Now()).exists()


@dataclass(frozen=True)
class Permit:
    """The call may go now (`taken`), or waits until a moment, or (neither) until the breaker is closed."""

    taken: bool = False
    alone: bool = False
    interval: timedelta | None = None  # which the call takes of the rate
    wait_until: datetime | CombinedExpression | None = None


def acquire(due: QuerySet[Any] | None = None) -> Permit:
    """Take a permit in the budget of CREATIONS_PER_MINUTE, if the circuit breaker lets calls through; `due` is what the
    call is for.
    """
    row = _row_if_closed()
    if row is None:
        return Permit()
    record_rate_limit(row)
    if row.pace is Pace.LOOK_UPS:
        return Permit(wait_until=Now() + RATE_AGE)
    if row.reason == BreakerReason.HALF_OPEN:
        if due is not None and not due.exists():  # the one place is for a call that is made
            return Permit()
        # One call goes ahead, and the others wait for its end. A worker that dies before it holds them no longer.
        until = Now() + timedelta(seconds=settings.CLAIM_LEASE)
        alone = _BREAKER.filter(_HALF_OPEN).update(not_before=until) == 1
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


def _row_if_closed() -> CircuitBreaker | None:
    row = current()
    if row.paused_at is not None:
        return None
    # Which moments are over, only the database can say.
    return row if row.reason == BreakerReason.CLOSED or _BREAKER.filter(_CLOSED).exists() else None


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
        _BREAKER.filter(reason=BreakerReason.HALF_OPEN).update(not_before=Now())
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
    trial = Q(reason=BreakerReason.HALF_OPEN) if permit.alone else Q(pk=None)
    return Q(Exists(_BREAKER.filter(_NOT_PAUSED & (Q(reason=BreakerReason.CLOSED) | _WAITED | trial))))


def extend(permit: Permit) -> None:
    """The call is about to be made: others wait for its end as long as that may take."""
    if permit.alone:
        _BREAKER.filter(reason=BreakerReason.HALF_OPEN).update(
            not_before=Now() + timedelta(seconds=settings.SUBMIT_DEADLINE)
        )


def record_failure(error: FivetranError, *, read: bool = False) -> None:
    """Open the breaker where `error` concerns the whole account. `read`: the call would have changed nothing."""
    before = current().reason
    match error:
        case RateLimited():
            if CircuitBreaker.objects.ask_to_wait(error.retry_after):
                _log(before, BreakerReason.RATE_LIMITED)
        case Unauthorized():
            _open(before, BreakerReason.AUTH, not_before=Now() + timedelta(seconds=settings.PROBE_SECONDS))
        case Refused():
            if not read:  # else it does not show that creations are answered again
                record_success()
        case NotSent(late=False):
            if error.certificate:
                log.error("Fivetran's certificate was not accepted; nothing is sent to whoever answers there")
            # Nobody is there: one failure says so for all, and asking again does no harm.
            soon = Now() + timedelta(seconds=_probe_again())
            _open(before, BreakerReason.OPEN, Q(reason=BreakerReason.CLOSED) | _WAITED, not_before=soon)
            if not read:  # what the trial was to show is as open as before
                trial = Q(reason=BreakerReason.HALF_OPEN)
                _open(before, BreakerReason.OPEN, trial, not_before=soon, unclear_in_a_row=UNCLEAR_LIMIT)
        case _:
            if error.status is not None and 300 <= error.status < 400:
                log.error("Fivetran's address answered with a redirect (%s), which is never followed", error.status)
            _BREAKER.update(unclear_in_a_row=F("unclear_in_a_row") + 1)
            many = Q(unclear_in_a_row__gte=UNCLEAR_LIMIT) & (Q(reason=BreakerReason.CLOSED) | _WAITED)
            # Of a read it may be one connection's alone: it does not end the trial that another call is.
            trial = Q(pk=None) if read else Q(reason=BreakerReason.HALF_OPEN)
            again = Now() + timedelta(seconds=settings.PROBE_SECONDS)
            _open(before, BreakerReason.OPEN, many | trial, not_before=again)


def record_success() -> None:
    """A call that changes something was answered clearly: creations work again."""
    # Reads do not come here: while creations fail, lists may be answered all the time.
    row = current()
    if row.unclear_in_a_row:
        _BREAKER.update(unclear_in_a_row=0)
    if row.reason in (BreakerReason.RATE_LIMITED, BreakerReason.HALF_OPEN):
        over = _WAITED | Q(reason=BreakerReason.HALF_OPEN)
        if move(_BREAKER.filter(over), BreakerReason.CLOSED, actor=Actor.WORKER, **_NOTHING):
            _announce()


def _announce() -> None:
    transaction.on_commit(lambda: breaker_closed.send_robust(sender=CircuitBreaker), robust=True)


def _open(before: str, reason: BreakerReason, where: Q | None = None, **columns: object) -> None:
    if CircuitBreaker.objects.open(reason, where, **columns):
        _log(before, reason)


def _log(before: str, reason: BreakerReason) -> None:
    if before != reason:  # once a change: while Fivetran asks to wait, every look-up is asked so too
        log.warning("the circuit breaker is open, nothing is sent to Fivetran: %s", reason.label)


def probe_due() -> bool:
    """Whether the breaker is open for a reason that only a probe can end, and a probe is due."""
    return _BREAKER.filter(reason__in=[BreakerReason.AUTH, BreakerReason.OPEN], not_before__lte=Now()).exists()


def _probe_again() -> float:
    return min(PROBE_AGAIN, float(settings.PROBE_SECONDS))


def longest_pause() -> float:
    """The most seconds between two probes."""
    return max(float(settings.PROBE_SECONDS), LONGEST_WAIT)


def probe() -> None:
    """Where the breaker is open, see whether it may close: a wait is over, or Fivetran answers with the current key."""
    breaker = current()
    if breaker.reason == BreakerReason.RATE_LIMITED and move(
        _BREAKER.filter(_WAITED), BreakerReason.CLOSED, actor=Actor.RECONCILER, **_NOTHING
    ):
        _announce()
    if breaker.reason not in (BreakerReason.AUTH, BreakerReason.OPEN):
        return
    # A server that is away is asked often, a key that is refused rarely.
    wait = _probe_again() if breaker.reason == BreakerReason.OPEN else float(settings.PROBE_SECONDS)
    taken = _BREAKER.filter(reason=breaker.reason, not_before__lte=Now(), probes=breaker.probes)
    probes = min(breaker.probes + 1, 32_000)
    if taken.update(probes=probes, not_before=Now() + timedelta(seconds=wait)) != 1:
        return
    try:
        configured.client(
            connect_timeout=PROBE_TIMEOUT, read_timeout=PROBE_TIMEOUT, get_deadline=2 * PROBE_TIMEOUT
        ).probe()
    except FivetranError as error:
        log.warning("the probe failed: %s", type(error).__name__)
        if isinstance(error, Unauthorized):
            move(_BREAKER, BreakerReason.AUTH, actor=Actor.RECONCILER)
        if isinstance(error, RateLimited):  # the reason stays: only an answer lifts it, asked for not before that
            until = Now() + timedelta(seconds=error.retry_after or settings.PROBE_SECONDS)
            later = Greatest(F("not_before"), until, output_field=DateTimeField())
            _BREAKER.filter(reason__in=[BreakerReason.AUTH, BreakerReason.OPEN]).update(not_before=later)
        return
    # After unclear answers one goes ahead alone; after a bad key, or where nobody was there, all may go.
    unclear = Q(reason=BreakerReason.OPEN, unclear_in_a_row__gte=UNCLEAR_LIMIT)
    move(_BREAKER.filter(unclear), BreakerReason.HALF_OPEN, actor=Actor.RECONCILER, not_before=Now())
    answered = _BREAKER.filter(reason__in=[BreakerReason.AUTH, BreakerReason.OPEN])
    move(answered, BreakerReason.CLOSED, actor=Actor.RECONCILER, **_NOTHING)
    _BREAKER.update(probes=0, unclear_in_a_row=0)
    log.info("Fivetran answered the probe")
    _announce()
