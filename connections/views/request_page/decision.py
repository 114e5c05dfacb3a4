"""The three decisions on a request's page: approve, reject, ask for changes."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from connections import permissions, workflow
from connections.forms import ReasonForm
from connections.models import ConnectionRequest, StaleRow
from connections.people import display_name
from connections.states import DECIDED, Status
from connections.views.errors import decided
from connections.views.request_page import queries
from connections.views.request_page.detail import rendered
from connections.views.request_page.page import Sent, page_of


@require_POST
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    # The digest names the body that was on the page: another body is never approved.
    conn_request, digest = queries.find(request.user, pk), request.POST.get("digest", "")
    return decided(
        request,
        lambda: workflow.approve(by=queries.reader(request), conn_request=conn_request, digest=digest),
        done=f"Request #{pk} is approved. The portal sends it to Fivetran by itself.",
        back=redirect("connections:request", pk=pk),
        moved_on=lambda obstacle: _moved_on(request, conn_request, obstacle),
    )


def deciding(verb: Any, done: str) -> Callable[..., HttpResponse]:
    """The button of a decision with a reason."""

    @require_POST
    def button(request: HttpRequest, pk: int) -> HttpResponse:
        conn_request, form = queries.find(request.user, pk), ReasonForm(request.POST)
        if not form.is_valid() and permissions.can_decide(request.user, conn_request):
            return _again(request, conn_request, form, status=200)
        reason, digest = form.cleaned_data.get("decision_reason", ""), request.POST.get("digest")
        return decided(
            request,
            lambda: verb(by=queries.reader(request), conn_request=conn_request, reason=reason, digest=digest),
            done=done.format(pk),
            back=redirect("connections:request", pk=pk),
            moved_on=lambda obstacle: _moved_on(request, conn_request, obstacle),
            again=lambda: _again(request, conn_request, form, status=409),
        )

    return button


reject = deciding(workflow.reject, "Request #{} is rejected. The requester is told why.")
request_changes = deciding(workflow.request_changes, "Request #{} went back to its requester.")


def _again(request: HttpRequest, conn_request: ConnectionRequest, form: ReasonForm, status: int) -> HttpResponse:
    """The page with what was typed and, where the reason is at fault, what is wrong with it."""
    conn_request = queries.find(request.user, conn_request.pk)
    typed = request.POST.get("decision_reason", "")[:4000]
    page = page_of(request.user, conn_request, sent=Sent(decision=form, typed=typed))
    return rendered(request, page, status)


def _moved_on(request: HttpRequest, conn_request: ConnectionRequest, obstacle: StaleRow | permissions.Denied) -> str:
    """Who was first, and with what decision; raises a denial that has another cause."""
    conn_request.refresh_from_db()
    may_decide = permissions.approves(request.user, conn_request) and not permissions.wrote(request.user, conn_request)
    if isinstance(obstacle, permissions.Denied) and not (may_decide and conn_request.state is not Status.PENDING):
        # Who may decide still, by the rights of now, may reject: its requester may no longer ask for it.
        if permissions.can_decide(permissions.as_stored(queries.reader(request)), conn_request):
            return obstacle.reason
        raise obstacle
    if conn_request.state is Status.PENDING:
        return "The request changed since you looked at it, so nothing was decided. Please look again."
    if conn_request.state in DECIDED and conn_request.approved_by:
        return f"Already approved by {display_name(conn_request.approved_by)}."
    if conn_request.state is Status.REJECTED and conn_request.decided_by:
        return f"Already rejected by {display_name(conn_request.decided_by)}."
    if conn_request.state is Status.CHANGES_REQUESTED and conn_request.decided_by:
        return f"Already sent back for changes by {display_name(conn_request.decided_by)}."
    return f"There is nothing to decide any more: {conn_request.state.label}."
