"""The first page: what waits for the reader, and what the reader asked for lately."""

from typing import Any

from django.db.models import Q, QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections import limits, permissions
from connections.models import STEP, BreakerReason, CircuitBreaker, ConnectionRequest, Handover, step_from, with_step
from connections.models.request import ConnectionRequestQuerySet
from connections.next_step import UNFINISHED
from connections.permissions import Person
from connections.states import Owner, Status
from connections.views.approvals.inbox import TO_TRUST
from connections.views.request_form import prefill

SHOWN = 10
COUNTED = 100

_CAN_WAIT_FOR_ME = (
    Q(status__in=[Status.DRAFT, Status.CHANGES_REQUESTED])
    | Q(status=Status.FAILED, clones=None)
    | Q(status=Status.CREATED, gone_at=None, connection__setup_state__in=UNFINISHED)
)
_COLUMNS = (
    "id",
    "status",
    "service_name",
    "group_name",
    "schema",
    "status_since",
    "gone_at",
    "connection__setup_state",
)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What waits for me, and my recent requests."""
    mine = ConnectionRequest.objects.filter(requester_id=request.user.pk).order_by("-id")
    mine_to_act = _to_act(mine)
    context: dict[str, Any] = {
        "presets": prefill.offered(),
        **_drafts(request.user, mine_to_act),
        "waiting": [row for row in mine_to_act if row["status"] != Status.DRAFT][:SHOWN],
        "recent": list(mine.exclude(status=Status.DRAFT).values(*_COLUMNS)[:SHOWN]),
        **(_for_operators() if permissions.is_operator(request.user) else {}),
        "handovers": list(_handovers(request.user)[:SHOWN]),
        "to_trust": list(permissions.trust_waiting_for(request.user).values(*TO_TRUST)[:SHOWN]),
    }
    if permissions.is_approver(request.user):
        decide = permissions.waiting_for(request.user)
        context["changes"] = len(permissions.changes_waiting_for(request.user).values("id")[: COUNTED + 1])
        context |= {"decide": list(decide.values(*_COLUMNS, "requester__username")[: COUNTED + 1]), "counted": COUNTED}
    return render(request, "connections/home/home.html", context)


def _to_act(mine: ConnectionRequestQuerySet) -> list[dict[str, Any]]:
    """What waits for its requester, who also stands for a source owner that nobody has asked yet."""
    columns = dict.fromkeys((*_COLUMNS, *STEP, "saved_at", "preset__name"))
    found = with_step(mine.filter(_CAN_WAIT_FOR_ME)).values(*columns)[:COUNTED]
    steps = [(row, step_from(*(row[name] for name in STEP)).owner) for row in found]
    return [
        row
        for row, owner in steps
        if owner is Owner.REQUESTER or owner is Owner.SOURCE_OWNER and not row["step_handover"]
    ]


def _drafts(user: Person, to_act: list[dict[str, Any]]) -> dict[str, Any]:
    """The newest drafts, and whether there is still room; they are only counted where there may be too many."""
    found = [row for row in to_act if row["status"] == Status.DRAFT]
    note = limits.draft_note(limits.drafts_of(user)) if len(to_act) >= limits.DRAFTS_NEARLY else ""
    return {"drafts": found[:SHOWN], "more_drafts": len(found) > SHOWN, "draft_note": note}


def _for_operators() -> dict[str, Any]:
    """How many requests need an operator, and whether the key is refused."""
    # One query: whatever is below zero stands for the key.
    stuck = ConnectionRequest.objects.filter(status=Status.ATTENTION).order_by().values_list("id")
    refused = ConnectionRequest.objects.refused_for_operators().order_by().values_list("id")
    breaker = CircuitBreaker.objects.filter(pk=1, reason=BreakerReason.AUTH).values_list(Value(-1))
    found = [number for (number,) in stuck.union(refused, breaker).order_by("id")[: COUNTED + 1]]
    return {"operator_count": len([number for number in found if number > 0]), "bad_key": -1 in found}


def _handovers(user: Person) -> QuerySet[Handover]:
    """Those that wait for this person, whether or not the requests are theirs to see, the oldest first."""
    mine = Handover.objects.live().filter(owner_id=user.pk)
    return mine.select_related("request__requester").order_by("sent_at", "pk")
