"""What people do with batches. Each row goes through the verbs of `connections.workflow`, as if it had come alone."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from connections import limits, notifications, permissions, tasks, workflow
from connections.models import Batch, BatchRow, ConnectionRequest, NoticeKind, StaleRow
from connections.permissions import Denied
from connections.states import Status
from connections.workflow import Filing, NameTaken

# The worker's `submit` calls Fivetran and must not stand in a transaction; this one asks for approval, and may.
_ask = workflow.submit


class RowTaken(Exception):
    """The destination name of row `number` is held by `holder`; nothing of the batch was stored."""

    def __init__(self, number: int, holder: ConnectionRequest) -> None:
        super().__init__(f"The destination name of row {number} is taken.")
        self.number, self.holder = number, holder


@dataclass(frozen=True)
class Decision:
    """What an approver wants for one row: approval of the body with `digest`, or, with a reason, its rejection."""

    digest: str
    approve: bool
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a decision led to; `obstacle` says why nothing was changed."""

    request: ConnectionRequest
    obstacle: str = ""


def file_batch(*, by: User, filings: Sequence[Filing], token: uuid.UUID) -> Batch:
    """Ask for the approval of all `filings`, or of none. Raises Denied, RowTaken, LimitReached, ValueError without
    filings.
    """
    if not filings:
        raise ValueError("A batch has at least one row.")
    permissions.check_can_file(by)
    stored = Batch.objects.filter(requester=by, idempotency_key=token)
    if first := stored.first():
        return first
    try:
        with transaction.atomic():
            return _store(by, filings, token)
    except (IntegrityError, limits.TooMany):  # the same table was sent twice at the same moment
        if again := stored.first():
            return again
        raise


def _store(by: User, filings: Sequence[Filing], token: uuid.UUID) -> Batch:
    limits.check_submission(by, opens=False)  # a batch counts as one, and its rows not as open requests
    batch = Batch.objects.create(requester=by, idempotency_key=token)
    requests = []
    for number, filing in enumerate(filings, 1):
        try:
            own = replace(filing, idempotency_key=uuid.uuid5(token, str(number)))
            requests.append(_ask(by=by, filing=own, announce=False))
        except NameTaken as taken:
            raise RowTaken(number, taken.holder) from None
        except Denied as denied:
            raise Denied(f"Row {number}: {denied.reason}") from None
        except limits.TooLarge as large:
            raise limits.TooLarge(f"Row {number}: {large}") from None
    BatchRow.objects.bulk_create(
        BatchRow(batch=batch, request=conn_request, number=number) for number, conn_request in enumerate(requests, 1)
    )
    # Once for the whole batch, and whoever may decide on some of its rows.
    first = dict(reversed([(filing.into, row) for filing, row in zip(filings, requests, strict=True)]))
    told: set[int] = set()
    for into, conn_request in reversed(first.items()):
        people = [person for person in permissions.approvers_for(by, into=into) if person.pk not in told]
        notifications.notify(conn_request, NoticeKind.SUBMITTED, *people, batch=batch)
        told |= {person.pk for person in people}
    tasks.enqueue_on_commit("notify")
    return batch


def decide_batch(*, by: User, batch: Batch, decisions: Mapping[int, Decision]) -> list[Outcome]:
    """Carry out `decisions` (request's id -> decision). A row without a decision, or with neither approval nor reason,
    has no outcome. Raises Denied.
    """
    permissions.check_standing(by)  # once, and each row then relies on it
    if not permissions.is_approver(permissions.as_stored(by)):
        raise Denied("Only approvers can decide on requests.")
    outcomes: list[Outcome] = []
    approved: list[int] = []
    for row in permissions.rows_visible_to(by, batch).select_related("request__requester", "request__decided_by"):
        decision = decisions.get(row.request_id)
        if decision is None or not (decision.approve or decision.reason.strip()):
            continue
        outcomes.append(_decide(by, batch, row.request, decision, is_first=not approved))
        if decision.approve and not outcomes[-1].obstacle:
            approved.append(row.request_id)

    tasks.enqueue_many_on_commit([*(("submit", request_id) for request_id in approved), ("notify",)])
    return outcomes


def _decide(by: User, batch: Batch, conn_request: ConnectionRequest, decision: Decision, *, is_first: bool) -> Outcome:
    try:
        if not decision.approve:
            workflow.reject(by=by, conn_request=conn_request, reason=decision.reason, digest=decision.digest)
            return Outcome(conn_request)
        with transaction.atomic():
            workflow.approve(by=by, conn_request=conn_request, digest=decision.digest, announce=False)
            if is_first:
                notifications.notify(conn_request, NoticeKind.APPROVED, conn_request.requester, batch=batch)
    except Denied as denied:
        return Outcome(conn_request, denied.reason)
    except StaleRow:
        conn_request.refresh_from_db()
        obstacle = f"It moved on since you looked at it: it is already “{conn_request.state.label}”."
        if conn_request.state is Status.PENDING:
            obstacle = "It changed since you looked at it, so nothing was decided. Please look again."
        return Outcome(conn_request, obstacle)
    return Outcome(conn_request)
