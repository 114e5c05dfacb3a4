"""Redirecting a hand-over from the request's page: give it to somebody else, or revoke it."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from connections import workflow
from connections.forms import PersonForm
from connections.models import Handover, MovedOn
from connections.views import panel, reading


@require_POST
def pass_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the hand-over to somebody else, from the request's page."""
    handover = _handover(request, pk)
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _again(request, handover, form)
    try:
        workflow.pass_on(by=reading.reader(request), handover=handover, to=form.cleaned_data["to"])
    except workflow.NobodyFound as nobody:
        form.add_error("to", str(nobody))
        return _again(request, handover, form)
    except MovedOn as moved:
        messages.warning(request, str(moved))
    else:
        messages.success(
            request, f"{handover.owner_name} gets the link by mail. The one before opens nothing any more."
        )
    return redirect("connections:request", pk=pk)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the hand-over back."""
    try:
        workflow.revoke(by=reading.reader(request), handover=_handover(request, pk))
    except MovedOn as moved:
        messages.warning(request, str(moved))
    else:
        messages.success(request, "The hand-over is revoked: its link opens nothing any more.")
    return redirect("connections:request", pk=pk)


def _again(request: HttpRequest, handover: Handover, form: PersonForm) -> HttpResponse:
    """The request's page with what was typed and what is wrong with it."""
    row = handover.request
    return render(request, "connections/request.html", panel.whole(reading.reader(request), row) | {"to_form": form})


def _handover(request: HttpRequest, pk: int) -> Handover:
    row = reading.find(request.user, pk)
    handover = reading.handover_of(row)
    if handover is None:
        raise Http404
    handover.request = row
    return handover
