"""What waits for an approver, and the three decisions."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import Count, F, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from connections import permissions, workflow
from connections.evidence import Evidence, evidence_of, evidence_of_change
from connections.forms import ReasonForm
from connections.models import ConnectionRequest, MovedOn
from connections.models.request import ConnectionRequestQuerySet
from connections.permissions import Person
from connections.states import DECIDED, Status
from connections.views import change_words, panel, reading

SHOWN = 100
# What both lists of certificates and keys that wait show of a connection.
TO_TRUST = (
    "trust_waiting",
    "trust_since",
    "request_id",
    "request__service_name",
    "request__group_name",
    "request__schema",
    "request__requester__username",
)
_OF_BATCH = 10  # things to notice that the inbox tells of a batch
_LOOKED_AT = 500  # rows of batches whose evidence is gathered for the inbox


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """The requests that this approver can decide, oldest first; those of one batch in one line."""
    if not permissions.is_approver(request.user):
        raise permissions.Denied("Only approvers see what waits for approval.")
    context = _requests(request.user)
    changes = permissions.changes_waiting_for(request.user).select_related("request", "requester")
    context["changes"] = [
        (change, change_words.differences(change), evidence_of_change(change)) for change in changes[:SHOWN]
    ]
    context["to_trust"] = list(permissions.trust_waiting_for(request.user).values(*TO_TRUST)[:SHOWN])
    return render(request, "connections/approvals.html", context)


def _requests(user: Person) -> dict[str, Any]:
    """The requests that wait, one by one and by batch, each with what there is to notice."""
    waiting = permissions.waiting_for(user)
    rows = list(waiting.filter(batch_row=None).select_related("requester")[: SHOWN + 1])
    batches = waiting.exclude(batch_row=None).order_by().values("batch_row__batch", "requester__username")
    batches = batches.annotate(waiting=Count("id"), since=Min("submitted_at")).order_by("since", "batch_row__batch")
    listed: list[dict[str, Any]] = [dict(one) for one in batches[:SHOWN]]
    of_batches = _rows_of(waiting, [one["batch_row__batch"] for one in listed])
    evidence = evidence_of([*rows[:SHOWN], *of_batches], user)
    for one in listed:
        mine = [row.pk for row in of_batches if row.batch_of == one["batch_row__batch"]]  # type: ignore[attr-defined]  # annotated by _rows_of()
        summed = _summed(evidence[pk] for pk in mine)
        one |= {"evidence": summed[:_OF_BATCH], "more": len(summed) > _OF_BATCH or len(mine) < one["waiting"]}
    return {
        "rows": [(row, evidence[row.pk]) for row in rows[:SHOWN]],
        "more": len(rows) > SHOWN,
        "batches": listed,
    }


def _rows_of(waiting: ConnectionRequestQuerySet, batches: list[int]) -> list[ConnectionRequest]:
    """The first of the rows that wait in these batches; no query without a batch."""
    if not batches:
        return []
    rows = waiting.filter(batch_row__batch__in=batches).select_related("requester")
    return list(rows.annotate(batch_of=F("batch_row__batch"))[:_LOOKED_AT])


def _summed(of_rows: Iterable[list[Evidence]]) -> list[Evidence]:
    """The evidence of a batch's rows, each thing once, with the number of rows that it is true of."""
    counted = Counter(one for evidence in of_rows for one in dict.fromkeys(evidence))
    return [
        replace(one, words=f"{one.words} ({count} rows)" if count > 1 else one.words) for one, count in counted.items()
    ]


@require_POST
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve the body that was on the page, named by its digest."""
    row = reading.find(request.user, pk)
    try:
        permissions.check_can_decide(request.user, row)
        _check_seen(row, request.POST.get("digest", ""))
        workflow.approve(by=reading.reader(request), request=row, digest=row.digest)
    except (MovedOn, permissions.Denied) as obstacle:
        _only_if_moved_on(request, row, obstacle)
        messages.warning(request, _overtaken(row))
    else:
        messages.success(request, f"Request #{pk} is approved. The portal sends it to Fivetran by itself.")
    return redirect("connections:request", pk=pk)


@require_POST
def reject(request: HttpRequest, pk: int) -> HttpResponse:
    """Turn a request down, with a reason."""
    return _decide(request, pk, workflow.reject, f"Request #{pk} is rejected. The requester is told why.")


@require_POST
def request_changes(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a request back, with what should be different."""
    return _decide(request, pk, workflow.request_changes, f"Request #{pk} went back to its requester.")


def _decide(request: HttpRequest, pk: int, verb: Any, done: str) -> HttpResponse:
    row = reading.find(request.user, pk)
    form = ReasonForm(request.POST)
    try:
        permissions.check_can_decide(request.user, row)
        if not form.is_valid():
            return _again(request, row, form, status=200)
        _check_seen(row, request.POST.get("digest", row.digest))
        verb(by=reading.reader(request), request=row, reason=form.cleaned_data["decision_reason"])
    except (MovedOn, permissions.Denied) as obstacle:
        _only_if_moved_on(request, row, obstacle)
        messages.warning(request, _overtaken(row))
        return _again(request, row, form, status=409)
    messages.success(request, done)
    return redirect("connections:request", pk=pk)


def _check_seen(row: ConnectionRequest, digest: str) -> None:
    """Raise MovedOn unless `digest` is that of the present body: what was on the page. The verb guards it once more."""
    if digest != row.digest:
        raise MovedOn("The body changed since it was shown.")


def _again(request: HttpRequest, row: ConnectionRequest, form: ReasonForm, status: int) -> HttpResponse:
    """The request's page with what was typed and, where that is the matter, what is wrong with it."""
    row = reading.find(request.user, row.pk)
    typed = request.POST.get("decision_reason", "")[:4000]
    errors = list(form.errors.get("decision_reason", [])) if status == 200 else []
    context = panel.whole(request.user, row) | {"typed": typed, "errors": errors}
    return render(request, "connections/request.html", context, status=status)


def _only_if_moved_on(request: HttpRequest, row: ConnectionRequest, obstacle: Exception) -> None:
    """Let a refusal through unless its cause is that the request moved on: then there is something to tell instead."""
    row.refresh_from_db()
    may_decide = permissions.is_approver(request.user) and row.requester_id != request.user.pk
    if isinstance(obstacle, permissions.Denied) and not (may_decide and row.state is not Status.PENDING):
        raise obstacle


def _overtaken(row: ConnectionRequest) -> str:
    """Who was faster, and with what."""
    if row.state is Status.PENDING:
        return "The request changed since you looked at it, so nothing was decided. Please look again."
    if row.state in DECIDED and row.approved_by:
        return f"Already approved by {row.approved_by}."
    match row.state:
        case Status.REJECTED:
            return f"Already rejected by {row.decided_by}."
        case Status.CHANGES_REQUESTED:
            return f"Already sent back for changes by {row.decided_by}."
    return f"There is nothing to decide any more: {row.state.label}."
