"""The first page: what waits for the reader, and the reader's newest requests."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, OuterRef, Q, Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from connections import limits, permissions
from connections.models import BreakerReason, CircuitBreaker, ConnectionRequest, Handover
from connections.permissions import Person
from connections.states import Owner, Status
from connections.views.approvals.inbox import TO_TRUST
from connections.views.home import rows
from connections.views.request_form import prefill

SHOWN = 10
LISTED = 5  # requests to decide; the inbox has all
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
    waiting = [row for row in mine_to_act if row["status"] != Status.DRAFT][:SHOWN]
    recent = mine.exclude(status=Status.DRAFT).values(*_COLUMNS)[:SHOWN]
    # Whether or not their owner may see the requests.
    handovers = Handover.objects.live().filter(owner_id=request.user.pk)
    handovers = handovers.select_related("request__requester").order_by("sent_at", "pk")[:SHOWN]
    to_trust = permissions.trust_waiting_for(request.user).values(*TO_TRUST)[:SHOWN]
    context: dict[str, Any] = {
        "alerts": _for_operators() if permissions.is_operator(request.user) else [],
        "presets": prefill.offered(),
        "handovers": [rows.of_handover(handover) for handover in handovers],
        "waiting": [*map(rows.of_trust, to_trust), *map(rows.of_request, waiting)],
        "recent": [rows.of_request(row) for row in recent],
        **drafts_of(request.user, mine_to_act),
        **(_for_approvers(request.user) if permissions.is_approver(request.user) else {}),
    }
    context["sections"] = [f"connections/home/_{name}.html" for name in _sections(context)]
    return render(request, "connections/home/home.html", context)


def _sections(context: dict[str, Any]) -> Iterator[str]:
    """The parts of the page in order, without those that would be empty."""
    if "decide" in context:
        yield "decide"
    yield from (name for name in ("handovers", "presets") if context[name])
    yield "waiting"
    yield from (name for name in ("drafts",) if context[name])
    yield "recent" if context["recent"] else "first"


def drafts_of(user: Person, to_act: list[dict[str, Any]]) -> dict[str, Any]:
    # The drafts are counted only where there may be nearly too many.
    found = [row for row in to_act if row["status"] == Status.DRAFT]
    note = limits.draft_note(limits.drafts_of(user)) if len(to_act) >= limits.DRAFTS_NEARLY else ""
    shown = [rows.of_request(row, "connections:edit") for row in found[:SHOWN]]
    return {"drafts": shown, "more_drafts": len(found) > SHOWN, "draft_note": note}


def _for_approvers(user: Person) -> dict[str, Any]:
    requests = permissions.waiting_for(user).values(*_COLUMNS, "requester__username")[: COUNTED + 1]
    changes = len(permissions.changes_waiting_for(user).values("id")[: COUNTED + 1])
    inbox = reverse("connections:approvals")
    links = (
        (inbox, _waiting_in_words(len(requests), "request{}")),
        (f"{inbox}#changes-heading", _waiting_in_words(changes, "change{} of a connection")),
    )
    return {
        "decide": [rows.of_request(row) for row in requests[:LISTED]],
        "decide_links": [link for link in links if link[1]],
    }


def _waiting_in_words(count: int, what: str) -> str:
    if not count:
        return ""
    if count > COUNTED:
        return f"More than {COUNTED} {what.format('s')} wait for a decision"
    return f"{count} {what.format('' if count == 1 else 's')} {'waits' if count == 1 else 'wait'} for a decision"


def _for_operators() -> list[tuple[str, str]]:
    """What operators should look at: a sentence, and the words of the link behind it."""
    # One query: whatever is below zero stands for the key.
    stuck = ConnectionRequest.objects.filter(status=Status.ATTENTION).order_by().values_list("id")
    refused = ConnectionRequest.objects.refused_for_operators().order_by().values_list("id")
    breaker = CircuitBreaker.objects.filter(pk=1, reason=BreakerReason.AUTH).values_list(Value(-1))
    found = [number for (number,) in stuck.union(refused, breaker).order_by("id")[: COUNTED + 1]]
    count = len([number for number in found if number > 0])
    alerts = []
    if -1 in found:
        alerts.append(("Fivetran does not accept the portal's API key, so nothing is sent:", "see what to do"))
    if count:
        needing = "request needs" if count == 1 else "requests need"
        alerts.append((f"{count} {needing} an operator:", "look at them"))
    return alerts
