"""Reading with the rows of requests whose turn it is: from the facts, or from the stored column."""

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Subquery, Value, When

from connections.models.change import ConnectionChange, ConnectionChangeQuerySet
from connections.models.circuit_breaker import CircuitBreaker
from connections.models.connection import Connection, SetupTestRun
from connections.models.request import ConnectionRequest, ConnectionRequestQuerySet
from connections.models.trust import Trust
from connections.next_step import ChangeStep, NextStep, change_step, next_step
from connections.states import OPEN_TRUST, BreakerReason, HandoverState, Status, TrustState

_KEY_REFUSED = Exists(CircuitBreaker.objects.filter(pk=1, reason=BreakerReason.AUTH, paused_at=None))


def with_turn(rows: ConnectionRequestQuerySet) -> ConnectionRequestQuerySet:
    """Adds `turn_now`: the stored turn, but the operators' while Fivetran does not accept the API key."""
    waits_for_key = When(_KEY_REFUSED, status=Status.APPROVED, then=Value(NextStep.KEY_REFUSED.owner.value))
    return rows.annotate(turn_now=Case(waits_for_key, default=F("turn")))


def with_step(rows: ConnectionRequestQuerySet) -> ConnectionRequestQuerySet:
    """Adds what `step_of` needs, in the same query."""
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
        step_key_refused=_KEY_REFUSED,
    )


def with_change_step(rows: ConnectionChangeQuerySet) -> ConnectionChangeQuerySet:
    """Adds `step_key_refused`, which no column of a change tells."""
    return rows.annotate(step_key_refused=_KEY_REFUSED)


def change_step_of(change: ConnectionChange) -> ChangeStep:
    return change_step(
        change.status,
        failure_code=change.failure_code,
        deleted=change.request.deleted_at_fivetran_at is not None,
        key_refused=bool(getattr(change, "step_key_refused", False)),
    )


def step_of(conn_request: ConnectionRequest, *, drifted: bool = False, paused: bool = False) -> NextStep:
    facts = {
        name.removeprefix("step_"): value for name, value in vars(conn_request).items() if name.startswith("step_")
    }
    return next_step(
        conn_request.status,
        failure_code=conn_request.failure_code,
        deleted=conn_request.deleted_at_fivetran_at is not None,
        trust_waiting=bool(facts.pop("trust_waiting")),
        **facts,
        drifted=drifted,
        paused=paused,
    )


def store_turn(*requests: int) -> None:
    """Store whose turn created requests are, in the transaction that wrote something it depends on."""
    with transaction.atomic(savepoint=False):
        # Locked before the facts are read: of two writers at once the second sees what both wrote.
        found = Connection.objects.select_for_update().filter(request__in=requests).order_by("pk")
        created = list(found.values_list("request_id", flat=True))
        for conn_request in with_step(ConnectionRequest.objects.filter(pk__in=created)):
            turn = step_of(conn_request).owner.value
            if conn_request.turn != turn:
                ConnectionRequest.objects.filter(pk=conn_request.pk).update(turn=turn)
