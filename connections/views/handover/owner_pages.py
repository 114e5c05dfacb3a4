"""The source owner's pages: what is asked, how far it is, giving it to somebody else, the return from Fivetran."""

from collections.abc import Iterator
from functools import wraps
from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST, require_safe

from connections import catalog, limits, permissions, workflow
from connections.forms import PersonForm
from connections.models import TESTS_OPEN, Handover, HandoverState, StaleRow
from connections.permissions import Denied
from connections.views import labels
from connections.views.errors import limited
from connections.views.handover.owners import (
    PROOFS,
    RETURNS,
    Route,
    for_owner,
    is_usable,
    leads_to_card,
    proof_of,
    refused,
)
from connections.views.request_page import diagnosis, timeline

SECRETS_SHOWN = 20


@leads_to_card
@for_owner
@require_safe
def show(request: HttpRequest, handover: Handover) -> HttpResponse:
    if is_usable(handover):
        workflow.note_opened(by=request.user, handover=handover, proof=proof_of(request, handover))
    return owners_page(request, handover)


def owners_page(
    request: HttpRequest, handover: Handover, form: PersonForm | None = None, trouble: str = ""
) -> HttpResponse:
    """The page as the hand-over stands, with what went wrong above it."""
    if trouble:
        messages.warning(request, trouble)
    context = _owner_context(handover)
    if not is_usable(handover):
        return render(request, "connections/handover/ended.html", context)
    asked = _asked(context["credentials"])
    context |= {"asked": asked, "asked_note": _NOTES[bool(asked)], "form": form or PersonForm()}
    return render(request, "connections/handover/handover.html", context)


def _asked(credentials: catalog.Credentials) -> list[str]:
    """What Fivetran's page will ask for, as far as it is known."""
    asked = list(credentials.secrets[:SECRETS_SHOWN])
    if (more := len(credentials.secrets) - SECRETS_SHOWN) > 0:
        asked.append(f"and {more} more, depending on what you choose there")
    if credentials.authorise:
        asked.append("To let Fivetran read the account, by signing in to the source")
    return asked


_NOTES = {
    True: "Which of these depends on how you let Fivetran sign in; its page shows only what it needs.",
    False: "Fivetran’s page says what it needs.",
}


def _owner_context(handover: Handover) -> dict[str, Any]:
    conn_request = handover.request
    connection = conn_request.connection
    waits = connection.tests in TESTS_OPEN or connection.check_due_at is not None
    working = handover.state == HandoverState.RETURNED or waits
    runs = timeline.runs_of(connection)[:1]
    credentials = catalog.credentials_of(conn_request.service)
    conn_request.guide = credentials.guide  # type: ignore[attr-defined]  # as queries.find() annotates it
    return {
        "handover": handover,
        "token": handover.token,
        "row": conn_request,
        "card_host": workflow.card_host(),
        "over": handover.state == HandoverState.DONE or conn_request.deleted_at_fivetran_at is not None,
        "progress": _progress_of(handover, working=working, tests_run=waits and not runs),
        "progress_url": reverse("connections:handover_progress", args=[handover.token]),
        "poll": 2 if working else 5 if handover.is_live and handover.card_at else 0,
        "runs": runs,
        "credentials": credentials,
        "acts_on_tests": handover.owner_shown,
        "cards": diagnosis.cards(conn_request, runs, named=False),  # somebody from outside need not know who approves
        "again": "open a Connect Card again" if is_usable(handover) else "tell the person who asked for the connection",
    }


class HowFar(NamedTuple):
    tone: str
    words: str


def _progress_of(handover: Handover, *, working: bool, tests_run: bool) -> Iterator[HowFar]:
    if so_far := how_far_of(handover, working=working):
        yield so_far
    if tests_run and handover.state != HandoverState.RETURNED:
        yield HowFar("info", "The setup tests run now.")


def how_far_of(handover: Handover, *, working: bool) -> HowFar | None:
    connected = handover.request.connection.setup_state == "connected"
    if handover.request.deleted_at_fivetran_at:
        return HowFar("warning", "The connection is no longer at Fivetran. There is nothing to do for you.")
    if handover.state == HandoverState.DONE:
        return HowFar("success", _CONNECTED) if connected else HowFar("warning", _CONNECTED_NO_MORE)
    if handover.state == HandoverState.RETURNED:
        words = "You are back from Fivetran. The portal asks Fivetran how it went; this page says it in a moment."
        return HowFar("info", words)
    if handover.returned_at and not connected:
        more = "The setup tests run now and will say why."
        again = "See the setup tests below, then open a Connect Card again."
        return HowFar("warning", f"Fivetran does not call the connection connected yet. {more if working else again}")
    if handover.card_expired_at:
        return HowFar("info", "Your last Connect Card expired unused. Open another one whenever you are ready.")
    return None


_CONNECTED = format_html(
    "<strong>{}</strong> Fivetran has what it needs, and there is nothing left to do for you. Thank you.", "Connected."
)
_CONNECTED_NO_MORE = (
    "You handed the credentials over, but Fivetran does not call the connection connected any more. There is nothing "
    "to do for you now: the person who asked for it sees it too, and can hand it over again. You then get a new link."
)


def or_whole_page(route: Route) -> Route:
    """Have the browser open the whole page where `route` would answer an open page with anything but its part."""

    # htmx follows a redirect unseen, and would put a log-in page, with 200, where the part stood.
    @wraps(route)
    def part(request: HttpRequest, token: str) -> HttpResponse:
        if "HX-Request" not in request.headers:
            return route(request, token)
        try:
            answer = route(request, token)
        except Denied:
            answer = None
        if answer is not None and answer.status_code == 200:
            return answer
        return HttpResponse(headers={"HX-Redirect": reverse("connections:handover", args=[token])})

    return part


@or_whole_page
@for_owner
@require_safe
def progress(request: HttpRequest, handover: Handover) -> HttpResponse:
    return render(request, "connections/handover/_progress.html", _owner_context(handover))


def obstructed(request: HttpRequest, handover: Handover, why: str, form: PersonForm | None = None) -> HttpResponse:
    """The owner's page as it is now, and why nothing was done."""
    now = Handover.objects.by_token(handover.token)
    if now is None:  # the hand-over is somebody else's now: nothing of it is shown
        return refused(request, why)
    if form is None or not is_usable(now):
        return owners_page(request, now, form, why)
    form.add_error("to", why)
    return owners_page(request, now, form)


@leads_to_card
@for_owner
@require_POST
def pass_on(request: HttpRequest, handover: Handover) -> HttpResponse:
    # The owner's own link is dead afterwards, so the answer is a page of its own.
    form = PersonForm(request.POST)
    if not form.is_valid():
        return owners_page(request, handover, form)
    proof = proof_of(request, handover)
    try:
        workflow.pass_on(by=request.user, handover=handover, to=form.cleaned_data["to"], proof=proof)
    except limits.TooMany as reached:
        return limited(obstructed(request, handover, str(reached), form), reached)
    except (StaleRow, Denied, workflow.NobodyFound) as obstacle:
        return obstructed(request, handover, str(obstacle), form)
    context = {"to": form.cleaned_data["to"], "unknown_name": labels.UNKNOWN_NAME}
    return render(request, "connections/handover/given.html", context)


# --- back from Fivetran ----------------------------------------------------------------------------------------------
@login_not_required
@require_safe
def returned(request: HttpRequest) -> HttpResponse:
    """Where Fivetran sends the owner after the card.

    Without a state: thanks, and nothing happens. With a forged, used, expired or foreign one: 403, and nothing happens.
    """
    state = request.GET.get("state")
    if state is None:
        return render(request, "connections/handover/return.html")
    handover = Handover.objects.by_state(state)
    if handover is None:
        return refused(request, "This return from Fivetran is not valid, or was counted already.")
    proof = proof_of(request, handover)
    if handover.owner_id is not None and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if handover.owner_id is None and not permissions.is_source_owner(request.user, handover, proof):
        return _code_first(request, handover)
    return _count_return(request, handover, proof)


def _count_return(request: HttpRequest, handover: Handover, proof: str) -> HttpResponse:
    try:
        workflow.returned(by=request.user, handover=handover, proof=proof)
    except (Denied, StaleRow) as obstacle:
        return refused(request, str(obstacle))
    return redirect("connections:handover", token=handover.token)


def _code_first(request: HttpRequest, handover: Handover) -> HttpResponse:
    # The card lives longer than the proof: the return counts once the code is entered, in this session.
    if is_usable(handover):
        workflow.note_unproved_return(handover=handover)
        request.session[RETURNS] = {**request.session.get(RETURNS, {}), str(handover.pk): handover.return_hash}
    # Whoever got hold of the state must not learn the link: only a browser that proved the address before is led to it.
    before, _until = request.session.get(PROOFS, {}).get(str(handover.pk), ("", 0))
    if permissions.is_source_owner(request.user, handover, str(before)):
        return redirect("connections:handover", token=handover.token)
    return render(request, "connections/handover/return_unproved.html")
