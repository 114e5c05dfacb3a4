"""Telling Fivetran of an approved change: PATCH of fixed values, or DELETE. Both may be repeated without harm."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

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
    change_step_of,
    transition_change,
)
from connections.next_step import NO_CLEAR_ANSWER, ChangeStep
from connections.queue import circuit_breaker
from connections.spec import drift, payloads, refusals
from connections.states import Actor, ChangeStatus, Status
from connections.worker import account, connection_status, outcome

log = logging.getLogger(__name__)
# A call that ended unclearly is made again after a pause. After the last try the portal looks at the connection: what
# Fivetran shows decides whether the change was made.
MAX_ATTEMPTS = 5  # calls whose ending was unclear
MAX_LOOKUPS = 5  # further claims, in which Fivetran is only asked how the connection is
LEASE = timedelta(seconds=150)  # longer than a call with its deadline and a look-up; a claim that died is due again
START_SECONDS = 60.0  # in which the call must begin after the claim, so that it is over when the lease is


@dataclass(frozen=True)
class Claim:
    """A claimed change, the token that proves it, and the clock's reading at the claim."""

    change: ConnectionChange
    token: uuid.UUID
    started: float

    @property
    def mine(self) -> Q:
        return Q(token=self.token)  # no row matches any more once another worker has claimed it

    @property
    def request(self) -> ConnectionRequest:
        return self.change.request

    @property
    def connection(self) -> Connection:
        return Connection.objects.select_related("request").get(request=self.request)

    def done(self, answer: Answer | None = None) -> None:
        """Fivetran made it: store what `answer` says, or that the connection is deleted, and tell who asked."""
        change = self.change
        with outcome.atomic():
            transition_change(
                change, ChangeStatus.DONE, actor=Actor.WORKER, guard=self.mine, note="", **outcome.NOT_HELD
            )
            if change.kind == ChangeKind.DELETE:
                connection_status.mark_deleted(self.request)
            elif answer is not None:
                connection = self.connection
                connection.baseline = drift.rebased(connection.baseline, change.body, answer.data)
                connection.save(update_fields=["baseline"])
                connection_status.record_status(connection, answer.data)
            self._notify()

    def failed(self, code: str, message: str) -> None:
        with outcome.atomic():
            transition_change(
                self.change,
                ChangeStatus.FAILED,
                actor=Actor.WORKER,
                guard=self.mine,
                why=message,
                failure_code=code[:100],
                failure_message=message,
                note="",
                **outcome.NOT_HELD,
            )
            self._notify()

    def without_connection(self, code: str, message: str) -> None:
        """Fivetran has no such connection any more: a deletion is done, any other change failed."""
        if self.change.kind == ChangeKind.DELETE:
            self.done()
        else:
            self.failed(code, message)

    def requeue(self, error: FivetranError, *, give_attempt_back: bool) -> None:
        """Due again after a pause; the attempt counts only where the effect is unclear."""
        again = "Fivetran gave no clear answer. The portal sends it once more."
        note = outcome.waiting_note(error) if give_attempt_back else again
        transition_change(
            self.change,
            ChangeStatus.APPROVED,
            actor=Actor.WORKER,
            guard=self.mine,
            why=note,
            token=None,
            lease_until=None,
            next_try_at=Now() + timedelta(seconds=settings.PROBE_SECONDS),
            attempts_used=F("attempts_used") - (1 if give_attempt_back else 0),
            note=note,
        )

    def _notify(self) -> None:
        people = [self.change.requester, self.request.requester]
        if change_step_of(self.change) is ChangeStep.REFUSED_FOR_OPERATORS:
            people += notifications.operators()
        notifications.notify(self.request, NoticeKind.CHANGE_ENDED, *people, dedup_key=self.change.pk)

    def retry_while_database_down(self, write: Callable[[], None]) -> None:
        """As the function of `outcome`; the change is read again too before `write` runs."""

        def fresh() -> None:
            self.change.refresh_from_db()
            write()

        outcome.retry_while_database_down(self.request, fresh)


def apply_change(change_id: int) -> None:
    """Tell Fivetran of the approved change with this id, if it is due, calls are let through and nobody else has it."""
    if not isinstance(change_id, int) or not circuit_breaker.may_change():
        return
    change = ConnectionChange.objects.due().filter(pk=change_id).select_related("request").first()
    if change is None:
        return
    try:
        claim = claim_row(change)
        if _may_send(claim):
            send(claim)
    except StaleRow:
        log.info("change %s moved on while it was being made", change_id)
    except outcome.DATABASE_DOWN:
        log.warning("the database went away while change %s was being made; the sweeper heals it", change_id)
    except Exception as error:
        log.exception("change %s cannot be processed", change_id)
        claim = Claim(change, change.token or uuid.uuid4(), 0.0)  # ours: another worker's is not to be ended
        change.refresh_from_db()
        why = f"The portal could not process this change ({type(error).__name__}). Ask an operator to look."
        try:
            claim.failed("portal_error", why)
        except (IllegalTransition, StaleRow):
            log.warning("change %s could not be set aside from %s", change.pk, change.status)


def claim_row(change: ConnectionChange) -> Claim:
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


def _may_send(claim: Claim) -> bool:
    """Whether body, connection and account are the approved ones; else the change has ended."""
    change, conn_request = claim.change, claim.request
    if payloads.digest(change.body) != change.approved_digest:
        claim.failed("body_changed", "The body is not the one that was approved. Nothing was sent.")
        return False
    if conn_request.state is not Status.CREATED or conn_request.deleted_at_fivetran_at:
        claim.without_connection("gone", "The connection is no longer at Fivetran. Nothing was sent.")
        return False
    try:
        if account.same(configured.client(), change.approved_account):
            return True
    except FivetranError as error:
        circuit_breaker.record_failure(error, read=True)
        claim.requeue(error, give_attempt_back=True)
        return False
    claim.failed("other_account", "It was approved for another Fivetran account. Nothing was sent.")
    return False


def send(claim: Claim) -> None:
    """PATCH or DELETE, and write the answer down; only a look at Fivetran once every try has ended unclearly."""
    change, conn_request = claim.change, claim.request
    if change.attempts_used > MAX_ATTEMPTS:
        _look(claim)
        return
    deleting = change.kind == ChangeKind.DELETE
    call = Attempt.Call.DELETE if deleting else Attempt.Call.CHANGE
    attempt = Attempt.objects.create(request=conn_request, call=call)
    client, limit = configured.client(), claim.started + START_SECONDS
    try:
        if deleting:
            answer = client.delete_connection(str(conn_request.connection_id), give_up_at=limit)
        else:
            answer = client.update_connection(str(conn_request.connection_id), change.body, give_up_at=limit)
    except FivetranError as error:
        claim.retry_while_database_down(partial(_conclude_error, claim, attempt, error))
        return

    def conclude() -> None:
        with outcome.atomic():
            outcome.close(attempt, answer)
            claim.done(answer)
        circuit_breaker.record_success()

    claim.retry_while_database_down(conclude)


def _conclude_error(claim: Claim, attempt: Attempt, error: FivetranError) -> None:
    with outcome.atomic():
        circuit_breaker.record_failure(error)
        outcome.close(attempt, error)
        match error:
            case NotSent() | RateLimited() | Unauthorized():
                claim.requeue(error, give_attempt_back=True)
            case Refused() if connection_status.says_deleted(error):
                connection_status.mark_deleted(claim.request)
                claim.without_connection(error.code, "The connection is no longer at Fivetran.")
            case Refused():
                claim.failed(refusals.code_of(error.status, error.code), error.message)
            case _:
                claim.requeue(error, give_attempt_back=False)


def _look(claim: Claim) -> None:
    """Every try ended unclearly: what Fivetran shows of the connection decides."""
    change = claim.change
    attempt = Attempt.objects.create(request=claim.request, call=Attempt.Call.STATUS)
    try:
        answer = configured.client().get_connection(str(claim.request.connection_id))
    except FivetranError as error:
        claim.retry_while_database_down(partial(_not_looked, claim, attempt, error))
        return

    def looked() -> None:
        with outcome.atomic():
            outcome.close(attempt, answer)
            # As far as Fivetran says: of a manual schedule it does not say the frequency.
            told = any(answer.data.get(field) not in ("", None) for field in change.values)
            shown = told and not any(one["field"] in change.values for one in drift.drift(change.values, answer.data))
            if change.kind != ChangeKind.DELETE and shown:
                claim.done(answer)
            else:
                connection_status.record_status(claim.connection, answer.data)
                said = f"Fivetran gave no clear answer {MAX_ATTEMPTS} times, and shows the connection as it was before."
                claim.failed("no_effect", said)

    claim.retry_while_database_down(looked)


def _not_looked(claim: Claim, attempt: Attempt, error: FivetranError) -> None:
    with outcome.atomic():
        circuit_breaker.record_failure(error, read=True)
        outcome.close(attempt, error)
        if connection_status.says_deleted(error):
            connection_status.mark_deleted(claim.request)
            claim.without_connection(error.code, "The connection is no longer at Fivetran.")
        elif isinstance(error, Refused) or claim.change.attempts_used >= MAX_ATTEMPTS + MAX_LOOKUPS:
            said = "Fivetran gave no clear answer. Nobody knows whether the change was made: look at Fivetran."
            claim.failed(NO_CLEAR_ANSWER, said)
        else:
            claim.requeue(error, give_attempt_back=isinstance(error, (NotSent, RateLimited, Unauthorized)))


# --- what the sweeper does -------------------------------------------------------------------------------------------
def release(change: ConnectionChange) -> None:
    # The call may have had its effect; to make it again does no harm.
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
    with outcome.atomic():
        why = f"Nobody decided in {settings.EXPIRE_DAYS} days."
        transition_change(change, ChangeStatus.EXPIRED, actor=Actor.SWEEPER, reason=why)
        notifications.notify(change.request, NoticeKind.CHANGE_ENDED, change.requester, dedup_key=change.pk)


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
