"""Telling Fivetran what a person trusts. Fivetran lets that be repeated, so a lost call is due again."""

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from connections import notifications
from connections.fivetran import configured
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
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
from connections.queue import circuit_breaker
from connections.spec import refusals
from connections.states import Actor, Status
from connections.worker import account, outcome

LEASE = timedelta(seconds=120)  # longer than a short call; one that died is then due again
MAX_ATTEMPTS = 5


def due() -> QuerySet[Trust]:
    existing = Trust.objects.filter(request__status=Status.CREATED, request__deleted_at_fivetran_at=None)
    return existing.filter(state=TrustState.DUE, next_try_at__lte=Now()).order_by("next_try_at", "id")


def release() -> None:
    dead = Trust.objects.filter(lease_until__lt=Now())
    move(dead, TrustState.DUE, actor=Actor.SWEEPER, next_try_at=Now(), token=None, lease_until=None)


def send_trust(trust_id: int) -> int | None:
    """Tell Fivetran of this approval if it is due, no other worker does and the circuit breaker lets calls through.
    Returns the id of the request whose setup tests are now due, else None.
    """
    if not isinstance(trust_id, int) or not circuit_breaker.may_change():
        return None
    row = due().filter(pk=trust_id).select_related("request").first()
    if row is None:
        return None
    # By the row's own columns alone, as for the setup tests: PostgreSQL does not ask a subquery again after a wait.
    mine = Trust.objects.filter(pk=row.pk, state=TrustState.DUE, token=row.token)
    try:
        if not account.same(configured.client(), row.request.approved_account):
            _refuse(mine, row, "The API key is another account's. Nothing was sent.")
            return None
    except FivetranError as error:
        circuit_breaker.record_failure(error, read=True)
        mine.update(next_try_at=Now() + timedelta(seconds=settings.PROBE_SECONDS))
        return None
    token = uuid.uuid4()
    held: dict[str, Any] = {"token": token, "lease_until": Now() + LEASE, "attempts": F("attempts") + 1}
    if move(mine, TrustState.RUNNING, actor=Actor.WORKER, **held) != 1:
        return None
    row.attempts += 1
    return _send(row, token)


def _send(row: Trust, token: uuid.UUID) -> int | None:
    conn_request = row.request
    attempt = Attempt.objects.create(request=conn_request, call=Attempt.Call.TRUST)
    client, connection_id = configured.client(), str(conn_request.connection_id)
    try:
        if row.kind == "certificate":
            answer = client.approve_certificate(connection_id, row.hash, row.proof)
        else:
            answer = client.approve_fingerprint(connection_id, row.hash, row.proof)
    except FivetranError as error:
        outcome.retry_while_database_down(conn_request, partial(_not_sent, row, token, attempt, error))
        return None

    def conclude() -> None:
        with outcome.atomic():
            outcome.close(attempt, answer)
            mine = Trust.objects.filter(pk=row.pk, token=token)
            told = partial(_note, row, EventKind.TRUST_SENT, _what(row))
            ended: dict[str, Any] = {"token": None, "lease_until": None, "ended_at": Now(), "message": ""}
            if move(mine, TrustState.SENT, actor=Actor.WORKER, event=told, **ended) != 1:
                return  # another worker told Fivetran too, which changes nothing there
            # Due also where a run is under way: it began before Fivetran was told.
            there = Connection.objects.filter(request_id=row.request_id, request__deleted_at_fivetran_at=None)
            move(there, SetupTestsState.DUE, actor=Actor.WORKER, **DUE_NOW)
            store_turn(row.request_id)
        circuit_breaker.record_success()

    outcome.retry_while_database_down(conn_request, conclude)
    return conn_request.pk


def _not_sent(row: Trust, token: uuid.UUID, attempt: Attempt, error: FivetranError) -> None:
    """Try again later; after a refusal, or MAX_ATTEMPTS, say why and leave it to another approval."""
    give_attempt_back = isinstance(error, (NotSent, RateLimited, Unauthorized))
    final = not give_attempt_back and (isinstance(error, Refused) or row.attempts >= MAX_ATTEMPTS)
    mine = Trust.objects.filter(pk=row.pk, token=token)
    with outcome.atomic():
        circuit_breaker.record_failure(error)
        outcome.close(attempt, error)
        if not final:
            pause = timedelta(seconds=settings.PROBE_SECONDS)
            move(
                mine,
                TrustState.DUE,
                actor=Actor.WORKER,
                token=None,
                lease_until=None,
                next_try_at=Now() + pause,
                attempts=F("attempts") - (1 if give_attempt_back else 0),
                message=outcome.waiting_note(error)[:500],
            )
            return
        refused = isinstance(error, Refused)
        _refuse(mine, row, error.message if refused else f"No clear answer {MAX_ATTEMPTS} times: {error.message}")
        if refused:
            notifications.tell_of_refusal(row.request, refusals.code_of(error.status, error.code))
        if refused and error.status == 404:
            Connection.objects.filter(request=row.request_id).update(check_due_at=Now())  # is it still there?


def _refuse(mine: QuerySet[Trust], row: Trust, message: str) -> None:
    # Final, with the reason in words; another approval can be given.
    changes: dict[str, Any] = {"token": None, "lease_until": None, "ended_at": Now(), "message": message[:500]}
    with outcome.atomic():
        refused = partial(_note, row, EventKind.TRUST_REFUSED, f"{_what(row)}: {message}")
        if move(mine, TrustState.REFUSED, actor=Actor.WORKER, event=refused, **changes) == 1:
            Connection.objects.select_for_update().get(request=row.request_id).count_trust()
            store_turn(row.request_id)


def _note(row: Trust, kind: EventKind, why: str) -> None:
    Event.objects.note(row.request, kind, actor=Actor.WORKER, detail={"why": why[:600]})


def _what(row: Trust) -> str:
    return f"{row.get_kind_display()}, hash {row.hash}"[:300]
