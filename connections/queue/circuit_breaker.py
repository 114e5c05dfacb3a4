"""The circuit breaker before the Fivetran account: one row that all workers share. Nothing waits in a process."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import DateTimeField, F, Q
from django.db.models.functions import Greatest, Now

from connections.fivetran import configured
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
from connections.models import BreakerReason, CircuitBreaker, Pace, move, read_one, update_one
from connections.queue.job import Needs
from connections.queue.publisher import enqueue_on_commit
from connections.states import Actor

# A 429 counts for the whole account, and a creation that runs setup tests counts against Fivetran's hourly limit of
# 2,500 (Fivetran, REST API rate limiting): hence the own budget below it.
log = logging.getLogger(__name__)
UNCLEAR_LIMIT = 3  # unclear endings in a row after which nothing more is sent until a probe succeeds
# Seconds between two probes of a server that is away. Less than PROBE_INTERVAL, or a message that comes a moment early
# finds nothing due, and the server is missed for another interval.
PROBE_AGAIN = 2.0
PROBE_TIMEOUT = 5.0
LONGEST_WAIT = 2 * 3600 * 1.1  # seconds: the longest that a 429 may ask for, with the jitter
_ONE = Q(pk=1)
_BREAKER = CircuitBreaker.objects.filter(_ONE)
_ENDED_BY_A_SUCCESS = [BreakerReason.RATE_LIMITED, BreakerReason.HALF_OPEN]
_NOT_AS_AFTER_A_SUCCESS = _ONE & (Q(unclear_in_a_row__gt=0) | Q(reason__in=_ENDED_BY_A_SUCCESS))
_NOTHING: dict[str, Any] = {"open_since": None, "not_before": None}  # of a breaker that is closed
NOT_PAUSED = Q(paused_at=None)
HALF_OPEN = Q(reason=BreakerReason.HALF_OPEN, not_before__lte=Now())
WAITED = Q(reason=BreakerReason.RATE_LIMITED, not_before__lte=Now())
_CLOSED = NOT_PAUSED & (Q(reason=BreakerReason.CLOSED) | WAITED | HALF_OPEN)


def current() -> CircuitBreaker:
    return read_one(CircuitBreaker, _ONE) or CircuitBreaker.objects.get_or_create(pk=1)[0]


def allows(needs: Needs, job: str = "") -> bool:
    """Whether a job that needs this may run now."""
    row = current()
    if job in row.paused_jobs:
        return False
    if needs is Needs.NOTHING:
        return True
    if needs is Needs.READING:
        return row.reason != BreakerReason.RATE_LIMITED or _BREAKER.filter(WAITED).exists()
    return closed_row(row) is not None and (needs is not Needs.CHANGING or row.pace is not Pace.LOOK_UPS)


def closed_row(row: CircuitBreaker | None = None) -> CircuitBreaker | None:
    """The breaker, if it lets calls through."""
    row = row or current()
    if row.paused_at is not None:
        return None
    # Which moments are over, only the database can say.
    return row if row.reason == BreakerReason.CLOSED else _BREAKER.filter(_CLOSED).first()


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
            _open(before, BreakerReason.OPEN, Q(reason=BreakerReason.CLOSED) | WAITED, not_before=soon)
            if not read:  # what the trial was to show is as open as before
                trial = Q(reason=BreakerReason.HALF_OPEN)
                _open(before, BreakerReason.OPEN, trial, not_before=soon, unclear_in_a_row=UNCLEAR_LIMIT)
        case _:
            if error.status is not None and 300 <= error.status < 400:
                log.error("Fivetran's address answered with a redirect (%s), which is never followed", error.status)
            _BREAKER.update(unclear_in_a_row=F("unclear_in_a_row") + 1)
            many = Q(unclear_in_a_row__gte=UNCLEAR_LIMIT) & (Q(reason=BreakerReason.CLOSED) | WAITED)
            # Of a read it may be one connection's alone: it does not end the trial that another call is.
            trial = Q(pk=None) if read else Q(reason=BreakerReason.HALF_OPEN)
            again = Now() + timedelta(seconds=settings.PROBE_SECONDS)
            _open(before, BreakerReason.OPEN, many | trial, not_before=again)


def record_success() -> None:
    """A call that changes something was answered clearly: creations work again."""
    # Reads do not come here: while creations fail, lists may be answered all the time.
    row = update_one(CircuitBreaker, _NOT_AS_AFTER_A_SUCCESS, columns={"unclear_in_a_row": 0})
    if row and row.reason in _ENDED_BY_A_SUCCESS:
        over = WAITED | Q(reason=BreakerReason.HALF_OPEN)
        if move(_BREAKER.filter(over), BreakerReason.CLOSED, actor=Actor.WORKER, **_NOTHING):
            enqueue_on_commit("sweep", True)  # whatever waits should be looked for at once


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
        _BREAKER.filter(WAITED), BreakerReason.CLOSED, actor=Actor.RECONCILER, **_NOTHING
    ):
        enqueue_on_commit("sweep", True)
    if breaker.reason not in (BreakerReason.AUTH, BreakerReason.OPEN):
        return
    # A server that is away is asked often, a key that is refused rarely.
    wait = _probe_again() if breaker.reason == BreakerReason.OPEN else float(settings.PROBE_SECONDS)
    taken = _BREAKER.filter(reason=breaker.reason, not_before__lte=Now(), probes=breaker.probes)
    probes = min(breaker.probes + 1, 32_000)
    # Until this one is over no other begins: an answer that comes late would outweigh a newer one.
    longest = max(wait, 2 * PROBE_TIMEOUT)
    if taken.update(probes=probes, not_before=Now() + timedelta(seconds=longest)) != 1:
        return
    mine = _BREAKER.filter(reason=breaker.reason, probes=probes)
    try:
        timeouts = {"connect_timeout": PROBE_TIMEOUT, "read_timeout": PROBE_TIMEOUT, "get_deadline": 2 * PROBE_TIMEOUT}
        configured.client(**timeouts).probe()
    except FivetranError as error:
        log.warning("the probe failed: %s", type(error).__name__)
        mine.update(not_before=Now() + timedelta(seconds=wait))
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
    enqueue_on_commit("sweep", True)
