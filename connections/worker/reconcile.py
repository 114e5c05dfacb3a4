"""Requests whose outcome is unclear: look the name up until the answer is certain, and only then go on."""

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from connections.fivetran import configured
from connections.fivetran.errors import FivetranError
from connections.models import ConnectionRequest, IllegalTransition, StaleRow, update_one
from connections.queue import call, circuit_breaker
from connections.queue.retry import MAX_ATTEMPTS
from connections.states import Actor, Status
from connections.worker import database_clock, lookup, outcome

log = logging.getLogger(__name__)
# Look-ups after the first, as parts of SETTLE_SECONDS: an effect may show up as late as that.
SCHEDULE = (1 / 15, 1 / 5, 7 / 15, 1.0)
LEAST_LOOKUPS = 3
GIVE_UP_AFTER = timedelta(hours=24)
DUE = Q(status=Status.UNKNOWN, next_lookup_at__lte=Now())
due = ConnectionRequest.objects.filter(DUE).order_by("next_lookup_at").all


def reconcile(request_id: int) -> None:
    """Look once for the connection of an `unknown` request that is due: adopt, wait, send again or ask an operator."""
    # While one worker looks, no other does; after one that died in its look, the next comes when the lease is over.
    claimed = {"next_lookup_at": Now() + timedelta(seconds=settings.CLAIM_LEASE)}
    conn_request = update_one(ConnectionRequest, Q(pk=request_id) & DUE, columns=claimed)
    if conn_request is None:
        return
    mine = Q(version=conn_request.version)
    try:
        _settle(conn_request, mine)
    except (StaleRow, *call.DATABASE_DOWN):
        raise
    except Exception as error:
        log.exception("request %s cannot be settled", request_id)
        why = f"The portal could not settle this request ({type(error).__name__})."
        conn_request.refresh_from_db()  # what failed may have been rolled back
        with suppress(StaleRow, IllegalTransition):
            outcome.to_attention(conn_request, Actor.RECONCILER, why, mine)


def _settle(conn_request: ConnectionRequest, mine: Q) -> None:
    waiting = ConnectionRequest.objects.filter(mine, pk=conn_request.pk, status=Status.UNKNOWN)
    # 1. Look. Where Fivetran cannot be asked: look again soon, and after a day leave it to an operator.
    try:
        found = lookup.look_up(configured.client(), conn_request, note=True)
    except FivetranError as error:
        circuit_breaker.record_failure(error, read=True)
        database_clock.heed()
        if waiting.filter(unknown_at__lt=Now() - GIVE_UP_AFTER).exists():
            outcome.to_attention(conn_request, Actor.RECONCILER, "Fivetran could not be asked for a day.", mine)
        else:
            waiting.update(next_lookup_at=Now() + timedelta(seconds=settings.PROBE_SECONDS))
        return
    # 2. Something has this name: adopt what our call can have made, leave anything else to an operator.
    if lookup.ours(conn_request, found, conn_request.first_sent_at):
        outcome.to_created(conn_request, Actor.RECONCILER, found[0], guard=mine, adopted=True)
        return
    if found:
        why = f"What Fivetran has under this name does not fit what was sent: {lookup.in_words(found)}."
        outcome.to_attention(conn_request, Actor.RECONCILER, why, mine)
        return
    # 3. Nothing has this name. It may still appear until SETTLE_SECONDS have passed; only then it is sent again.
    database_clock.heed()  # else a clock that was set ahead would count as time in which it could have appeared
    lookups = conn_request.lookups + 1
    settled = waiting.filter(unknown_at__lte=Now() - timedelta(seconds=settings.SETTLE_SECONDS)).exists()
    if not settled or lookups < LEAST_LOOKUPS:
        part = SCHEDULE[min(lookups, len(SCHEDULE)) - 1]
        pause = timedelta(seconds=settings.SETTLE_SECONDS * part)
        waiting.update(lookups=lookups, next_lookup_at=(conn_request.unknown_at or timezone.now()) + pause)
    elif conn_request.attempts_used >= MAX_ATTEMPTS:
        outcome.to_attention(conn_request, Actor.RECONCILER, f"{MAX_ATTEMPTS} attempts were used up.", mine)
    else:
        why = f"not there after {lookups} look-ups"
        looked: dict[str, Any] = {"unknown_at": None, "next_lookup_at": None, "lookups": 0, "note": ""}
        outcome.put_back(conn_request, Actor.RECONCILER, why, mine, **looked)
