"""The sweeper: brings back what a dead worker left, and lists what is due."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q
from django.db.models.functions import Now

from connections import notifications
from connections.models import (
    Connection,
    ConnectionRequest,
    Heartbeat,
    IllegalTransition,
    NoticeKind,
    Process,
    SetupTestsState,
    StaleRow,
    WebhookDelivery,
    move,
    transition,
)
from connections.queue import circuit_breaker
from connections.states import Actor, Status
from connections.worker import changes, connection_status, database_clock, handover, outcome, trust

log = logging.getLogger(__name__)
BATCH = 500  # rows of one kind a sweep; the rest waits for the next


@dataclass(frozen=True)
class Due:
    """Ids of what is due (of requests where nothing else is said), and whether the circuit breaker wants a probe."""

    submit: list[int] = field(default_factory=list)
    run_tests: list[int] = field(default_factory=list)
    reconcile: list[int] = field(default_factory=list)
    check: list[int] = field(default_factory=list)
    change: list[int] = field(default_factory=list)  # ids of changes
    trust: list[int] = field(default_factory=list)  # ids of approvals, not of requests
    probe: bool = False


def note_alive() -> bool:
    """Store that worker and scheduler are alive; returns whether this message is the first for half a period."""
    # Messages pile up while no worker is there, and two schedulers send twice as many: one sweep is as good as all.
    Heartbeat.objects.beat(Process.WORKER)
    return Heartbeat.objects.beat(Process.SCHEDULER, after=settings.SWEEP_INTERVAL / 2)


def sweep() -> Due:
    """Release dead claims, turn dead calls to `unknown`, expire old requests, and return what is due."""
    # Ten sweepers at once do what one does: every step is a conditional update.
    database_clock.heed()
    _each(release, Status.CLAIMED, lease_until__lt=Now())
    _each(give_up_call, Status.SENDING, deadline_at__lt=Now())
    old = Now() - timedelta(days=settings.EXPIRE_DAYS)
    for status in (Status.PENDING, Status.CHANGES_REQUESTED):
        _each(expire, status, status_since__lt=old)
    for tidy in (
        database_clock.put_right_if_set,
        handover.sweep,
        release_tests,
        WebhookDelivery.objects.prune,
        trust.release,
    ):
        try:
            tidy()
        except DatabaseError:  # a lock, or too much at once: what is due is enqueued all the same
            log.exception("the sweeper could not tidy up")
    unknown = ConnectionRequest.objects.filter(status=Status.UNKNOWN, next_lookup_at__lte=Now())
    tests = Connection.objects.filter(
        tests=SetupTestsState.DUE, tests_next_try_at__lte=Now(), request__deleted_at_fivetran_at=None
    )
    due = ConnectionRequest.objects.due().values_list("pk", flat=True)
    may_send = circuit_breaker.may_call()
    return Due(
        submit=list(due[: circuit_breaker.permits(BATCH)]) if may_send else [],
        run_tests=list(tests.values_list("request_id", flat=True)[:BATCH]) if may_send else [],
        reconcile=list(unknown.order_by("next_lookup_at").values_list("pk", flat=True)[:BATCH])
        if circuit_breaker.may_look()
        else [],
        check=list(connection_status.due().values_list("request_id", flat=True)[:BATCH]) if may_send else [],
        change=changes.sweep(BATCH),
        trust=list(trust.due().values_list("pk", flat=True)[:BATCH]) if may_send else [],
        probe=circuit_breaker.probe_due(),
    )


def release_tests() -> None:
    """Make runs of the setup tests whose worker died due again."""
    dead = Connection.objects.filter(tests_lease_until__lt=Now())
    move(dead, SetupTestsState.DUE, actor=Actor.SWEEPER, tests_next_try_at=Now(), tests_token=None)


def _each(act: Callable[[ConnectionRequest], None], status: Status, **older: object) -> None:
    """Do `act` for each row in `status`; one that moved on meanwhile, or fails, does not stop the others."""
    for conn_request in ConnectionRequest.objects.filter(status=status, **older).order_by("id")[:BATCH]:
        try:
            act(conn_request)
        except (StaleRow, IllegalTransition):
            log.info("request %s moved on before the sweeper", conn_request.pk)
        except Exception:
            log.exception("the sweeper could not deal with request %s", conn_request.pk)


def release(conn_request: ConnectionRequest) -> None:
    """Put a claim whose lease is over back into the queue: nothing was sent."""
    transition(
        conn_request,
        Status.APPROVED,
        actor=Actor.SWEEPER,
        guard=Q(lease_until__lt=Now()),
        detail={"why": "the worker was lost before sending"},
        **outcome.released(0),
    )


def give_up_call(conn_request: ConnectionRequest) -> None:
    """Turn a call whose deadline is over to `unknown`: the worker died in it, and the connection may exist."""
    database_clock.heed()  # once more: it may have been set since the sweep began
    why = "The worker was lost while Fivetran was answering."
    outcome.to_unknown(conn_request, Actor.SWEEPER, why, Q(deadline_at__lt=Now()))


def expire(conn_request: ConnectionRequest) -> None:
    with outcome.atomic():
        why = f"Nobody decided in {settings.EXPIRE_DAYS} days."
        transition(conn_request, Status.EXPIRED, actor=Actor.SWEEPER, reason=why)
        notifications.notify(conn_request, NoticeKind.EXPIRED, conn_request.requester)
