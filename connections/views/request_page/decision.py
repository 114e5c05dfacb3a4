"""The three decisions on a request's page: approve, reject, ask for changes."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from connections import permissions, workflow
from connections.forms import ReasonForm
from connections.models import ConnectionRequest, StaleRow
from connections.states import DECIDED, Status
from connections.views.errors import decided
from connections.views.request_page import queries, sections
from connections.views.request_page.actions import decide


@require_POST
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    # The digest names the body that was on the page: another body is never approved.
    row, digest = queries.find(request.user, pk), request.POST.get("digest", "")
    return decided(
        request,
        lambda: workflow.approve(by=queries.reader(request), request=row, digest=digest),
        done=f"Request #{pk} is approved. The portal sends it to Fivetran by itself.",
        back=redirect("connections:request", pk=pk),
        moved_on=lambda obstacle: _moved_on(request, row, obstacle),
    )


@require_POST
def reject(request: HttpRequest, pk: int) -> HttpResponse:
    return _decide(request, pk, workflow.reject, f"Request #{pk} is rejected. The requester is told why.")


@require_POST
def request_changes(request: HttpRequest, pk: int) -> HttpResponse:
    return _decide(request, pk, workflow.request_changes, f"Request #{pk} went back to its requester.")


def _decide(request: HttpRequest, pk: int, verb: Any, done: str) -> HttpResponse:
    row, form = queries.find(request.user, pk), ReasonForm(request.POST)
    if not form.is_valid() and permissions.can_decide(request.user, row):
        return _again(request, row, form, status=200)
    reason, digest = form.cleaned_data.get("decision_reason", ""), request.POST.get("digest")
    return decided(
        request,
        lambda: verb(by=queries.reader(request), request=row, reason=reason, digest=digest),
        done=done,
        back=redirect("connections:request", pk=pk),
        moved_on=lambda obstacle: _moved_on(request, row, obstacle),
        again=lambda: _again(request, row, form, status=409),
    )


def _again(request: HttpRequest, row: ConnectionRequest, form: ReasonForm, status: int) -> HttpResponse:
    """The page with what was typed and, where the reason is at fault, what is wrong with it."""
    row = queries.find(request.user, row.pk)
    typed = request.POST.get("decision_reason", "")[:4000]
    errors = list(form.errors.get("decision_reason", [])) if status == 200 else []
    context = sections.whole(request.user, row) | {"typed": typed, "errors": errors}
    context["decide"] = decide(request.user, row, form)
    return render(request, "connections/request_page/request.html", context, status=status)


def _moved_on(request: HttpRequest, row: ConnectionRequest, obstacle: StaleRow | permissions.Denied) -> str:
    """Who was first, and with what decision; raises a denial that has another cause."""
    row.refresh_from_db()
    may_decide = permissions.is_approver(request.user) and row.requester_id != request.user.pk
    if isinstance(obstacle, permissions.Denied) and not (may_decide and row.state is not Status.PENDING):
        raise obstacle
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
