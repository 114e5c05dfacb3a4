"""Buttons of a hand-over on the request's page: begin it, give it to somebody else, revoke it."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from connections import limits, permissions, workflow
from connections.forms import PersonForm
from connections.models import Handover, StaleRow
from connections.permissions import Denied
from connections.views import labels
from connections.views.errors import decided, limited
from connections.views.request_page import handover as handover_section
from connections.views.request_page import queries
from connections.views.request_page.detail import rendered
from connections.views.request_page.page import Sent, page_of


@require_POST
def begin(request: HttpRequest, pk: int) -> HttpResponse:
    conn_request, form = queries.find(request.user, pk), PersonForm(request.POST)
    if queries.handover_of(conn_request) is not None:
        return pass_on(request, pk)  # of an older page: somebody was asked meanwhile
    if not permissions.oversees(request.user, conn_request):
        permissions.check_can_hand_over(request.user, conn_request)  # says why not
    try:
        if not form.is_valid():
            raise workflow.NobodyFound(" ".join(map(str, form.errors["to"])))
        handover = workflow.hand_over(by=queries.reader(request), conn_request=conn_request, to=form.cleaned_data["to"])
    except (workflow.NobodyFound, limits.TooMany, StaleRow, Denied) as obstacle:
        messages.warning(request, str(obstacle))
        return redirect("connections:request", pk=pk)
    return _answer_handed(request, handover, form, "The credentials are entered at Fivetran.")


def _answer_handed(request: HttpRequest, handover: Handover, form: PersonForm, more: str) -> HttpResponse:
    # Who named themselves enters the credentials at once.
    user, to = queries.reader(request), form.cleaned_data["to"].strip()
    if handover.owner_id == user.pk and to.lower() in (user.get_username().lower(), user.email.lower()):
        return redirect("connections:handover", token=handover.token)
    messages.success(request, f"{to} gets the link by mail. {more} {labels.UNKNOWN_NAME}")
    return redirect("connections:request", pk=handover.request_id)


@require_POST
def pass_on(request: HttpRequest, pk: int) -> HttpResponse:
    handover = find_handover(request, pk)
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _page_with_form(request, handover, form)
    try:
        workflow.pass_on(by=queries.reader(request), handover=handover, to=form.cleaned_data["to"])
    except workflow.NobodyFound as nobody:
        form.add_error("to", str(nobody))
        return _page_with_form(request, handover, form)
    except limits.TooMany as reached:
        form.add_error("to", str(reached))
        return limited(_page_with_form(request, handover, form), reached)
    except (StaleRow, Denied) as obstacle:
        return _explain_obstacle(request, handover, form, obstacle)
    return _answer_handed(request, handover, form, "The one before opens nothing any more.")


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    handover = find_handover(request, pk)
    return decided(
        request,
        lambda: workflow.revoke(by=queries.reader(request), handover=handover),
        done="The hand-over is revoked: its link opens nothing any more.",
        back=redirect("connections:request", pk=pk),
        moved_on=lambda obstacle: _moved_on(request, handover, obstacle),
    )


def _moved_on(request: HttpRequest, handover: Handover, obstacle: StaleRow | Denied) -> str:
    """What has happened meanwhile; raises a denial for who may never do it."""
    if isinstance(obstacle, Denied) and not permissions.oversees(request.user, handover.request):
        raise obstacle
    return str(obstacle)


def _explain_obstacle(
    request: HttpRequest, handover: Handover, form: PersonForm, obstacle: StaleRow | Denied
) -> HttpResponse:
    # What was typed is shown again only where it can be sent once more.
    words = _moved_on(request, handover, obstacle)
    now = find_handover(request, handover.request_id)
    shown = handover_section.shown(request.user, now.request)
    if shown is not None and shown.may_pass_on:
        form.add_error("to", words)
        return _page_with_form(request, now, form)
    messages.warning(request, words)
    return redirect("connections:request", pk=now.request_id)


def _page_with_form(request: HttpRequest, handover: Handover, form: PersonForm) -> HttpResponse:
    return rendered(request, page_of(request.user, handover.request, sent=Sent(handover=form)))


def find_handover(request: HttpRequest, pk: int) -> Handover:
    conn_request = queries.find(request.user, pk)
    handover = queries.handover_of(conn_request)
    if handover is None:
        raise Http404
    handover.request = conn_request
    return handover
