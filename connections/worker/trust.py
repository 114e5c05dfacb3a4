"""Telling Fivetran what a person trusts. Fivetran lets that be repeated, so a lost call is due again."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.transaction import atomic

from connections.fivetran import configured
from connections.fivetran.client import Answer
from connections.fivetran.errors import FivetranError, Refused
from connections.models import (
    Attempt,
    Connection,
    Event,
    EventKind,
    SetupTestsState,
    Trust,
    TrustState,
    move,
    store_turn,
)
from connections.models.connection import DUE_NOW
from connections.queue import call, circuit_breaker, retry
from connections.queue.claim import Claim, Queue
from connections.queue.job import Message
from connections.states import Actor
from connections.worker import account, connection_status

LEASE = timedelta(seconds=120)  # longer than a short call; one that died is then due again
QUEUE = Queue(Trust, TrustState.DUE, TrustState.RUNNING, note="message")
DUE = Q(connection_status.THERE, state=TrustState.DUE, next_try_at__lte=Now())
due = Trust.objects.filter(DUE).order_by("next_try_at", "id").all


def send_trust(trust_id: int) -> Sequence[Message]:
    """Tell Fivetran of this approval if it is due and no other worker does; then the setup tests are due."""
    held = QUEUE.claim(Q(pk=trust_id) & DUE, LEASE)
    if held is None:
        return ()
    row, conn_request, client = held.row, held.row.request, configured.client()
    try:
        is_same = account.same(client, conn_request.approved_account)
    except FivetranError as error:
        circuit_breaker.record_failure(error, read=True)
        QUEUE.put_back(held, error, sent=False)
        return ()
    if not is_same:
        _refuse(held, "The API key is another account's. Nothing was sent.", attempts=F("attempts") - 1)
        return ()
    approve = client.approve_certificate if row.kind == "certificate" else client.approve_fingerprint
    ask = partial(approve, str(conn_request.connection_id), row.hash, row.proof)
    return call.recorded(conn_request, Attempt.Call.TRUST, ask, partial(_store, held)) or ()


def _store(held: Claim[Trust], result: Answer | FivetranError) -> Sequence[Message]:
    row = held.row
    if isinstance(result, FivetranError):
        _not_sent(held, result)
        return ()
    told, columns = partial(_note, row, EventKind.TRUST_SENT, _what(row)), {"ended_at": Now(), **QUEUE.ended()}
    if move(QUEUE.holding(held), TrustState.SENT, actor=Actor.WORKER, event=told, **columns) != 1:
        return ()  # another worker told Fivetran too, which changes nothing there
    # Due also where a run is under way: it began before Fivetran was told.
    there = Connection.objects.filter(request_id=row.request_id, request__deleted_at_fivetran_at=None)
    move(there, SetupTestsState.DUE, actor=Actor.WORKER, **DUE_NOW)
    store_turn(row.request_id)
    return [("run_tests", row.request_id)]


def _not_sent(held: Claim[Trust], error: FivetranError) -> None:
    """Try again later; after a refusal, or the last try, say why and leave it to another approval."""
    if not retry.is_final(error, held.row.attempts):
        QUEUE.put_back(held, error)
        return
    unclear = f"No clear answer {retry.MAX_ATTEMPTS} times: {error.message}"
    _refuse(held, error.message if isinstance(error, Refused) else unclear)
    if isinstance(error, Refused):
        connection_status.heed_refusal(held.row.request, error)


def _refuse(held: Claim[Trust], message: str, **columns: Any) -> None:
    # Final, with the reason in words; another approval can be given.
    row, columns = held.row, columns | {"ended_at": Now(), **QUEUE.ended(message)}
    with atomic():
        if move(QUEUE.holding(held), TrustState.REFUSED, actor=Actor.WORKER, **columns) == 1:
            _note(row, EventKind.TRUST_REFUSED, f"{_what(row)}: {message}")
            Connection.objects.select_for_update().get(request=row.request_id).count_trust()
            store_turn(row.request_id)


def _note(row: Trust, kind: EventKind, why: str) -> None:
    Event.objects.note(row.request, kind, actor=Actor.WORKER, detail={"why": why[:600]})


def _what(row: Trust) -> str:
    return f"{row.get_kind_display()}, hash {row.hash}"[:300]
