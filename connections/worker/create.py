"""From an approved request to one `POST /v1/connections`."""

import logging
import uuid
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from django.conf import settings
from django.db import connection as database
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now

from connections import catalog, notifications
from connections.fivetran import configured
from connections.fivetran.client import boottime
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
from connections.models import (
    Attempt,
    ConnectionRequest,
    EventKind,
    IllegalTransition,
    NoticeKind,
    StaleRow,
    claim,
    ended,
    transition,
)
from connections.queue import call, circuit_breaker, rate_budget, retry, sweep
from connections.queue.retry import MAX_ATTEMPTS
from connections.spec import payloads, refusals
from connections.states import Actor, Status
from connections.worker import account, database_clock, lookup, outcome

log = logging.getLogger(__name__)
# `sending` is committed before the call, and nothing is sent again from there: every ending that does not prove that
# nothing was created goes to `unknown`, which only a look-up leaves (`connections.worker.reconcile`).

# Constants, because each new expression would have to be compared with those of the statements that are compiled.
_NOW = Now()
_FIRST, _ONE_MORE = Coalesce(F("first_sent_at"), _NOW), F("attempts_used") + 1
_DUE, _HELD = Q(next_try_at__lte=_NOW, attempts_used__lt=MAX_ATTEMPTS), Q(lease_until__gt=_NOW)


@lru_cache(maxsize=64)
def _after(seconds: float) -> CombinedExpression:
    return _NOW + timedelta(seconds=seconds)


def submit(request_id: int) -> None:
    """Send this approved request, if it is due, calls are let through and no other worker has claimed it."""

    def due() -> QuerySet[ConnectionRequest]:
        return ConnectionRequest.objects.due().filter(pk=request_id)

    permit = rate_budget.acquire(due, "submit")
    if not permit.taken:
        if permit.wait_until is not None:  # it does not fit into the rate budget: postponed, its status stays
            note = "Waiting its turn: the portal spreads creations over time."
            due().update(next_try_at=permit.wait_until, note=note)
        return
    token = uuid.uuid4()
    try:
        asks = _send(request_id, token, permit)
    except (StaleRow, *call.DATABASE_DOWN):
        raise
    except Exception as error:
        log.exception("request %s cannot be processed", request_id)
        _escalate(request_id, token, f"The portal could not process this request ({type(error).__name__}).")
        return
    if asks:
        catalog.learn_group(request_id)


@dataclass(frozen=True)
class Claim:
    """A claimed request, the token that proves it, and when it was first sent before this attempt, if ever."""

    request: ConnectionRequest
    token: uuid.UUID
    sent_before: datetime | None

    @property
    def mine(self) -> Q:
        return Q(token=self.token)  # no row matches any more once another worker has claimed it


def _send(request_id: int, token: uuid.UUID, permit: rate_budget.Permit) -> bool:
    """Send the request in five steps; each of the first three ends it without a call where something is wrong. Returns
    whether a setup test that ran with it asks for something, or may do so.
    """
    committed = None
    try:
        # 1. Claim the row, so that no other worker sends it.
        claim = claim_row(request_id, token)
        if claim is None:
            return False
        # 2. Ask Fivetran whether the account is the approved one and the name is free.
        client = configured.client()
        if not _may_send(claim, client):
            return False
        # 3. Commit `sending`: from here on a worker that dies leaves a request whose outcome is unclear.
        committed = commit_sending(claim, permit)
        if committed is None:
            return False
    finally:
        if committed is None:
            rate_budget.release(permit)
    attempt, started = committed
    conn_request = claim.request
    # 4. Call. It must begin soon after the commit, so that it is over when the sweeper looks at the row.
    database.close()  # the call may last for minutes; afterwards a fresh connection writes the result
    try:
        begin_by = started + (call.UNKNOWN_MARGIN - 1) * settings.SUBMIT_DEADLINE
        answer = client.create_connection(conn_request.payload or {}, give_up_at=begin_by)
    except FivetranError as error:
        call.retry_while_database_down(conn_request, partial(_conclude_error, claim, attempt, error))
        return False

    # 5. Write the answer down.
    def conclude() -> bool:
        closed = attempt, ended(answer)
        circuit_breaker.record_success()
        return outcome.to_created(conn_request, Actor.WORKER, answer.data, guard=claim.mine, attempt=closed)

    return call.retry_while_database_down(conn_request, conclude) is not False


def claim_row(request_id: int, token: uuid.UUID) -> Claim | None:
    """Claim the row; None where it is not due, or must not be sent and an operator has to look."""
    claimed = claim(
        request_id,
        _DUE,
        token=token,
        lease_until=_after(settings.CLAIM_LEASE),
        attempts_used=_ONE_MORE,
        note="",
    )
    if claimed is None:
        if spent := ConnectionRequest.objects.due().filter(pk=request_id, attempts_used__gte=MAX_ATTEMPTS).first():
            outcome.to_attention(spent, Actor.WORKER, f"{MAX_ATTEMPTS} attempts were used up.", Q(token=None))
        return None
    if payloads.digest(claimed.payload or {}) != claimed.approved_digest:
        outcome.to_attention(claimed, Actor.WORKER, "The body is not the one that was approved.", Q(token=token))
        return None
    return Claim(claimed, token, claimed.first_sent_at)


def _escalate(request_id: int, token: uuid.UUID, why: str) -> None:
    mine = Q(token=None) | Q(token=token)  # another worker's row is left alone
    conn_request = ConnectionRequest.objects.get(pk=request_id)
    try:
        outcome.to_attention(conn_request, Actor.WORKER, why, mine)
    except (IllegalTransition, StaleRow):
        log.warning("request %s could not be set aside from %s", conn_request.pk, conn_request.status)


def _may_send(claim: Claim, client: Any) -> bool:
    """Whether the account is the approved one and the name is free; else the row has left `claimed` already."""
    conn_request = claim.request
    try:
        found: list[dict[str, Any]] = []
        if same := account.same(client, conn_request.approved_account):
            found = lookup.look_up(client, conn_request)
            same = account.same(client, conn_request.approved_account)  # the key may have been replaced while we looked
    except Refused as error:
        # This key may not list there. Where nothing was sent before, the POST gives the proper refusal.
        if claim.sent_before is None or sent_again_by_operator(conn_request):
            return True
        why = f"It was sent before, and Fivetran refuses to say whether it exists: {error.message}"
        outcome.to_attention(conn_request, Actor.WORKER, why, claim.mine)
        return False
    except FivetranError as error:
        circuit_breaker.record_failure(error)
        outcome.tell_of_bad_key(conn_request, error)
        clear, pause = retry.had_no_effect(error), retry.pause_after(error)
        if not clear:
            # Perhaps Fivetran gives no clear answer for this row alone: it is asked ever rarer, so that others have
            # their turn, and after MAX_ATTEMPTS an operator looks.
            pause *= 2 ** (conn_request.attempts_used - 1)
        note = retry.waiting_note(error)
        _release(claim, type(error).__name__, pause, give_attempt_back=clear, note=note)
        return False
    if not same:
        outcome.to_attention(conn_request, Actor.WORKER, "It was approved for another Fivetran account.", claim.mine)
    elif not found:
        return True
    elif claim.sent_before is None:
        message = f"A connection named {conn_request.schema} exists in this destination already."
        outcome.to_failed(conn_request, "name_taken", message, claim.mine)
    elif lookup.ours(conn_request, found, claim.sent_before):
        outcome.to_created(conn_request, Actor.WORKER, found[0], guard=claim.mine, adopted=True)
    else:
        why = f"A connection of this name exists and does not fit what was sent: {lookup.in_words(found)}."
        outcome.to_attention(conn_request, Actor.WORKER, why, claim.mine)
    return False


def sent_again_by_operator(conn_request: ConnectionRequest) -> bool:
    """Whether an operator, who looked, has had it sent again since its outcome was last unclear."""
    unclear, again = Q(target=Status.UNKNOWN), Q(target=Status.APPROVED, actor=Actor.OPERATOR)
    last = conn_request.events.filter(unclear | again, kind=EventKind.MOVED).order_by("version").last()
    return last is not None and last.actor == Actor.OPERATOR


def _release(claim: Claim, why: str, pause: float, *, give_attempt_back: bool = True, **columns: Any) -> None:
    columns["attempts_used"] = F("attempts_used") - (1 if give_attempt_back else 0)
    outcome.put_back(claim.request, Actor.WORKER, why, claim.mine, pause=pause, **columns)


def commit_sending(claim: Claim, permit: rate_budget.Permit) -> tuple[Attempt, float] | None:
    """Commit `sending` and the open attempt; returns it with the clock's reading right after the commit, or None with
    the row in the queue again.
    """
    attempt = Attempt(request=claim.request, call=Attempt.Call.CREATE)
    try:
        # Together, or a worker that dies between them would keep the one place of a trial for the length of a call.
        with outcome.atomic() if permit.alone else nullcontext():
            rate_budget.extend(permit)
            transition(
                claim.request,
                Status.SENDING,
                actor=Actor.WORKER,
                guard=claim.mine & _HELD & rate_budget.still_allows(permit),
                insert=[attempt],
                sent_at=_NOW,
                first_sent_at=_FIRST,
                deadline_at=_after(settings.SUBMIT_DEADLINE * call.UNKNOWN_MARGIN),
            )
    except StaleRow:
        why = "nothing was sent: the circuit breaker was opened meanwhile, or the look-up took too long"
        _release(claim, why, 0, note="")
        return None
    return attempt, boottime()


def _conclude_error(claim: Claim, attempt: Attempt, error: FivetranError) -> None:
    conn_request = claim.request
    with outcome.atomic():
        circuit_breaker.record_failure(error)  # before the row is due again
        outcome.tell_of_bad_key(conn_request, error)
        call.close(attempt, error)
        match error:
            case NotSent() | RateLimited() | Unauthorized():
                note, pause = retry.waiting_note(error), retry.pause_after(error)
                # Proved to have had no effect, so it was not a sending.
                _release(claim, type(error).__name__, pause, note=note, first_sent_at=claim.sent_before)
            case Refused(name_taken=True) if claim.sent_before is not None:
                why = "The name is taken, perhaps by an earlier attempt."
                outcome.to_unknown(conn_request, Actor.WORKER, why, claim.mine)
            case Refused():
                code = "name_taken" if error.name_taken else refusals.code_of(error.status, error.code)
                outcome.to_failed(conn_request, code, error.message, claim.mine)
            case _:
                outcome.to_unknown(conn_request, Actor.WORKER, error.message, claim.mine)


# --- what the sweeper does -------------------------------------------------------------------------------------------
def tidy() -> None:
    """Release dead claims, turn dead calls to `unknown`, and expire what nobody decided."""
    rows = ConnectionRequest.objects.order_by("id")
    old = Now() - timedelta(days=settings.EXPIRE_DAYS)
    sweep.each(rows.filter(status=Status.CLAIMED, lease_until__lt=Now()), release)
    sweep.each(rows.filter(status=Status.SENDING, deadline_at__lt=Now()), give_up_call)
    for status in (Status.PENDING, Status.CHANGES_REQUESTED):
        sweep.each(rows.filter(status=status, status_since__lt=old), expire)


def release(conn_request: ConnectionRequest) -> None:
    """Put a claim whose lease is over back into the queue: nothing was sent."""
    why = "the worker was lost before sending"
    outcome.put_back(conn_request, Actor.SWEEPER, why, Q(lease_until__lt=Now()))


def give_up_call(conn_request: ConnectionRequest) -> None:
    """Turn a call whose deadline is over to `unknown`: the worker died in it, and the connection may exist."""
    database_clock.heed()  # once more: it may have been set since the sweep began
    why = "The worker was lost while Fivetran was answering."
    outcome.to_unknown(conn_request, Actor.SWEEPER, why, Q(deadline_at__lt=Now()))


@outcome.atomic
def expire(conn_request: ConnectionRequest) -> None:
    why = f"Nobody decided in {settings.EXPIRE_DAYS} days."
    transition(conn_request, Status.EXPIRED, actor=Actor.SWEEPER, reason=why)
    notifications.notify(conn_request, NoticeKind.EXPIRED, *notifications.askers(conn_request))
