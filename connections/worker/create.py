"""From an approved request to one `POST /v1/connections`."""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection as database
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from connections.fivetran import configured
from connections.fivetran.client import boottime
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
from connections.models import Attempt, ConnectionRequest, EventKind, IllegalTransition, StaleRow, claim, transition
from connections.queue import circuit_breaker
from connections.spec import payloads, refusals
from connections.states import Actor, Status
from connections.worker import account, lookup, outcome

log = logging.getLogger(__name__)
# `sending` is committed before the call, and nothing is sent again from there: every ending that does not prove that
# nothing was created goes to `unknown`, which only a look-up leaves (`connections.worker.reconcile`).
MAX_ATTEMPTS = 5
UNKNOWN_MARGIN = 1.1  # of the call's deadline: after that no sender is left, whatever became of it


def submit(request_id: int) -> bool:
    """Send this approved request, if it is due, calls are let through and no other worker has claimed it. Returns
    whether a setup test that ran with it asks for something, or may do so.
    """
    if not isinstance(request_id, int):  # anybody who reaches the broker can enqueue
        log.warning("ignored a message with an id that is no number")
        return False
    due = ConnectionRequest.objects.due().filter(pk=request_id)
    permit = circuit_breaker.acquire(due)
    if not permit.taken:
        if permit.wait_until is not None:  # it does not fit into the rate budget: postponed, its status stays
            due.update(next_try_at=permit.wait_until, note="Waiting its turn: the portal spreads creations over time.")
        return False
    token = uuid.uuid4()
    try:
        return _send(request_id, token, permit)
    except StaleRow:
        log.info("request %s moved on while it was being sent", request_id)
    except outcome.DATABASE_DOWN:
        log.warning("the database went away while request %s was being sent; the sweeper heals it", request_id)
    except Exception as error:
        log.exception("request %s cannot be processed", request_id)
        _escalate(request_id, token, f"The portal could not process this request ({type(error).__name__}).")
    return False


def next_due() -> int | None:
    """The approved request that is due next, if any."""
    return ConnectionRequest.objects.due().values_list("pk", flat=True).first()


@dataclass(frozen=True)
class Claim:
    """A claimed request, the token that proves it, and when it was first sent before this attempt, if ever."""

    request: ConnectionRequest
    token: uuid.UUID
    sent_before: datetime | None

    @property
    def mine(self) -> Q:
        return Q(token=self.token)  # no row matches any more once another worker has claimed it


def _send(request_id: int, token: uuid.UUID, permit: circuit_breaker.Permit) -> bool:
    """Send the request in five steps; each of the first three ends it without a call where something is wrong."""
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
            circuit_breaker.release(permit)
    attempt, started = committed
    conn_request = claim.request
    # 4. Call. It must begin soon after the commit, so that it is over when the sweeper looks at the row.
    database.close()  # the call may last for minutes; afterwards a fresh connection writes the result
    try:
        begin_by = started + (UNKNOWN_MARGIN - 1) * settings.SUBMIT_DEADLINE
        answer = client.create_connection(conn_request.payload or {}, give_up_at=begin_by)
    except FivetranError as error:
        outcome.retry_while_database_down(conn_request, partial(_conclude_error, claim, attempt, error))
        return False

    # 5. Write the answer down.
    def answered() -> None:
        circuit_breaker.record_success()
        outcome.close(attempt, answer)

    def conclude() -> bool:
        return outcome.to_created(conn_request, Actor.WORKER, answer.data, guard=claim.mine, answered=answered)

    return outcome.retry_while_database_down(conn_request, conclude) is not False


def claim_row(request_id: int, token: uuid.UUID) -> Claim | None:
    """Claim the row; None where it is not due, or must not be sent and an operator has to look."""
    claimed = claim(
        request_id,
        Q(next_try_at__lte=Now(), attempts_used__lt=MAX_ATTEMPTS),
        token=token,
        lease_until=Now() + timedelta(seconds=settings.CLAIM_LEASE),
        attempts_used=F("attempts_used") + 1,
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
        clear, pause = isinstance(error, (NotSent, RateLimited, Unauthorized)), outcome.pause_after(error)
        if not clear:
            # Perhaps Fivetran gives no clear answer for this row alone: it is asked ever rarer, so that others have
            # their turn, and after MAX_ATTEMPTS an operator looks.
            pause *= 2 ** (conn_request.attempts_used - 1)
        note = outcome.waiting_note(error)
        _release(claim, why=type(error).__name__, pause=pause, give_attempt_back=clear, note=note)
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


def _release(claim: Claim, *, why: str, pause: float, give_attempt_back: bool = True, note: str = "") -> None:
    transition(
        claim.request,
        Status.APPROVED,
        actor=Actor.WORKER,
        guard=claim.mine,
        detail={"why": why},
        **outcome.released(pause),
        attempts_used=F("attempts_used") - (1 if give_attempt_back else 0),
        note=note,
    )


def commit_sending(claim: Claim, permit: circuit_breaker.Permit) -> tuple[Attempt, float] | None:
    """Commit `sending` and the open attempt; returns it with the clock's reading right after the commit, or None with
    the row in the queue again.
    """
    attempt = Attempt(request=claim.request, call=Attempt.Call.CREATE)
    circuit_breaker.extend(permit)
    try:
        transition(
            claim.request,
            Status.SENDING,
            actor=Actor.WORKER,
            guard=claim.mine & Q(lease_until__gt=Now()) & circuit_breaker.still_allows(permit),
            insert=[attempt],
            sent_at=Now(),
            first_sent_at=Coalesce(F("first_sent_at"), Now()),
            deadline_at=Now() + timedelta(seconds=settings.SUBMIT_DEADLINE * UNKNOWN_MARGIN),
        )
    except StaleRow:
        why = "nothing was sent: the circuit breaker was opened meanwhile, or the look-up took too long"
        _release(claim, why=why, pause=0)
        return None
    return attempt, boottime()


def _conclude_error(claim: Claim, attempt: Attempt, error: FivetranError) -> None:
    conn_request = claim.request
    match error:
        case NotSent() | RateLimited() | Unauthorized():
            with outcome.atomic():
                circuit_breaker.record_failure(error)  # before the row is due again
                outcome.tell_of_bad_key(conn_request, error)
                outcome.close(attempt, error)
                transition(
                    conn_request,
                    Status.APPROVED,
                    actor=Actor.WORKER,
                    guard=claim.mine,
                    detail={"why": type(error).__name__},
                    **outcome.released(outcome.pause_after(error)),
                    attempts_used=F("attempts_used") - 1,
                    first_sent_at=claim.sent_before,  # proved to have had no effect, so it was not a sending
                    note=outcome.waiting_note(error),
                )
        case Refused(name_taken=True) if claim.sent_before is not None:
            _to_unknown(claim, attempt, error, "The name is taken, perhaps by an earlier attempt.")
        case Refused():
            with outcome.atomic():
                circuit_breaker.record_success()
                outcome.close(attempt, error)
                code = "name_taken" if error.name_taken else refusals.code_of(error.status, error.code)
                outcome.to_failed(conn_request, code, error.message, claim.mine)
        case _:
            _to_unknown(claim, attempt, error, error.message)


def _to_unknown(claim: Claim, attempt: Attempt, error: FivetranError, why: str) -> None:
    with outcome.atomic():
        circuit_breaker.record_failure(error)
        outcome.close(attempt, error)
        outcome.to_unknown(claim.request, Actor.WORKER, why, claim.mine)
