"""Settling a request whose outcome is unclear: look its name up until the answer is certain, and only then go on."""

import logging
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from connections.fivetran import configured
from connections.fivetran.errors import FivetranError
from connections.models import ConnectionRequest, IllegalTransition, StaleRow, transition
from connections.queue import circuit_breaker
from connections.states import Actor, Status
from connections.worker import database_clock, lookup, outcome
from connections.worker.create import MAX_ATTEMPTS

log = logging.getLogger(__name__)
# Look-ups after the first, as parts of SETTLE_SECONDS: an effect may show up as late as that.
SCHEDULE = (1 / 15, 1 / 5, 7 / 15, 1.0)
LEAST_LOOKUPS = 3
GIVE_UP_AFTER = timedelta(hours=24)


def reconcile(request_id: int) -> None:
    """Look once for the connection of an `unknown` request that is due for a look; adopt, wait, send again or ask."""
    if not isinstance(request_id, int) or not circuit_breaker.may_look():
        return
    unknown = ConnectionRequest.objects.filter(pk=request_id, status=Status.UNKNOWN)
    # While one worker looks, no other does; after one that died in its look, the next comes when the lease is over.
    lease = timedelta(seconds=settings.CLAIM_LEASE)
    if unknown.filter(next_lookup_at__lte=Now()).update(next_lookup_at=Now() + lease) != 1:
        return
    request = unknown.first()
    if request is None:
        return
    mine = Q(version=request.version)
    try:
        _settle(request, mine)
    except StaleRow:
        log.info("request %s moved on while it was looked up", request_id)
    except outcome.DATABASE_DOWN:
        log.warning("the database went away while request %s was looked up", request_id)
    except Exception as error:
        log.exception("request %s cannot be settled", request_id)
        why = f"The portal could not settle this request ({type(error).__name__})."
        request.refresh_from_db()  # what failed may have been rolled back
        with suppress(StaleRow, IllegalTransition):
            outcome.to_attention(request, Actor.RECONCILER, why, mine)


def _settle(request: ConnectionRequest, mine: Q) -> None:
    try:
        found = lookup.look_up(configured.client(), request, note=True)
    except FivetranError as error:
        circuit_breaker.record_failure(error, read=True)
        _look_again_or_give_up(request, mine)
        return
    if lookup.ours(request, found, request.first_sent_at):
        outcome.to_created(request, Actor.RECONCILER, found[0], guard=mine, adopted=True)
    elif found:
        why = f"What Fivetran has under this name does not fit what was sent: {lookup.in_words(found)}."
        outcome.to_attention(request, Actor.RECONCILER, why, mine)
    else:
        _nothing_there(request, mine)


def _look_again_or_give_up(request: ConnectionRequest, mine: Q) -> None:
    pause = timedelta(seconds=settings.PROBE_SECONDS)
    waiting = ConnectionRequest.objects.filter(mine, pk=request.pk, status=Status.UNKNOWN)
    database_clock.heed()
    if waiting.filter(unknown_at__lt=Now() - GIVE_UP_AFTER).exists():
        outcome.to_attention(request, Actor.RECONCILER, "Fivetran could not be asked for a day.", mine)
    else:
        waiting.update(next_lookup_at=Now() + pause)


def _nothing_there(request: ConnectionRequest, mine: Q) -> None:
    """Nothing under that name yet. It may still appear until SETTLE_SECONDS have passed; then it is sent again."""
    database_clock.heed()  # else a clock that was set ahead would count as time in which it could have appeared
    lookups = request.lookups + 1
    waiting = ConnectionRequest.objects.filter(mine, pk=request.pk, status=Status.UNKNOWN)
    settled = waiting.filter(unknown_at__lte=Now() - timedelta(seconds=settings.SETTLE_SECONDS)).exists()
    if not settled or lookups < LEAST_LOOKUPS:
        waiting.update(lookups=lookups, next_lookup_at=_next_look(request.unknown_at, lookups))
    elif request.attempts_used >= MAX_ATTEMPTS:
        outcome.to_attention(request, Actor.RECONCILER, f"{MAX_ATTEMPTS} attempts were used up.", mine)
    else:
        transition(
            request,
            Status.APPROVED,
            actor=Actor.RECONCILER,
            guard=mine,
            detail={"why": f"not there after {lookups} look-ups"},
            **outcome.released(0),
            unknown_at=None,
            next_lookup_at=None,
            lookups=0,
            note="",
        )


def _next_look(unknown_at: datetime | None, lookups: int) -> datetime:
    """When to look next: by the schedule, counted from the moment the outcome became unclear."""
    part = SCHEDULE[min(lookups, len(SCHEDULE)) - 1]
    return (unknown_at or timezone.now()) + timedelta(seconds=settings.SETTLE_SECONDS * part)
