"""The gate before the account: one row that all workers share. Nothing waits in a process; a call may go now or later.

Facts: a 429 counts for the whole account, and a creation that runs setup tests counts against Fivetran's hourly limit
of 2,500 (Fivetran, REST API rate limiting), hence the own budget below it.
"""

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, DateTimeField, Exists, F, Q, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Greatest, Now

from connections.fivetran import configured
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
from connections.models import ApiGate, GateReason

log = logging.getLogger(__name__)
UNCLEAR_LIMIT = 3  # unclear endings in a row after which nothing more is sent until a probe succeeds
PROBE_DOUBLINGS = 20  # the longest pause between probes, in multiples of PROBE_SECONDS
LONGEST_WAIT = 2 * 3600 * 1.1  # seconds: the longest that a 429 may ask for, with the jitter
_GATE = ApiGate.objects.filter(pk=1)
_NOT_PAUSED = Q(paused_at=None)
_TRIAL = Q(reason=GateReason.TRIAL, not_before__lte=Now())
_WAITED = Q(reason=GateReason.RATE_LIMITED, not_before__lte=Now())
_OPEN = _NOT_PAUSED & (Q(reason=GateReason.OPEN) | _WAITED | _TRIAL)


def current() -> ApiGate:
    """The gate's row, made on first use."""
    return ApiGate.objects.get_or_create(pk=1)[0]


def is_open() -> bool:
    """Whether calls that create something may go now."""
    return _reason_if_open() is not None


def may_look() -> bool:
    """Whether calls that only read may go now: neither an operator's pause nor a doubt about creations holds them."""
    return not _GATE.filter(reason=GateReason.RATE_LIMITED, not_before__gt=Now()).exists()


@dataclass(frozen=True)
class Place:
    """What `admit` says: the call may go now, or it waits until a moment, or (neither) until the gate opens again."""

    taken: bool = False
    alone: bool = False
    wait_until: datetime | None = None


def admit() -> Place:
    """Take a place in the budget of CREATIONS_PER_MINUTE, if the gate is open.

    Generic cell rate algorithm in one conditional UPDATE. Waiting rows are rung by the sweeper, so the tolerance is two
    of its periods: what one could not send goes with the next, even if that one comes late. In an hour at 40 a minute
    that is 2,441 calls at most.
    """
    reason = _reason_if_open()
    if reason is None:
        return Place()
    if reason == GateReason.TRIAL:
        return _admit_alone()
    if not settings.CREATIONS_PER_MINUTE:
        return Place(taken=True)
    interval = timedelta(seconds=60 / settings.CREATIONS_PER_MINUTE)
    leeway = timedelta(seconds=tolerance())
    slot = Greatest(Coalesce(F("next_slot_at"), Now()), Now(), output_field=DateTimeField())
    free = Q(next_slot_at=None) | Q(next_slot_at__lte=Now() + leeway)
    if _GATE.filter(free).update(next_slot_at=slot + interval) == 1:
        return Place(taken=True)
    slot_at = _GATE.values_list("next_slot_at", flat=True).get()
    return Place(wait_until=slot_at - leeway if slot_at else None)


def _reason_if_open() -> str | None:
    """The gate's reason, where calls that create something may go now; None where they may not."""
    if (reason := _GATE.filter(_OPEN).values_list("reason", flat=True).first()) is None:
        current()  # without a row nothing was ever closed
        reason = _GATE.filter(_OPEN).values_list("reason", flat=True).first()
    return reason


def give_back(place: Place) -> None:
    """Return a place for which no call was made, so that the next one need not wait for what became of it."""
    if place.alone:
        _GATE.filter(reason=GateReason.TRIAL).update(not_before=Now())
    elif settings.CREATIONS_PER_MINUTE:
        interval = timedelta(seconds=60 / settings.CREATIONS_PER_MINUTE)
        _GATE.exclude(next_slot_at=None).update(next_slot_at=F("next_slot_at") - interval)


def tolerance() -> float:
    """Seconds by which a call may come before its place in the budget."""
    return 2 * settings.SWEEP_INTERVAL


def places(most: int) -> int:
    """How many calls the budget would let go now, `most` at most: to ring for more is in vain."""
    gate = current()
    if gate.reason == GateReason.TRIAL:
        return 1
    if not settings.CREATIONS_PER_MINUTE:
        return most
    slot, now = _GATE.values_list("next_slot_at", Now()).get()
    ahead = max(0.0, (slot - now).total_seconds()) if slot else 0.0
    free = (tolerance() - ahead) * settings.CREATIONS_PER_MINUTE / 60
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
            until = _asked_for(error)
            longer = Greatest(Coalesce(F("not_before"), until), until, output_field=DateTimeField())
            # What another reason waited for says nothing about how long Fivetran asked us to wait.
            _close(
                GateReason.RATE_LIMITED,
                not_before=Case(When(reason=GateReason.RATE_LIMITED, then=longer), default=until),
            )
        case Unauthorized():
            _close(GateReason.AUTH, not_before=Now() + timedelta(seconds=settings.PROBE_SECONDS))
        case Refused():
            if not read:
                note_answer()
        case _:
            if isinstance(error, NotSent) and error.certificate:
                log.error("Fivetran's certificate was not accepted; nothing is sent to whoever answers there")
            elif error.status is not None and 300 <= error.status < 400:
                log.error("Fivetran's address answered with a redirect (%s), which is never followed", error.status)
            _GATE.update(unclear_in_a_row=F("unclear_in_a_row") + 1)
            many = Q(unclear_in_a_row__gte=UNCLEAR_LIMIT) & (Q(reason=GateReason.OPEN) | _WAITED)
            trial = Q(pk=None) if read else Q(reason=GateReason.TRIAL)
            _close(GateReason.UNWELL, many | trial, not_before=Now() + timedelta(seconds=settings.PROBE_SECONDS))


def _asked_for(error: RateLimited) -> CombinedExpression:
    """When the wait that came with a 429 is over, a little jitter included."""
    seconds = (error.retry_after or settings.PROBE_SECONDS) * random.uniform(1.0, 1.1)  # noqa: S311  # no secret
    return Now() + timedelta(seconds=seconds)


def note_answer() -> None:
    """A call that changes something was answered clearly: Fivetran is well, and a waited-for moment is over.

    What only reads says nothing about that: while creations fail, lists may be answered all the time.
    """
    doubted, over = ~Q(unclear_in_a_row=0), _WAITED | Q(reason=GateReason.TRIAL)
    if _GATE.filter(doubted | over).exists():  # asked first: mostly there is nothing to write, and no row to lock
        _GATE.filter(doubted).update(unclear_in_a_row=0)
        _GATE.filter(over).update(reason=GateReason.OPEN, not_before=None, closed_since=None)


def _close(reason: GateReason, where: Q | None = None, **columns: object) -> None:
    # A bad key outweighs a wait: it is left only by a probe, never by time.
    stronger = Q(reason=GateReason.AUTH) if reason is not GateReason.AUTH else Q(pk=None)
    since = Coalesce(F("closed_since"), Now())
    if _GATE.filter(where or Q()).exclude(stronger).update(reason=reason, closed_since=since, probes=0, **columns) == 1:
        log.warning("the gate to Fivetran is closed: %s", reason.label)


def probe_due() -> bool:
    """Whether the gate is closed for a reason that only asking can lift, and it is time to ask."""
    return _GATE.filter(reason__in=[GateReason.AUTH, GateReason.UNWELL], not_before__lte=Now()).exists()


def longest_pause() -> float:
    """Seconds between two probes at most, or as long as Fivetran asks for in answer to one."""
    return max(float(settings.PROBE_SECONDS) * PROBE_DOUBLINGS, LONGEST_WAIT)


def probe() -> None:
    """Ask Fivetran once with the current key, and open the gate if it answers; else ask again later, ever rarer."""
    pause = timedelta(seconds=settings.PROBE_SECONDS)
    longest = pause * PROBE_DOUBLINGS
    gate = current()
    wait = min(pause * 2 ** min(gate.probes + 1, 10), longest)
    taken = _GATE.filter(
        reason__in=[GateReason.AUTH, GateReason.UNWELL], not_before__lte=Now(), probes=gate.probes
    ).update(probes=F("probes") + 1, not_before=Now() + wait)
    if taken != 1:
        return
    try:
        configured.client().probe()
    except FivetranError as error:
        log.warning("the probe failed: %s", type(error).__name__)
        if isinstance(error, Unauthorized):
            _GATE.update(reason=GateReason.AUTH)
        if isinstance(error, RateLimited):  # the reason stays: only an answer lifts it, asked for not before that
            later = Greatest(F("not_before"), _asked_for(error), output_field=DateTimeField())
            _GATE.filter(reason__in=[GateReason.AUTH, GateReason.UNWELL]).update(not_before=later)
        return
    # After a bad key the next call is as good as any; after unclear answers one goes ahead alone.
    _GATE.filter(reason=GateReason.AUTH).update(reason=GateReason.OPEN, closed_since=None, not_before=None)
    _GATE.filter(reason=GateReason.UNWELL).update(reason=GateReason.TRIAL, not_before=Now())
    _GATE.update(probes=0, unclear_in_a_row=0)
    log.info("Fivetran answered the probe")
