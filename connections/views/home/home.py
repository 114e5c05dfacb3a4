"""The first page: what waits for the reader, and the reader's newest requests."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from connections import limits, permissions
from connections.context_processors import WAITING
from connections.forms.offers import CLOSED, services_taken
from connections.models import BreakerReason, CircuitBreaker, ConnectionRequest, Handover
from connections.permissions import Person
from connections.states import Status
from connections.views.approvals import inbox
from connections.views.home import kept, rows
from connections.views.request_form import prefill

SHOWN = 10
LISTED = 5  # requests to decide; the inbox has all
COUNTED = 100

_COLUMNS = (
    "id",
    "status",
    "service",
    "service_name",
    "group_name",
    "schema",
    "status_since",
    "deleted_at_fivetran_at",
    "connection__setup_state",
)
_OF_CONNECTION = ("connection__sync_state", "connection__succeeded_at", "connection__failed_at")
LOOKED_AT = 40  # the reader's newest requests, among which the connections are
CARDS = 6
ASKING = ("first", "tiles", "presets")  # parts of the page that lead to the form


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    may_ask = permissions.may_ask(request.user)
    taken, reads_only = services_taken(may_ask), permissions.reads_only(request.user)
    context = _waiting(request) | {"figures": kept.figures(request.user), "tiles": kept.services(taken)}
    context["presets"] = prefill.offered(lambda: may_ask)
    context["closed"] = CLOSED if taken == frozenset() and not reads_only else ""
    context["asks"] = not (reads_only or context["closed"])
    shown = [name for name in _sections(context) if context["asks"] or name not in ASKING]
    context["sections"] = [f"connections/home/_{name}.html" for name in shown]
    return render(request, "connections/home/home.html", context)


def _waiting(request: HttpRequest) -> dict[str, Any]:
    """What waits for the reader, and the reader's own requests."""
    mine = ConnectionRequest.objects.filter(requester_id=request.user.pk).order_by("-id")
    mine_to_act = list(
        permissions.own_waiting_for(request.user)
        .order_by("-id")
        .values(*_COLUMNS, "saved_at", "preset__name")[:COUNTED]
    )
    waiting = [row for row in mine_to_act if row["status"] != Status.DRAFT][:SHOWN]
    newest = list(mine.exclude(status=Status.DRAFT).values(*_COLUMNS, *_OF_CONNECTION)[:LOOKED_AT])
    # Whether or not their owner may see the requests.
    handovers = Handover.objects.live().filter(owner_id=request.user.pk)
    handovers = handovers.select_related("request__requester").order_by("sent_at", "pk")[:SHOWN]
    to_trust = inbox.to_trust(request.user, SHOWN)
    context: dict[str, Any] = {
        "alerts": _for_operators() if permissions.is_operator(request.user) else [],
        "handovers": [rows.of_handover(handover) for handover in handovers],
        "waiting": [*map(rows.of_trust, to_trust), *map(rows.to_go_on_with, waiting)],
        "recent": [rows.of_request(row) for row in newest[:SHOWN]],
        "team": _of_team(request.user),
        "everybody": [] if newest else _of_everybody(request.user),
        "health": [rows.of_connection(row) for row in newest if rows.is_live(row)][:CARDS],
        **drafts_of(request.user, mine_to_act),
        **(_for_approvers(request.user) if permissions.is_approver(request.user) else {}),
    }
    setattr(request, WAITING, context.get("to_approve", 0) + len(to_trust))
    return context | {"nothing_waits": not (context["waiting"] or context.get("decide_links"))}


def _sections(context: dict[str, Any]) -> Iterator[str]:
    """The parts of the page in order, without those that would be empty."""
    # Somebody new reads first what this is, unless something waits already, or others' requests are theirs to read.
    is_new = not (context["recent"] or context["everybody"])
    yield from ("first", "waiting") if is_new and context["nothing_waits"] else ("waiting",)
    yield from (name for name in ("drafts", "team", "health", "everybody", "presets") if context[name])
    if context["recent"]:
        yield from ("tiles", "recent")
    elif context["everybody"] or context.get("decide_links"):
        yield "tiles"
    elif not context["nothing_waits"]:
        yield "first"


def _of_team(user: Person) -> list[rows.Row]:
    """The newest of what colleagues asked for; no query for people without a team."""
    if not permissions.in_a_team(user):
        return []
    theirs = permissions.teams_requests(user).exclude(requester_id=user.pk).order_by("-id")
    return [rows.of_request(row) for row in theirs.values(*_COLUMNS, *rows.WHO, "saved_at", "preset__name")[:LISTED]]


def _of_everybody(user: Person) -> list[rows.Row]:
    """The newest requests, for who has none and reads others'; approvers read first what waits for them."""
    if not permissions.sees_everything(user) or permissions.is_approver(user):
        return []
    submitted = permissions.visible_to(user).exclude(status=Status.DRAFT).order_by("-id")
    return [rows.of_request(row) for row in submitted.values(*_COLUMNS, *rows.WHO)[:SHOWN]]


def drafts_of(user: Person, to_act: list[dict[str, Any]]) -> dict[str, Any]:
    # The drafts are counted only where there may be nearly too many.
    found = [row for row in to_act if row["status"] == Status.DRAFT]
    note = limits.draft_note(limits.drafts_of(user)) if len(to_act) >= limits.DRAFTS_NEARLY else ""
    shown = [rows.of_request(row, "connections:edit") for row in found[:SHOWN]]
    return {"drafts": shown, "more_drafts": len(found) > SHOWN, "draft_note": note}


def _for_approvers(user: Person) -> dict[str, Any]:
    requests = permissions.waiting_for(user).values(*_COLUMNS, *rows.WHO)[: COUNTED + 1]
    changes = len(permissions.changes_waiting_for(user).values("id")[: COUNTED + 1])
    address = reverse("connections:approvals")
    links = (
        (address, _waiting_in_words(len(requests), "request{}")),
        (f"{address}#changes-heading", _waiting_in_words(changes, "change{} of a connection")),
    )
    return {
        "to_approve": len(requests) + changes,
        "decide": [rows.to_decide(row) for row in requests[:LISTED]],
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
