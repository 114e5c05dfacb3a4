"""From an approved request to one `POST /v1/connections`: claim, look the name up, write down, send, write down.

`sending` is committed before the call and never left by sending again: every ending that does not prove that nothing
was created goes to `unknown`, which only a look-up leaves (`connections.worker.reconcile`).
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection as database
from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now

from connections.fivetran import configured
from connections.fivetran.client import Answer, boottime
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
from connections.models import Attempt, ConnectionRequest, EventKind, IllegalTransition, StaleRow, transition
from connections.queue import circuit_breaker
from connections.spec import payloads, refusals
from connections.states import Actor, Status
from connections.worker import account, lookup, outcome

log = logging.getLogger(__name__)
MAX_ATTEMPTS = 5
UNKNOWN_MARGIN = 1.1  # of the call's deadline: after that no sender is left, whatever became of it


def submit(request_id: int) -> bool:
    """Send the approved request with this id, if it is due, calls are let through and nobody else has claimed it.

    Returns whether a setup test that ran with it asks for something, or may do so.
    """
    if not isinstance(
        request_id, int
    ):  # a message only says where to look, and anybody who reaches the broker can enqueue
        log.warning("ignored a message with an id that is no number")
        return False
    request = ConnectionRequest.objects.due().select_related("requester").filter(pk=request_id).first()
    if request is None:
        return False
    permit = circuit_breaker.acquire()
    if not permit.taken:
        if permit.wait_until is not None:
            _wait(request, permit.wait_until)
        return False
    try:
        return _submit(request, permit)
    except StaleRow:
        log.info("request %s moved on while it was being sent", request_id)
    except outcome.DATABASE_DOWN:
        log.warning("the database went away while request %s was being sent; the sweeper heals it", request_id)
    except Exception as error:
        log.exception("request %s cannot be processed", request_id)
        _escalate(request, f"The portal could not process this request ({type(error).__name__}).")
    return False


def next_due() -> int | None:
    """The approved request that is due next, if any."""
    return ConnectionRequest.objects.due().values_list("pk", flat=True).first()


def _wait(request: ConnectionRequest, until: datetime | CombinedExpression) -> None:
    """Postpone a row that does not fit into the rate budget; its status stays."""
    waiting = ConnectionRequest.objects.filter(pk=request.pk, status=Status.APPROVED)
    waiting.update(next_try_at=until, note="Waiting its turn: the portal spreads creations over time.")


@dataclass(frozen=True)
class Claim:
    """A claimed request, the token that proves it, and when it was first sent before this attempt, if ever."""

    request: ConnectionRequest
    token: uuid.UUID
    sent_before: datetime | None

    @property
    def mine(self) -> Q:
        """The part of every WHERE that fails once somebody else has taken the row over."""
        return Q(token=self.token)


def _submit(request: ConnectionRequest, permit: circuit_breaker.Permit) -> bool:
    sent = False
    try:
        claim = _claim(request)
        if claim is None:
            return False
        client = configured.client()
        if not _may_send(claim, client):
            return False
        noted = _note_sending(claim, permit)
        if noted is None:
            return False
        attempt, started = noted
        sent = True
    finally:
        if not sent:
            circuit_breaker.release(permit)
    database.close()  # the call may last for minutes; afterwards a fresh connection writes the result
    try:
        answer = client.create_connection(request.payload or {}, give_up_at=started + _start_window())
    except FivetranError as error:
        outcome.retry_while_database_down(request, partial(_conclude_error, claim, attempt, error))
        return False
    return outcome.retry_while_database_down(request, partial(_conclude_created, claim, attempt, answer)) is not False


def _claim(request: ConnectionRequest) -> Claim | None:
    """Take the row with a token and a lease, or set it aside when it must not be sent."""
    if payloads.digest(request.payload or {}) != request.approved_digest:
        _escalate(request, "The body is not the one that was approved.")
        return None
    if request.attempts_used >= MAX_ATTEMPTS:
        _escalate(request, f"{MAX_ATTEMPTS} attempts were used up.")
        return None
    token = uuid.uuid4()
    transition(
        request,
        Status.CLAIMED,
        actor=Actor.WORKER,
        guard=Q(next_try_at__lte=Now()),
        token=token,
        lease_until=Now() + timedelta(seconds=settings.CLAIM_LEASE),
        attempts_used=F("attempts_used") + 1,
        note="",
    )
    return Claim(request, token, request.first_sent_at)


def _escalate(request: ConnectionRequest, why: str) -> None:
    """Leave the row to an operator, if nobody else has taken it meanwhile; the other rows go on."""
    mine = Q(token=None) | Q(token=request.token)
    request.refresh_from_db()  # what failed may have been rolled back
    try:
        outcome.to_attention(request, Actor.WORKER, why, mine)
    except (IllegalTransition, StaleRow):
        log.warning("request %s could not be set aside from %s", request.pk, request.status)


def _may_send(claim: Claim, client: Any) -> bool:
    """The checks that need Fivetran, before anything is sent: the same account, and the name still free."""
    request = claim.request
    try:
        found: list[dict[str, Any]] = []
        if same := account.same(client, request.approved_account):
            found = lookup.look_up(client, request)
            same = account.same(client, request.approved_account)  # the key may have been replaced while we looked
    except Refused as error:
        # This key may not list there. Where nothing was sent before, the POST gives the proper refusal.
        if claim.sent_before is None or _vouched_for(request):
            return True
        why = f"It was sent before, and Fivetran refuses to say whether it exists: {error.message}"
        outcome.to_attention(request, Actor.WORKER, why, claim.mine)
        return False
    except FivetranError as error:
        _requeue(claim, error)
        return False
    if not same:
        outcome.to_attention(request, Actor.WORKER, "It was approved for another Fivetran account.", claim.mine)
        return False
    if not found:
        return True
    _conclude_existing(claim, found)
    return False


def _vouched_for(request: ConnectionRequest) -> bool:
    """Whether an operator, who looked, has had it sent again since its outcome was last unclear."""
    unclear, again = Q(target=Status.UNKNOWN), Q(target=Status.APPROVED, actor=Actor.OPERATOR)
    last = request.events.filter(unclear | again, kind=EventKind.MOVED).order_by("version").last()
    return last is not None and last.actor == Actor.OPERATOR


def _conclude_existing(claim: Claim, found: list[dict[str, Any]]) -> None:
    """The name exists already: a stranger's, or the effect of an earlier attempt of ours."""
    request = claim.request
    if claim.sent_before is None:
        message = f"A connection named {request.schema} exists in this destination already."
        outcome.to_failed(request, "name_taken", message, claim.mine)
    elif lookup.ours(request, found, claim.sent_before):
        outcome.to_created(request, Actor.WORKER, found[0], guard=claim.mine, adopted=True)
    else:
        why = f"A connection of this name exists and does not fit what was sent: {lookup.in_words(found)}."
        outcome.to_attention(request, Actor.WORKER, why, claim.mine)


def _requeue(claim: Claim, error: FivetranError) -> None:
    """Nothing was sent: return the claimed row to the queue.

    With its attempt, if Fivetran was not reached or said why. One that gives no clear answer for this row, and perhaps
    for this row alone, is asked ever rarer, and after MAX_ATTEMPTS a person looks: others must have their turn.
    """
    circuit_breaker.record_failure(error)
    outcome.tell_of_bad_key(claim.request, error)
    clear, pause = isinstance(error, (NotSent, RateLimited, Unauthorized)), outcome.pause_after(error)
    _release(
        claim,
        why=type(error).__name__,
        pause=pause if clear else pause * 2 ** (claim.request.attempts_used - 1),
        give_attempt_back=clear,
        note=outcome.waiting_note(error),
    )


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


def _note_sending(claim: Claim, permit: circuit_breaker.Permit) -> tuple[Attempt, float] | None:
    """Commit `sending` and the open attempt; returns it with the clock's reading right after the commit.

    None where the breaker was opened since the claim, by an operator or by what became of another call: then the row is
    in the queue again.
    """
    try:
        with outcome.atomic():
            transition(
                claim.request,
                Status.SENDING,
                actor=Actor.WORKER,
                guard=claim.mine & Q(lease_until__gt=Now()) & circuit_breaker.still_allows(permit),
                sent_at=Now(),
                first_sent_at=Coalesce(F("first_sent_at"), Now()),
                deadline_at=Now() + timedelta(seconds=settings.SUBMIT_DEADLINE * UNKNOWN_MARGIN),
            )
            attempt = Attempt.objects.create(request=claim.request, call=Attempt.Call.CREATE)
            circuit_breaker.extend(permit)
    except StaleRow:
        _release(
            claim,
            why="nothing was sent: the circuit breaker was opened meanwhile, or the look-up took too long",
            pause=0,
        )
        return None
    return attempt, boottime()


def _start_window() -> float:
    """Seconds after the commit of `sending` in which the call must begin, so that it is over when the sweeper looks."""
    return (UNKNOWN_MARGIN - 1) * settings.SUBMIT_DEADLINE


def _conclude_created(claim: Claim, attempt: Attempt, answer: Answer) -> bool:
    with outcome.atomic():
        circuit_breaker.record_success()
        outcome.close(attempt, answer)
        return outcome.to_created(claim.request, Actor.WORKER, answer.data, guard=claim.mine)


def _conclude_error(claim: Claim, attempt: Attempt, error: FivetranError) -> None:
    request = claim.request
    match error:
        case NotSent() | RateLimited() | Unauthorized():
            with outcome.atomic():
                circuit_breaker.record_failure(error)  # before the row is due again
                outcome.tell_of_bad_key(request, error)
                outcome.close(attempt, error)
                transition(
                    request,
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
                outcome.to_failed(request, code, error.message, claim.mine)
        case _:
            _to_unknown(claim, attempt, error, error.message)


def _to_unknown(claim: Claim, attempt: Attempt, error: FivetranError, why: str) -> None:
    with outcome.atomic():
        circuit_breaker.record_failure(error)
        outcome.close(attempt, error)
        outcome.to_unknown(claim.request, Actor.WORKER, why, claim.mine)
