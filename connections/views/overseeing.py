"""Redirecting a hand-over from the request's page: give it to somebody else, or revoke it."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from connections import limits, permissions, workflow
from connections.forms import PersonForm
from connections.models import Handover, MovedOn
from connections.permissions import Denied
from connections.views import handover_panel, panel, reading, words
from connections.views.errors import limited


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
    except limits.TooMany as reached:
        form.add_error("to", str(reached))
        return limited(_again(request, handover, form), reached)
    except (MovedOn, Denied) as obstacle:
        return _overtaken(request, handover, form, obstacle)
    told = f"{form.cleaned_data['to']} gets the link by mail. The one before opens nothing any more."
    messages.success(request, f"{told} {words.UNKNOWN_NAME}")
    return redirect("connections:request", pk=pk)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the hand-over back."""
    handover = _handover(request, pk)
    try:
        workflow.revoke(by=reading.reader(request), handover=handover)
    except (MovedOn, Denied) as obstacle:
        _only_if_overtaken(request, handover, obstacle)
        messages.warning(request, str(obstacle))
    else:
        messages.success(request, "The hand-over is revoked: its link opens nothing any more.")
    return redirect("connections:request", pk=pk)


def _only_if_overtaken(request: HttpRequest, handover: Handover, obstacle: MovedOn | Denied) -> None:
    """Let a refusal through unless the reader may do it in general: then it says what has happened meanwhile."""
    if isinstance(obstacle, Denied) and not permissions.oversees(request.user, handover.request):
        raise obstacle


def _overtaken(request: HttpRequest, handover: Handover, form: PersonForm, obstacle: MovedOn | Denied) -> HttpResponse:
    """The page as it is now and why nothing was done, with what was typed as long as it can be sent once more."""
    _only_if_overtaken(request, handover, obstacle)
    now = _handover(request, handover.request_id)
    shown = handover_panel.shown(request.user, now.request)
    if shown is not None and shown.may_pass_on:
        form.add_error("to", str(obstacle))
        return _again(request, now, form)
    messages.warning(request, str(obstacle))
    return redirect("connections:request", pk=now.request_id)


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
