"""The gate before the account: one row that all workers share. Nothing waits in a process; a call may go now or later.

Facts: a 429 counts for the whole account, and a creation that runs setup tests counts against Fivetran's hourly limit
of 2,500 (Fivetran, REST API rate limiting), hence the own budget below it.
"""

import logging
import random
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import DateTimeField, F, Q
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone

from connections.fivetran import configured
from connections.fivetran.errors import FivetranError, RateLimited, Refused, Unauthorized
from connections.models import ApiGate, GateReason

log = logging.getLogger(__name__)
UNCLEAR_LIMIT = 3  # unclear endings in a row after which nothing more is sent until a probe succeeds
PROBE_DOUBLINGS = 20  # the longest pause between probes, in multiples of PROBE_SECONDS
_GATE = ApiGate.objects.filter(pk=1)
_NOT_PAUSED = Q(paused_at=None)
_TRIAL = Q(reason=GateReason.TRIAL, not_before__lte=Now())
_OPEN = _NOT_PAUSED & (Q(reason=GateReason.OPEN) | Q(reason=GateReason.RATE_LIMITED, not_before__lte=Now()) | _TRIAL)


def current() -> ApiGate:
    """The gate's row, made on first use."""
    return ApiGate.objects.get_or_create(pk=1)[0]


def is_open() -> bool:
    """Whether calls that create something may go now."""
    current()
    return _GATE.filter(_OPEN).exists()


def admit() -> datetime | None:
    """Take a place in the budget of CREATIONS_PER_MINUTE; None when the call may go now, else when to ask again.

    Generic cell rate algorithm in one conditional UPDATE. Waiting rows are rung by the sweeper, so the tolerance is two
    of its periods: what one could not send goes with the next, even if that one comes late. In an hour at 40 a minute
    that is 2,441 calls at most.
    """
    gate = current()
    if gate.reason == GateReason.TRIAL:
        return _admit_alone()
    if not settings.CREATIONS_PER_MINUTE:
        return None
    interval = timedelta(seconds=60 / settings.CREATIONS_PER_MINUTE)
    tolerance = timedelta(seconds=_tolerance())
    slot = Greatest(Coalesce(F("next_slot_at"), Now()), Now(), output_field=DateTimeField())
    free = Q(next_slot_at=None) | Q(next_slot_at__lte=Now() + tolerance)
    if _GATE.filter(free).update(next_slot_at=slot + interval) == 1:
        return None
    gate.refresh_from_db()
    return gate.next_slot_at - tolerance if gate.next_slot_at else None


def give_back() -> None:
    """Return a place that `admit` gave and no call will use."""
    if settings.CREATIONS_PER_MINUTE:
        interval = timedelta(seconds=60 / settings.CREATIONS_PER_MINUTE)
        _GATE.exclude(next_slot_at=None).update(next_slot_at=F("next_slot_at") - interval)


def _tolerance() -> float:
    return 2 * settings.SWEEP_INTERVAL


def places(most: int) -> int:
    """How many calls the budget would let go now, `most` at most: to ring for more is in vain.

    By this process's clock: a wrong one only makes the sweeper ring for some too many or too few.
    """
    gate = current()
    if gate.reason == GateReason.TRIAL:
        return 1
    if not settings.CREATIONS_PER_MINUTE:
        return most
    ahead = max(0.0, (gate.next_slot_at - timezone.now()).total_seconds()) if gate.next_slot_at else 0.0
    free = (_tolerance() - ahead) * settings.CREATIONS_PER_MINUTE / 60
    return max(0, min(most, int(free) + 1))


def _admit_alone() -> datetime | None:
    """While Fivetran was unwell until just now, one call goes ahead, and the others wait for what becomes of it."""
    until = Now() + timedelta(seconds=settings.SUBMIT_DEADLINE)
    if _GATE.filter(_TRIAL).update(not_before=until) == 1:
        return None
    return current().not_before


def note_error(error: FivetranError) -> None:
    """Close the gate where `error` says something about the whole account: 429, 401, or the third unclear in a row."""
    current()
    match error:
        case RateLimited(retry_after=seconds):
            wait = (seconds or settings.PROBE_SECONDS) * random.uniform(1.0, 1.1)  # noqa: S311  # jitter, not a secret
            until = Now() + timedelta(seconds=wait)
            later = Greatest(Coalesce(F("not_before"), until), until, output_field=DateTimeField())
            _close(GateReason.RATE_LIMITED, not_before=later)
        case Unauthorized():
            _close(GateReason.AUTH, not_before=Now() + timedelta(seconds=settings.PROBE_SECONDS))
        case Refused():
            note_answer()
        case _:
            _GATE.update(unclear_in_a_row=F("unclear_in_a_row") + 1)
            sick = Q(reason=GateReason.OPEN, unclear_in_a_row__gte=UNCLEAR_LIMIT) | Q(reason=GateReason.TRIAL)
            if _GATE.filter(sick).exists():
                _close(GateReason.UNWELL, not_before=Now() + timedelta(seconds=settings.PROBE_SECONDS))


def note_answer() -> None:
    """A clear answer came: Fivetran is well, and a waited-for moment is over."""
    _GATE.filter(~Q(unclear_in_a_row=0)).update(unclear_in_a_row=0)
    over = Q(reason=GateReason.RATE_LIMITED, not_before__lte=Now()) | Q(reason=GateReason.TRIAL)
    _GATE.filter(over).update(reason=GateReason.OPEN, not_before=None, closed_since=None)


def _close(reason: GateReason, **columns: object) -> None:
    # A bad key outweighs a wait: it is left only by a probe, never by time.
    stronger = Q(reason=GateReason.AUTH) if reason is not GateReason.AUTH else Q(pk=None)
    since = Coalesce(F("closed_since"), Now())
    if _GATE.exclude(stronger).update(reason=reason, closed_since=since, probes=0, **columns) == 1:
        log.warning("the gate to Fivetran is closed: %s", reason.label)


def probe_due() -> bool:
    """Whether the gate is closed for a reason that only asking can lift, and it is time to ask."""
    return _GATE.filter(reason__in=[GateReason.AUTH, GateReason.UNWELL], not_before__lte=Now()).exists()


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
        if isinstance(error, (RateLimited, Unauthorized)):
            _GATE.update(reason=GateReason.AUTH if isinstance(error, Unauthorized) else GateReason.RATE_LIMITED)
        return
    # After a bad key the next call is as good as any; after unclear answers one goes ahead alone.
    _GATE.filter(reason=GateReason.AUTH).update(reason=GateReason.OPEN, closed_since=None, not_before=None)
    _GATE.filter(reason=GateReason.UNWELL).update(reason=GateReason.TRIAL, not_before=Now())
    _GATE.update(probes=0, unclear_in_a_row=0)
    log.info("Fivetran answered the probe")
