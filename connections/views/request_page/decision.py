"""The three decisions on a request's page: approve, reject, ask for changes."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from connections import permissions, workflow
from connections.forms import ReasonForm
from connections.models import ConnectionRequest, StaleRow
from connections.states import DECIDED, Status
from connections.views.request_page import queries, sections


@require_POST
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve the body that was on the page, named by its digest."""
    row = queries.find(request.user, pk)
    try:
        permissions.check_can_decide(request.user, row)
        _check_seen(row, request.POST.get("digest", ""))
        workflow.approve(by=queries.reader(request), request=row, digest=row.digest)
    except (StaleRow, permissions.Denied) as obstacle:
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
    row = queries.find(request.user, pk)
    form = ReasonForm(request.POST)
    try:
        permissions.check_can_decide(request.user, row)
        if not form.is_valid():
            return _again(request, row, form, status=200)
        _check_seen(row, request.POST.get("digest", row.digest))
        verb(by=queries.reader(request), request=row, reason=form.cleaned_data["decision_reason"])
    except (StaleRow, permissions.Denied) as obstacle:
        _only_if_moved_on(request, row, obstacle)
        messages.warning(request, _overtaken(row))
        return _again(request, row, form, status=409)
    messages.success(request, done)
    return redirect("connections:request", pk=pk)


def _check_seen(row: ConnectionRequest, digest: str) -> None:
    """Raise StaleRow unless `digest` is that of the present body, which was on the page. The verb checks again."""
    if digest != row.digest:
        raise StaleRow("The body changed since it was shown.")


def _again(request: HttpRequest, row: ConnectionRequest, form: ReasonForm, status: int) -> HttpResponse:
    """The request's page with what was typed and, where that is the matter, what is wrong with it."""
    row = queries.find(request.user, row.pk)
    typed = request.POST.get("decision_reason", "")[:4000]
    errors = list(form.errors.get("decision_reason", [])) if status == 200 else []
    context = sections.whole(request.user, row) | {"typed": typed, "errors": errors}
    return render(request, "connections/request_page/request.html", context, status=status)


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
