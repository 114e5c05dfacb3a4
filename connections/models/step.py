"""The facts that `next_step` is derived from, read with the rows of requests."""

from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Subquery, Value, When

from connections.models.change import ConnectionChange
from connections.models.circuit_breaker import BreakerReason, CircuitBreaker
from connections.models.connection import SetupTestRun
from connections.models.request import ConnectionRequest, ConnectionRequestQuerySet
from connections.models.trust import Trust
from connections.next_step import NextStep, next_step
from connections.states import OPEN_TRUST, HandoverState, Status, TrustState

# The columns of `with_step`, as `step_from` takes them.
STEP = (
    "status",
    "failure_code",
    "gone_at",
    *("step_setup_state", "step_handover", "step_trust_waiting", "step_trust", "step_tests", "step_change"),
    "step_key_refused",
)


def with_step(rows: ConnectionRequestQuerySet) -> ConnectionRequestQuerySet:
    """`rows` with the columns `STEP`, in the same query."""
    last_run = SetupTestRun.objects.filter(connection__request=OuterRef("request")).order_by("-pk")
    approved = Trust.objects.filter(request=OuterRef("pk"))
    on_its_way = Exists(approved.filter(state__in=OPEN_TRUST))
    sent = Exists(approved.filter(state=TrustState.SENT, ended_at__gte=Subquery(last_run.values("finished_at")[:1])))
    came_back = When(handover__state=HandoverState.OPEN, handover__returned_at__isnull=False, then=Value("returned"))
    return rows.annotate(
        step_setup_state=F("connection__setup_state"),
        step_handover=Case(came_back, default=F("handover__state")),
        step_trust_waiting=F("connection__trust_waiting"),
        step_trust=Case(When(on_its_way, then=Value("due")), When(sent, then=Value("sent"))),
        step_tests=F("connection__tests"),
        step_change=Subquery(ConnectionChange.objects.open().filter(request=OuterRef("pk")).values("status")[:1]),
        step_key_refused=Exists(CircuitBreaker.objects.filter(pk=1, reason=BreakerReason.AUTH, paused_at=None)),
    )


def step_of(row: ConnectionRequest, *, drifted: bool = False, paused: bool = False) -> NextStep:
    """The next step of a row that was read by `with_step`."""
    return step_from(*(getattr(row, name) for name in STEP), drifted=drifted, paused=paused)


def step_from(
    status: str, failure_code: str, gone_at: object, *facts: Any, drifted: bool = False, paused: bool = False
) -> NextStep:
    """The next step by the values of the columns `STEP`."""
    setup_state, handover, trust_waiting, trust, tests, change, key_refused = facts
    return next_step(
        status,
        failure_code=failure_code if status == Status.FAILED else "",
        deleted=gone_at is not None,
        setup_state=setup_state,
        handover=handover,
        trust_waiting=bool(trust_waiting),
        trust=trust,
        tests=tests,
        change=change,
        key_refused=key_refused,
        drifted=drifted,
        paused=paused,
    )
