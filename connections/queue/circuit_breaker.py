"""The gate before the account: one row that all workers share. Nothing waits in a process; a call may go now or later.

Facts: a 429 counts for the whole account, and a creation that runs setup tests counts against Fivetran's hourly limit
of 2,500 (Fivetran, REST API rate limiting), hence the own budget below it.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Exists, F, Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Greatest, Now
from django.dispatch import Signal
from django.utils import timezone

from connections.fivetran import configured
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
from connections.models import ApiGate, GateReason, Pace
from connections.models.circuit_breaker import RATE_WINDOW

log = logging.getLogger(__name__)
UNCLEAR_LIMIT = 3  # unclear endings in a row after which nothing more is sent until a probe succeeds
PROBE_AGAIN = 5.0  # seconds between two probes of a server that is away; the first one waits for PROBE_SECONDS
CALLS_A_CREATION = 3  # of Fivetran's hourly limit: the look-up, the creation, and whatever is read afterwards
RATE_STORED = 100  # parts of the limit: a smaller change is no reason to write
RATE_AGE = timedelta(minutes=1)  # after which it is written though little changed
RATE_FRESH = 10.0  # seconds: what this process read before that, another one may know better
LONGEST_WAIT = 2 * 3600 * 1.1  # seconds: the longest that a 429 may ask for, with the jitter
_GATE = ApiGate.objects.filter(pk=1)
reopened = Signal()  # calls may go again: whatever waits should be looked for at once
_NOT_PAUSED = Q(paused_at=None)
_TRIAL = Q(reason=GateReason.TRIAL, not_before__lte=Now())
_WAITED = Q(reason=GateReason.RATE_LIMITED, not_before__lte=Now())
_OPEN = _NOT_PAUSED & (Q(reason=GateReason.OPEN) | _WAITED | _TRIAL)


def current() -> ApiGate:
    """The gate's row, made on first use."""
    return ApiGate.objects.get_or_create(pk=1)[0]


def is_open() -> bool:
    """Whether calls may go now; those that change something also ask `may_change`."""
    return _row_if_open() is not None


def may_change() -> bool:
    """Whether calls that change something may go now: not while the rest of the rate limit is for look-ups."""
    row = _row_if_open()
    return row is not None and row.pace is not Pace.LOOK_UPS


def may_look() -> bool:
    """Whether calls that only read may go now: neither an operator's pause nor a doubt about creations holds them."""
    return not _GATE.filter(reason=GateReason.RATE_LIMITED, not_before__gt=Now()).exists()


@dataclass(frozen=True)
class Place:
    """What `admit` says: the call may go now, or it waits until a moment, or (neither) until the gate opens again."""

    taken: bool = False
    alone: bool = False
    interval: timedelta | None = None  # which the call takes of the rate
    wait_until: datetime | CombinedExpression | None = None


def admit() -> Place:
    """Take a place in the budget of CREATIONS_PER_MINUTE, if the gate is open.

    Generic cell rate algorithm in one conditional UPDATE. Waiting rows are rung by the sweeper, so the tolerance is two
    of its periods: what one could not send goes with the next, even if that one comes late. In an hour at 40 a minute
    that is 2,441 calls at most.
    """
    row = _row_if_open()
    if row is None:
        return Place()
    note_rate_limit(row)
    if row.pace is Pace.LOOK_UPS:
        return Place(wait_until=Now() + RATE_AGE)
    if row.reason == GateReason.TRIAL:
        return _admit_alone()
    seconds = _interval(row)
    if not seconds:
        return Place(taken=True)
    interval, leeway = timedelta(seconds=seconds), timedelta(seconds=tolerance())
    slot = Greatest(Coalesce(F("next_slot_at"), Now()), Now(), output_field=DateTimeField())
    free = Q(next_slot_at=None) | Q(next_slot_at__lte=Now() + leeway)
    if _GATE.filter(free).update(next_slot_at=slot + interval) == 1:
        return Place(taken=True, interval=interval)
    slot_at = _GATE.values_list("next_slot_at", flat=True).get()
    return Place(wait_until=slot_at - leeway if slot_at else None)


def _row_if_open() -> ApiGate | None:
    """The gate's row, where calls may go now; None where they may not."""
    if (row := _GATE.filter(_OPEN).first()) is None:
        current()  # without a row nothing was ever closed
        row = _GATE.filter(_OPEN).first()
    return row


def _interval(row: ApiGate) -> float:
    """Seconds between two creations: by our own rate, and by what is left of Fivetran's, if that is little."""
    own = 60 / settings.CREATIONS_PER_MINUTE if settings.CREATIONS_PER_MINUTE else 0.0
    if row.pace is not Pace.SPREAD:
        return own
    return max(own, CALLS_A_CREATION * RATE_WINDOW.total_seconds() / max(1, row.rate_remaining or 0))


def note_rate_limit(row: ApiGate) -> None:
    """Store on `row` what this process has just read of Fivetran's rate limit, if that says something new."""
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
    _GATE.filter(older).update(rate_limit=read.limit, rate_remaining=read.remaining, rate_read_at=at)


def give_back(place: Place) -> None:
    """Return a place for which no call was made, so that the next one need not wait for what became of it."""
    if place.alone:
        _GATE.filter(reason=GateReason.TRIAL).update(not_before=Now())
    elif place.interval:
        _GATE.exclude(next_slot_at=None).update(next_slot_at=F("next_slot_at") - place.interval)


def tolerance() -> float:
    """Seconds by which a call may come before its place in the budget."""
    return 2 * settings.SWEEP_INTERVAL


def places(most: int) -> int:
    """How many calls the budget would let go now, `most` at most: to ring for more is in vain."""
    gate = current()
    if gate.reason == GateReason.TRIAL:
        return 1
    if gate.pace is Pace.LOOK_UPS:
        return 0
    interval = _interval(gate)
    if not interval:
        return most
    slot, now = _GATE.values_list("next_slot_at", Now()).get()
    ahead = max(0.0, (slot - now).total_seconds()) if slot else 0.0
    free = (tolerance() - ahead) / interval
    return max(0, min(most, int(free) + 1))


def _admit_alone() -> Place:
    """While Fivetran was unwell until just now, one call goes ahead, and the others wait for what becomes of it."""
    until = Now() + timedelta(seconds=settings.CLAIM_LEASE)  # a worker that dies before its call holds it no longer
    alone = _GATE.filter(_TRIAL).update(not_before=until) == 1
    return Place(taken=alone, alone=alone)


def still_lets(place: Place) -> Q:
    """The part of a WHERE that fails once the gate was closed since `admit`: by an operator, or by another call."""
    trial = Q(reason=GateReason.TRIAL) if place.alone else Q(pk=None)
    return Q(Exists(_GATE.filter(_NOT_PAUSED & (Q(reason=GateReason.OPEN) | _WAITED | trial))))


def keep(place: Place) -> None:
    """The call is about to be made: others wait for its ending as long as that may take."""
    if place.alone:
        _GATE.filter(reason=GateReason.TRIAL).update(not_before=Now() + timedelta(seconds=settings.SUBMIT_DEADLINE))


def note_error(error: FivetranError, *, read: bool = False) -> None:
    """Close the gate where `error` says something about the whole account: 429, 401, or the third unclear in a row.

    `read`: the call would have changed nothing. Its refusal does not show that creations are answered again, and its
    unclear ending, which may be that of one connection alone, does not end the trial that another call is.
    """
    current()
    match error:
        case RateLimited():
            _said(GateReason.RATE_LIMITED, ApiGate.objects.ask_to_wait(error.retry_after))
        case Unauthorized():
            _close(GateReason.AUTH, not_before=Now() + timedelta(seconds=settings.PROBE_SECONDS))
        case Refused():
            if not read:
                note_answer()
        case NotSent(late=False):
            if error.certificate:
                log.error("Fivetran's certificate was not accepted; nothing is sent to whoever answers there")
            # Nobody is there: one failure says so for all, and asking again does no harm.
            soon = Now() + timedelta(seconds=_probe_again())
            _close(GateReason.UNWELL, Q(reason=GateReason.OPEN) | _WAITED, not_before=soon)
            if not read:  # what the trial was to show is as open as before
                trial = Q(reason=GateReason.TRIAL)
                _close(GateReason.UNWELL, trial, not_before=soon, unclear_in_a_row=UNCLEAR_LIMIT)
        case _:
            if error.status is not None and 300 <= error.status < 400:
                log.error("Fivetran's address answered with a redirect (%s), which is never followed", error.status)
            _GATE.update(unclear_in_a_row=F("unclear_in_a_row") + 1)
            many = Q(unclear_in_a_row__gte=UNCLEAR_LIMIT) & (Q(reason=GateReason.OPEN) | _WAITED)
            trial = Q(pk=None) if read else Q(reason=GateReason.TRIAL)
            _close(GateReason.UNWELL, many | trial, not_before=Now() + timedelta(seconds=settings.PROBE_SECONDS))


def note_answer() -> None:
    """A call that changes something was answered clearly: Fivetran is well, and a waited-for moment is over.

    What only reads says nothing about that: while creations fail, lists may be answered all the time.
    """
    doubted, over = ~Q(unclear_in_a_row=0), _WAITED | Q(reason=GateReason.TRIAL)
    if _GATE.filter(doubted | over).exists():  # asked first: mostly there is nothing to write, and no row to lock
        _GATE.filter(doubted).update(unclear_in_a_row=0)
        if _GATE.filter(over).update(reason=GateReason.OPEN, not_before=None, closed_since=None):
            _reopen()


def _reopen() -> None:
    transaction.on_commit(lambda: reopened.send_robust(sender=ApiGate), robust=True)


def _close(reason: GateReason, where: Q | None = None, **columns: object) -> None:
    _said(reason, ApiGate.objects.close(reason, where, **columns))


def _said(reason: GateReason, closed: bool) -> None:
    if closed:
        log.warning("the gate to Fivetran is closed: %s", reason.label)


def probe_due() -> bool:
    """Whether the gate is closed for a reason that only asking can lift, and it is time to ask."""
    return _GATE.filter(reason__in=[GateReason.AUTH, GateReason.UNWELL], not_before__lte=Now()).exists()


def _probe_again() -> float:
    return min(PROBE_AGAIN, float(settings.PROBE_SECONDS))


def longest_pause() -> float:
    """Seconds between two probes at most, or as long as Fivetran asks for in answer to one."""
    return max(float(settings.PROBE_SECONDS), LONGEST_WAIT)


def probe() -> None:
    """Where the gate is closed, look whether it may open: a wait is over, or Fivetran answers with the current key.

    A server that is away is asked every PROBE_AGAIN seconds, a key that is refused every PROBE_SECONDS.
    """
    gate = current()
    if gate.reason == GateReason.RATE_LIMITED and _GATE.filter(_WAITED).update(
        reason=GateReason.OPEN, closed_since=None, not_before=None
    ):
        _reopen()
    if gate.reason not in (GateReason.AUTH, GateReason.UNWELL):
        return
    wait = _probe_again() if gate.reason == GateReason.UNWELL else float(settings.PROBE_SECONDS)
    taken = _GATE.filter(reason=gate.reason, not_before__lte=Now(), probes=gate.probes)
    probes = min(gate.probes + 1, 32_000)
    if taken.update(probes=probes, not_before=Now() + timedelta(seconds=wait)) != 1:
        return
    try:
        configured.client(connect_timeout=PROBE_AGAIN, read_timeout=PROBE_AGAIN, get_deadline=2 * PROBE_AGAIN).probe()
    except FivetranError as error:
        log.warning("the probe failed: %s", type(error).__name__)
        if isinstance(error, Unauthorized):
            _GATE.update(reason=GateReason.AUTH)
        if isinstance(error, RateLimited):  # the reason stays: only an answer lifts it, asked for not before that
            until = Now() + timedelta(seconds=error.retry_after or settings.PROBE_SECONDS)
            later = Greatest(F("not_before"), until, output_field=DateTimeField())
            _GATE.filter(reason__in=[GateReason.AUTH, GateReason.UNWELL]).update(not_before=later)
        return
    # After unclear answers one goes ahead alone; after a bad key, or where nobody was there, all may go.
    unclear = Q(reason=GateReason.UNWELL, unclear_in_a_row__gte=UNCLEAR_LIMIT)
    _GATE.filter(unclear).update(reason=GateReason.TRIAL, not_before=Now())
    answered = _GATE.filter(reason__in=[GateReason.AUTH, GateReason.UNWELL])
    answered.update(reason=GateReason.OPEN, closed_since=None, not_before=None)
    _GATE.update(probes=0, unclear_in_a_row=0)
    log.info("Fivetran answered the probe")
    _reopen()
