"""Telling Fivetran of an approved change: PATCH of fixed values, or DELETE. Both may be repeated without harm."""

import logging
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from connections import notifications
from connections.fivetran import configured
from connections.fivetran.client import Answer
from connections.fivetran.errors import FivetranError, Refused
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
from connections.queue import call, circuit_breaker, claim, retry, sweep
from connections.queue.claim import Queue
from connections.spec import drift, payloads, refusals
from connections.states import Actor, ChangeStatus, Status
from connections.worker import account, connection_status, outcome

log = logging.getLogger(__name__)
# A call that ended unclearly is made again after a pause. After the last try the portal looks at the connection: what
# Fivetran shows decides whether the change was made.
MAX_LOOKUPS = 5  # further claims, in which Fivetran is only asked how the connection is
LEASE = timedelta(seconds=150)  # longer than a call with its deadline and a look-up; a claim that died is due again
QUEUE = Queue(ConnectionChange, ChangeStatus.APPROVED, ChangeStatus.RUNNING, attempts="attempts_used")
START_SECONDS = 60.0  # in which the call must begin after the claim, so that it is over when the lease is


class Claim(claim.Claim[ConnectionChange]):
    @property
    def request(self) -> ConnectionRequest:
        return self.row.request

    @property
    def connection(self) -> Connection:
        return Connection.objects.select_related("request").get(request=self.request)

    def done(self, answer: Answer | None = None) -> None:
        """Fivetran made it: store what `answer` says, or that the connection is deleted, and tell who asked."""
        change = self.row
        with outcome.atomic():
            self._move(ChangeStatus.DONE, note="", **outcome.NOT_HELD)
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
            failure = {"failure_code": code[:100], "failure_message": message, "note": ""}
            self._move(ChangeStatus.FAILED, message, **failure, **outcome.NOT_HELD)
            self._notify()

    def without_connection(self, code: str, message: str) -> None:
        """Fivetran has no such connection any more: a deletion is done, any other change failed."""
        if self.row.kind == ChangeKind.DELETE:
            self.done()
        else:
            self.failed(code, message)

    def put_back(self, error: FivetranError, *, sent: bool = True) -> None:
        """Due again after a pause; the attempt counts only where the effect is unclear."""
        again = "Fivetran gave no clear answer. The portal sends it once more."
        note = again if sent and not retry.had_no_effect(error) else retry.waiting_note(error)
        self._move(ChangeStatus.APPROVED, note, **QUEUE.again(error, sent=sent) | {"note": note})

    def _move(self, target: ChangeStatus, why: str = "", **columns: Any) -> None:
        mine = Q(token=self.token)  # no row matches any more once another worker has claimed it
        transition_change(self.row, target, actor=Actor.WORKER, guard=mine, why=why, **columns)

    def _notify(self) -> None:
        people = [self.row.requester, self.request.requester]
        if change_step_of(self.row) is ChangeStep.REFUSED_FOR_OPERATORS:
            people += notifications.operators()
        notifications.notify(self.request, NoticeKind.CHANGE_ENDED, *people, dedup_key=self.row.pk)


def apply_change(change_id: int) -> None:
    """Tell Fivetran of the approved change with this id, if it is due and nobody else has it."""
    change = ConnectionChange.objects.due().filter(pk=change_id).select_related("request").first()
    if change is None:
        return
    try:
        held = claim_row(change)
        if _may_send(held):
            send(held)
    except (StaleRow, *call.DATABASE_DOWN):
        raise
    except Exception as error:
        log.exception("change %s cannot be processed", change_id)
        held = Claim(change, change.token or uuid.uuid4())  # ours: another worker's is not to be ended
        change.refresh_from_db()
        why = f"The portal could not process this change ({type(error).__name__}). Ask an operator to look."
        try:
            held.failed("portal_error", why)
        except (IllegalTransition, StaleRow):
            log.warning("change %s could not be set aside from %s", change.pk, change.status)


def claim_row(change: ConnectionChange) -> Claim:
    held = Claim(change)
    transition_change(
        change,
        ChangeStatus.RUNNING,
        actor=Actor.WORKER,
        guard=Q(next_try_at__lte=Now()),
        note="",
        **QUEUE.held(held.token, LEASE),
    )
    return held


def _may_send(held: Claim) -> bool:
    """Whether body, connection and account are the approved ones; else the change has ended."""
    change, conn_request = held.row, held.request
    if payloads.digest(change.body) != change.approved_digest:
        held.failed("body_changed", "The body is not the one that was approved. Nothing was sent.")
        return False
    if conn_request.state is not Status.CREATED or conn_request.deleted_at_fivetran_at:
        held.without_connection("gone", "The connection is no longer at Fivetran. Nothing was sent.")
        return False
    try:
        if account.same(configured.client(), change.approved_account):
            return True
    except FivetranError as error:
        circuit_breaker.record_failure(error, read=True)
        held.put_back(error, sent=False)
        return False
    held.failed("other_account", "It was approved for another Fivetran account. Nothing was sent.")
    return False


def send(held: Claim) -> None:
    """PATCH or DELETE, and write the answer down; only a look at Fivetran once every try has ended unclearly."""
    change, conn_request, client = held.row, held.request, configured.client()
    connection_id, limit = str(conn_request.connection_id), held.started + START_SECONDS
    if change.attempts_used > retry.MAX_ATTEMPTS:
        ask = partial(client.get_connection, connection_id)
        call.recorded(conn_request, Attempt.Call.STATUS, ask, partial(_looked, held), read=True)
    elif change.kind == ChangeKind.DELETE:
        ask = partial(client.delete_connection, connection_id, give_up_at=limit)
        call.recorded(conn_request, Attempt.Call.DELETE, ask, partial(_sent, held))
    else:
        ask = partial(client.update_connection, connection_id, change.body, give_up_at=limit)
        call.recorded(conn_request, Attempt.Call.CHANGE, ask, partial(_sent, held))


def _sent(held: Claim, result: Answer | FivetranError) -> None:
    held.row.refresh_from_db()
    match result:
        case Answer():
            held.done(result)
        case Refused() if connection_status.says_deleted(result):
            connection_status.mark_deleted(held.request)
            held.without_connection(result.code, "The connection is no longer at Fivetran.")
        case Refused():
            held.failed(refusals.code_of(result.status, result.code), result.message)
        case _:
            held.put_back(result)


def _looked(held: Claim, result: Answer | FivetranError) -> None:
    """Every try ended unclearly: what Fivetran shows of the connection decides."""
    held.row.refresh_from_db()
    change = held.row
    if isinstance(result, FivetranError):
        _not_looked(held, result)
        return
    # As far as Fivetran says: of a manual schedule it does not say the frequency.
    told = any(result.data.get(field) not in ("", None) for field in change.values)
    shown = told and not any(one["field"] in change.values for one in drift.drift(change.values, result.data))
    if change.kind != ChangeKind.DELETE and shown:
        held.done(result)
        return
    connection_status.record_status(held.connection, result.data)
    said = f"Fivetran gave no clear answer {retry.MAX_ATTEMPTS} times, and shows the connection as it was before."
    held.failed("no_effect", said)


def _not_looked(held: Claim, error: FivetranError) -> None:
    if connection_status.says_deleted(error):
        connection_status.mark_deleted(held.request)
        held.without_connection(error.code, "The connection is no longer at Fivetran.")
    elif isinstance(error, Refused) or held.row.attempts_used >= retry.MAX_ATTEMPTS + MAX_LOOKUPS:
        said = "Fivetran gave no clear answer. Nobody knows whether the change was made: look at Fivetran."
        held.failed(NO_CLEAR_ANSWER, said)
    else:
        held.put_back(error)


# --- what the sweeper does -------------------------------------------------------------------------------------------
def tidy() -> None:
    """Release dead claims, and expire what nobody decided."""
    changes = ConnectionChange.objects.select_related("request", "requester").order_by("id")
    old = Now() - timedelta(days=settings.EXPIRE_DAYS)
    sweep.each(changes.filter(status=ChangeStatus.RUNNING, lease_until__lt=Now()), release)
    sweep.each(changes.filter(status=ChangeStatus.PENDING, created_at__lt=old), expire)


def release(change: ConnectionChange) -> None:
    # The call may have had its effect; to make it again does no harm.
    mine, why = Q(lease_until__lt=Now()), "The worker was lost."
    transition_change(change, ChangeStatus.APPROVED, actor=Actor.SWEEPER, guard=mine, why=why, **QUEUE.due_again())


@outcome.atomic
def expire(change: ConnectionChange) -> None:
    why = f"Nobody decided in {settings.EXPIRE_DAYS} days."
    transition_change(change, ChangeStatus.EXPIRED, actor=Actor.SWEEPER, reason=why)
    notifications.notify(change.request, NoticeKind.CHANGE_ENDED, change.requester, dedup_key=change.pk)
