"""Telling Fivetran of an approved change: PATCH of fixed values, or DELETE. Both may be repeated without harm.

So an unclear ending is simply tried again after a pause. After the last try Fivetran is asked how the connection is:
what it shows decides whether the change was made.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

from connections import notifications
from connections.fivetran import configured
from connections.fivetran.client import Answer, boottime
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
from connections.models import (
    Attempt,
    ChangeKind,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    IllegalTransition,
    NoticeKind,
    StaleRow,
    transition_change,
)
from connections.queue import circuit_breaker
from connections.spec import drift, payloads
from connections.states import Actor, ChangeStatus, Status
from connections.worker import account, connection_status, outcome

log = logging.getLogger(__name__)
MAX_ATTEMPTS = 5  # calls whose ending was unclear
MAX_LOOKUPS = 5  # further claims, in which Fivetran is only asked how the connection is
LEASE = timedelta(seconds=150)  # longer than a call with its deadline and a look-up; a claim that died is due again
START_SECONDS = 60.0  # in which the call must begin after the claim, so that it is over when the lease is


@dataclass(frozen=True)
class Claim:
    """A claimed change and the token that proves it."""

    change: ConnectionChange
    token: uuid.UUID
    started: float

    @property
    def mine(self) -> Q:
        """The part of every WHERE that fails once somebody else has taken the row over."""
        return Q(token=self.token)

    @property
    def request(self) -> ConnectionRequest:
        """The request whose connection it is."""
        return self.change.request


def apply_change(change_id: int) -> None:
    """Tell Fivetran of the approved change with this id, if it is due, calls are let through and nobody else has it."""
    if not isinstance(change_id, int) or not circuit_breaker.may_change():
        return
    change = ConnectionChange.objects.due().filter(pk=change_id).select_related("request").first()
    if change is None:
        return
    try:
        claim = _claim(change)
        if _may_send(claim):
            _send(claim)
    except StaleRow:
        log.info("change %s moved on while it was being made", change_id)
    except outcome.DATABASE_DOWN:
        log.warning("the database went away while change %s was being made; the sweeper heals it", change_id)
    except Exception as error:
        log.exception("change %s cannot be processed", change_id)
        _escalate(change, type(error).__name__)


def _claim(change: ConnectionChange) -> Claim:
    claim = Claim(change, uuid.uuid4(), boottime())
    transition_change(
        change,
        ChangeStatus.RUNNING,
        actor=Actor.WORKER,
        guard=Q(next_try_at__lte=Now()),
        token=claim.token,
        lease_until=Now() + LEASE,
        attempts_used=F("attempts_used") + 1,
        note="",
    )
    return claim


def _escalate(change: ConnectionChange, why: str) -> None:
    """A row that cannot be processed ends, with words; the other rows go on."""
    claim = Claim(change, change.token or uuid.uuid4(), 0.0)  # ours: another worker's is not to be ended
    change.refresh_from_db()
    try:
        _failed(claim, "portal_error", f"The portal could not process this change ({why}). Ask an operator to look.")
    except (IllegalTransition, StaleRow):
        log.warning("change %s could not be set aside from %s", change.pk, change.status)


# --- before the call -------------------------------------------------------------------------------------------------
def _may_send(claim: Claim) -> bool:
    """The checks right before the call: the body is the approved one, the connection is there, the account the same."""
    change, request = claim.change, claim.request
    if payloads.digest(change.body) != change.approved_digest:
        _failed(claim, "body_changed", "The body is not the one that was approved. Nothing was sent.")
        return False
    if request.state is not Status.CREATED or request.gone_at:
        if change.kind == ChangeKind.DELETE:
            _done(claim)
        else:
            _failed(claim, "gone", "The connection is no longer at Fivetran. Nothing was sent.")
        return False
    try:
        if account.same(configured.client(), change.approved_account):
            return True
    except FivetranError as error:
        circuit_breaker.record_failure(error, read=True)
        _requeue(claim, error, give_attempt_back=True)
        return False
    _failed(claim, "other_account", "It was approved for another Fivetran account. Nothing was sent.")
    return False


# --- the call --------------------------------------------------------------------------------------------------------
def _send(claim: Claim) -> None:
    change, request = claim.change, claim.request
    if change.attempts_used > MAX_ATTEMPTS:
        _look(claim)
        return
    deleting = change.kind == ChangeKind.DELETE
    call = Attempt.Call.DELETE if deleting else Attempt.Call.CHANGE
    attempt = Attempt.objects.create(request=request, call=call)
    client, limit = configured.client(), claim.started + START_SECONDS
    try:
        if deleting:
            answer = client.delete_connection(str(request.connection_id), give_up_at=limit)
        else:
            answer = client.update_connection(str(request.connection_id), change.body, give_up_at=limit)
    except FivetranError as error:
        _persist(claim, partial(_conclude_error, claim, attempt, error))
    else:
        _persist(claim, partial(_conclude, claim, attempt, answer))


def _persist(claim: Claim, write: Callable[[], None]) -> None:
    """As `outcome.retry_while_database_down`; the change is read again too before each further try."""

    def fresh() -> None:
        claim.change.refresh_from_db()
        write()

    outcome.retry_while_database_down(claim.request, fresh)


def _conclude(claim: Claim, attempt: Attempt, answer: Answer) -> None:
    with outcome.atomic():
        outcome.close(attempt, answer)
        _done(claim, answer)
    circuit_breaker.record_success()


def _conclude_error(claim: Claim, attempt: Attempt, error: FivetranError) -> None:
    deleting = claim.change.kind == ChangeKind.DELETE
    with outcome.atomic():
        circuit_breaker.record_failure(error)
        outcome.close(attempt, error)
        match error:
            case NotSent() | RateLimited() | Unauthorized():
                _requeue(claim, error, give_attempt_back=True)
            case Refused() if _is_gone(error):
                connection_status.mark_deleted(claim.request)
                if deleting:
                    _done(claim)
                else:
                    _failed(claim, error.code, "The connection is no longer at Fivetran.")
            case Refused():
                _failed(claim, error.code, error.message)
            case _:
                _requeue(claim, error, give_attempt_back=False)


def _is_gone(error: Refused) -> bool:
    return error.status == 404 and error.code.startswith("NotFound")


# --- how the connection is, after the last try -----------------------------------------------------------------------
def _look(claim: Claim) -> None:
    """Every try ended unclearly: what Fivetran shows decides."""
    attempt = Attempt.objects.create(request=claim.request, call=Attempt.Call.STATUS)
    try:
        answer = configured.client().get_connection(str(claim.request.connection_id))
    except FivetranError as error:
        _persist(claim, partial(_not_looked, claim, attempt, error))
    else:
        _persist(claim, partial(_looked, claim, attempt, answer))


def _looked(claim: Claim, attempt: Attempt, answer: Answer) -> None:
    change = claim.change
    with outcome.atomic():
        outcome.close(attempt, answer)
        if change.kind != ChangeKind.DELETE and _shows(answer.data, change.values):
            _done(claim, answer)
        else:
            connection_status.record_status(_connection(claim), answer.data)
            said = f"Fivetran gave no clear answer {MAX_ATTEMPTS} times, and shows the connection as it was before."
            _failed(claim, "no_effect", said)


def _shows(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether `data` is as wanted, as far as Fivetran says: of a manual schedule it does not say the frequency."""
    said = any(data.get(field) not in ("", None) for field in wanted)
    return said and not any(one["field"] in wanted for one in drift.drift(wanted, data))


def _not_looked(claim: Claim, attempt: Attempt, error: FivetranError) -> None:
    change = claim.change
    with outcome.atomic():
        circuit_breaker.record_failure(error, read=True)
        outcome.close(attempt, error)
        if isinstance(error, Refused) and _is_gone(error):
            connection_status.mark_deleted(claim.request)
            if change.kind == ChangeKind.DELETE:
                _done(claim)
            else:
                _failed(claim, error.code, "The connection is no longer at Fivetran.")
        elif isinstance(error, Refused) or change.attempts_used >= MAX_ATTEMPTS + MAX_LOOKUPS:
            said = "Fivetran gave no clear answer. Nobody knows whether the change was made: look at Fivetran."
            _failed(claim, "no_clear_answer", said)
        else:
            _requeue(claim, error, give_attempt_back=isinstance(error, (NotSent, RateLimited, Unauthorized)))


# --- where it ends ---------------------------------------------------------------------------------------------------
_RELEASED: dict[str, Any] = {"token": None, "lease_until": None, "next_try_at": None}


def _connection(claim: Claim) -> Connection:
    return Connection.objects.select_related("request").get(request=claim.request)


def _done(claim: Claim, answer: Answer | None = None) -> None:
    """Fivetran has it: store what it says, or that the connection is gone, and tell who asked."""
    change = claim.change
    with outcome.atomic():
        transition_change(change, ChangeStatus.DONE, actor=Actor.WORKER, guard=claim.mine, note="", **_RELEASED)
        if change.kind == ChangeKind.DELETE:
            connection_status.mark_deleted(claim.request)
        elif answer is not None:
            connection = _connection(claim)
            connection.baseline = drift.rebased(connection.baseline, change.body, answer.data)
            connection.save(update_fields=["baseline"])
            connection_status.record_status(connection, answer.data)
        _tell(claim)


def _failed(claim: Claim, code: str, message: str) -> None:
    with outcome.atomic():
        transition_change(
            claim.change,
            ChangeStatus.FAILED,
            actor=Actor.WORKER,
            guard=claim.mine,
            why=message,
            failure_code=code[:100],
            failure_message=message,
            note="",
            **_RELEASED,
        )
        _tell(claim)


def _requeue(claim: Claim, error: FivetranError, *, give_attempt_back: bool) -> None:
    """Into the queue again, due after a pause; the attempt counts only where the effect is unclear."""
    note = (
        outcome.waiting_note(error)
        if give_attempt_back
        else "Fivetran gave no clear answer. The portal sends it once more."
    )
    transition_change(
        claim.change,
        ChangeStatus.APPROVED,
        actor=Actor.WORKER,
        guard=claim.mine,
        why=note,
        token=None,
        lease_until=None,
        next_try_at=Now() + timedelta(seconds=settings.PROBE_SECONDS),
        attempts_used=F("attempts_used") - (1 if give_attempt_back else 0),
        note=note,
    )


def _tell(claim: Claim) -> None:
    change = claim.change
    notifications.notify(
        claim.request, NoticeKind.CHANGE_ENDED, change.requester, claim.request.requester, occasion=change.pk
    )


# --- what the sweeper does -------------------------------------------------------------------------------------------
def release(change: ConnectionChange) -> None:
    """A claim whose lease ran out: the call may have had its effect, and is simply made again."""
    transition_change(
        change,
        ChangeStatus.APPROVED,
        actor=Actor.SWEEPER,
        guard=Q(lease_until__lt=Now()),
        why="The worker was lost.",
        token=None,
        lease_until=None,
        next_try_at=Now(),
    )


def expire(change: ConnectionChange) -> None:
    """Nobody decided for EXPIRE_DAYS."""
    with outcome.atomic():
        why = f"Nobody decided in {settings.EXPIRE_DAYS} days."
        transition_change(change, ChangeStatus.EXPIRED, actor=Actor.SWEEPER, reason=why)
        notifications.notify(change.request, NoticeKind.CHANGE_ENDED, change.requester, occasion=change.pk)


def sweep(most: int) -> list[int]:
    """Release dead claims, expire what nobody decided, and return the ids of the changes that are due, `most` each."""
    dead = ConnectionChange.objects.filter(status=ChangeStatus.RUNNING, lease_until__lt=Now())
    old = Now() - timedelta(days=settings.EXPIRE_DAYS)
    unheard = ConnectionChange.objects.filter(status=ChangeStatus.PENDING, created_at__lt=old)
    for rows, act in ((dead, release), (unheard, expire)):
        for change in rows.select_related("request", "requester").order_by("id")[:most]:
            try:
                act(change)
            except (StaleRow, IllegalTransition):
                log.info("change %s moved on before the sweeper", change.pk)
            except Exception:
                log.exception("the sweeper could not deal with change %s", change.pk)
    return (
        list(ConnectionChange.objects.due().values_list("pk", flat=True)[:most]) if circuit_breaker.may_change() else []
    )
