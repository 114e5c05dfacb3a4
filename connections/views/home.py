"""The first page: what waits for the reader, and the reader's newest requests."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections import limits, permissions
from connections.models import BreakerReason, CircuitBreaker, ConnectionRequest, Handover
from connections.permissions import Person
from connections.states import Owner, Status
from connections.views.approvals.inbox import TO_TRUST
from connections.views.request_form import prefill

SHOWN = 10
COUNTED = 100

_COPIED = Exists(ConnectionRequest.objects.filter(cloned_from=OuterRef("pk")))
_WAITS_FOR_REQUESTER = (
    Q(turn=Owner.REQUESTER) & ~(Q(status=Status.FAILED) & Q(_COPIED))
    # The requester stands for a source owner whom nobody has asked yet; who was asked has a list of hand-overs.
    | Q(turn=Owner.SOURCE_OWNER, handover=None)
)
_COLUMNS = (
    "id",
    "status",
    "service_name",
    "group_name",
    "schema",
    "status_since",
    "deleted_at_fivetran_at",
    "connection__setup_state",
)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    mine = ConnectionRequest.objects.filter(requester_id=request.user.pk).order_by("-id")
    mine_to_act = list(mine.filter(_WAITS_FOR_REQUESTER).values(*_COLUMNS, "saved_at", "preset__name")[:COUNTED])
    handovers = Handover.objects.live().filter(owner_id=request.user.pk)
    context: dict[str, Any] = {
        "presets": prefill.offered(),
        **drafts_of(request.user, mine_to_act),
        "waiting": [row for row in mine_to_act if row["status"] != Status.DRAFT][:SHOWN],
        "recent": list(mine.exclude(status=Status.DRAFT).values(*_COLUMNS)[:SHOWN]),
        **(_for_operators() if permissions.is_operator(request.user) else {}),
        # Whether or not their owner may see the requests.
        "handovers": list(handovers.select_related("request__requester").order_by("sent_at", "pk")[:SHOWN]),
        "to_trust": list(permissions.trust_waiting_for(request.user).values(*TO_TRUST)[:SHOWN]),
    }
    if permissions.is_approver(request.user):
        decide = permissions.waiting_for(request.user)
        context["changes"] = len(permissions.changes_waiting_for(request.user).values("id")[: COUNTED + 1])
        context |= {"decide": list(decide.values(*_COLUMNS, "requester__username")[: COUNTED + 1]), "counted": COUNTED}
    return render(request, "connections/home/home.html", context)


def drafts_of(user: Person, to_act: list[dict[str, Any]]) -> dict[str, Any]:
    # The drafts are counted only where there may be nearly too many.
    found = [row for row in to_act if row["status"] == Status.DRAFT]
    note = limits.draft_note(limits.drafts_of(user)) if len(to_act) >= limits.DRAFTS_NEARLY else ""
    return {"drafts": found[:SHOWN], "more_drafts": len(found) > SHOWN, "draft_note": note}


def _for_operators() -> dict[str, Any]:
    # One query: whatever is below zero stands for the key.
    stuck = ConnectionRequest.objects.filter(status=Status.ATTENTION).order_by().values_list("id")
    refused = ConnectionRequest.objects.refused_for_operators().order_by().values_list("id")
    breaker = CircuitBreaker.objects.filter(pk=1, reason=BreakerReason.AUTH).values_list(Value(-1))
    found = [number for (number,) in stuck.union(refused, breaker).order_by("id")[: COUNTED + 1]]
    return {"operator_count": len([number for number in found if number > 0]), "bad_key": -1 in found}
