"""A batch's page: the status of each row, and for approvers one decision with a veto for each row."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from connections import permissions
from connections.evidence import Evidence, evidence_of
from connections.forms import ReasonForm
from connections.forms.typed_text import NUL_SIGN, trimmed
from connections.models import Batch, BatchRow, ConnectionRequest
from connections.spec import payloads
from connections.states import Status
from connections.views.request_page import queries
from connections.workflow import batches
from connections.workflow.batches import Decision, Outcome

OPEN_BODIES = 10  # batches up to this size show their bodies unfolded
_BOTH = "It is ticked and has a reason to reject it: take the tick away to reject it, or the reason to approve it."


@dataclass(frozen=True)
class Shown:
    number: int
    request: ConnectionRequest
    setup_state: str
    body: dict[str, Any]
    phrases: str
    evidence: list[Evidence]
    is_ticked: bool
    reason: str
    obstacle: str
    is_asked: bool  # whether the reader is asked to decide on it
    is_open: bool  # whether its body is unfolded


@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    return _show(request, find(request, pk))


@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    # A row with a tick and a reason means neither for sure: then nothing is decided, and the page says so on that row.
    batch, by = find(request, pk), queries.reader(request)
    decisions = posted_decisions(request)
    if both := {pk: _BOTH for pk, decision in decisions.items() if decision.approve and decision.reason}:
        messages.warning(request, "Nothing was decided: a row has both a tick and a reason to reject it. See below.")
        return _show(request, batch, both)
    if any(d.reason and not ReasonForm({"decision_reason": d.reason}).is_valid() for d in decisions.values()):
        messages.warning(request, "Use 2,000 characters or fewer for a reason. Nothing was decided.")
        return _show(request, batch)
    chosen = of_verb(decisions, request.POST.get("verb", ""))
    outcomes = batches.decide_batch(by=by, batch=batch, decisions=chosen)
    report(request, outcomes)
    if any(outcome.obstacle for outcome in outcomes) or not outcomes:
        obstacles = {outcome.request.pk: outcome.obstacle for outcome in outcomes}
        return _show(request, batch, obstacles, status=409 if outcomes else 200)
    if any(decision.approve or decision.reason for pk, decision in decisions.items() if pk not in chosen):
        messages.info(request, "What else you ticked or wrote is still below, for its own button.")
        return _show(request, batch)
    return redirect("connections:batch", pk)


def of_verb(decisions: Mapping[int, Decision], verb: str) -> dict[int, Decision]:
    """What the pressed button stands for: it approves, or it rejects. A script that names none does both."""
    return {
        pk: one
        for pk, one in decisions.items()
        if verb not in ("approve", "reject") or one.approve is (verb == "approve")
    }


def requests(count: int) -> str:
    return "1 request was" if count == 1 else f"{count} requests were"


def find(request: HttpRequest, pk: int) -> Batch:
    return get_object_or_404(permissions.batches_visible_to(request.user).select_related("requester"), pk=pk)


def posted_decisions(request: HttpRequest) -> dict[int, Decision]:
    ticked = set(request.POST.getlist("approve"))
    ids = [name.removeprefix("digest_") for name in request.POST if name.startswith("digest_")]
    return {
        int(pk): Decision(
            digest=request.POST[f"digest_{pk}"],
            approve=pk in ticked,
            reason=trimmed(request.POST.get(f"reason_{pk}", "").replace("\0", NUL_SIGN)),
        )
        for pk in ids
        if pk.isascii() and pk.isdigit() and len(pk) < 18
    }


def report(request: HttpRequest, outcomes: Sequence[Outcome]) -> None:
    done = Counter(outcome.request.state for outcome in outcomes if not outcome.obstacle)
    if approved := done[Status.APPROVED]:
        messages.success(request, f"{requests(approved)} approved. The portal goes on with Fivetran by itself.")
    if rejected := done[Status.REJECTED]:
        messages.success(request, f"{requests(rejected)} rejected. The requester is told why.")
    if stuck := sum(bool(outcome.obstacle) for outcome in outcomes):
        messages.warning(request, f"{requests(stuck)} not decided: see below why.")
    if not outcomes:
        messages.warning(request, "Nothing was decided: no row was ticked, and none has a reason to be rejected.")


def _show(
    request: HttpRequest, batch: Batch, obstacles: Mapping[int, str] = MappingProxyType({}), status: int = 200
) -> HttpResponse:
    """The page; `obstacles` (request's id -> sentence) stand on their rows."""
    shown = _shown(request, batch, obstacles)
    pending = [row for row in shown if row.request.state is Status.PENDING]
    counted = Counter(row.request.state for row in shown)
    context = {
        "batch": batch,
        "rows": shown,
        "counts": [(state, counted[state]) for state in Status if counted[state]],
        "decides": any(row.is_asked for row in shown),
        "denied_reason": queries.denied_reason(permissions.check_can_decide, request.user, pending[0].request)
        if pending
        else "",
        "open_bodies": len(shown) <= OPEN_BODIES,
    }
    return render(request, "connections/batches/batch.html", context, status=status)


def _shown(request: HttpRequest, batch: Batch, obstacles: Mapping[int, str]) -> list[Shown]:
    visible = permissions.rows_visible_to(request.user, batch)
    rows = visible.select_related("request__requester", "request__decided_by", "request__connection")
    waiting = [row.request for row in rows if row.request.state is Status.PENDING]
    evidence = evidence_of(waiting, request.user) if permissions.is_approver(request.user) else {}
    return [
        _shown_row(
            request, row, evidence.get(row.request_id), obstacles.get(row.request_id, ""), len(rows) <= OPEN_BODIES
        )
        for row in rows
    ]


def _shown_row(
    request: HttpRequest, row: BatchRow, evidence: list[Evidence] | None, obstacle: str, open_bodies: bool
) -> Shown:
    # With `evidence`, even none, the reader is asked to decide. No row is ticked at first, and none whose body changed
    # since the approver saw it.
    asked, posted = row.request, request.method == "POST"
    digest = request.POST.get(f"digest_{asked.pk}", asked.digest)
    ticked = posted and str(asked.pk) in request.POST.getlist("approve")
    connection = queries.connection_of(asked)
    return Shown(
        number=row.number,
        request=asked,
        setup_state=connection.setup_state if connection and connection.setup_state != "connected" else "",
        body=payloads.masked(asked.payload or {}),
        phrases=" · ".join(payloads.in_words(asked.values)),
        evidence=evidence or [],
        is_ticked=ticked and digest == asked.digest,
        reason=request.POST.get(f"reason_{asked.pk}", "")[:4000],
        obstacle=obstacle,
        is_asked=evidence is not None,
        is_open=evidence is not None and open_bodies,
    )
