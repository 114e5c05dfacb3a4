"""The source owner's pages: what is asked, the mailed code, the Connect Card, the return from Fivetran.

A GET of the link changes nothing, so a mail scanner may follow it. Only the named owner gets further: logged in, or,
without an account, by a mailed code that opens this one hand-over in this one session.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from connections import catalog, limits, permissions, workflow
from connections.forms import CodeForm, PersonForm
from connections.models import TESTS_OPEN, Handover, HandoverState, StaleRow
from connections.permissions import Denied
from connections.views import labels
from connections.views.errors import limited
from connections.views.request_page import diagnosis, timeline

PROOFS = "handovers"  # in the session: number of the hand-over -> [proof, until when]
PROVED_SECONDS = 2 * 60 * 60
RETURNS = "handover_returns"  # in the session: number of the hand-over -> hash of the state that came before the code
SECRETS_SHOWN = 20

View = Callable[[HttpRequest, Handover], HttpResponse]
Route = Callable[..., HttpResponse]


def refused(request: HttpRequest, why: str) -> HttpResponse:
    return render(request, "connections/handover/refused.html", {"why": why}, status=403)


def with_handover(view: View) -> Route:
    """`view` with the hand-over of the link's token, whoever asks; 403 in words for any other token."""

    @login_not_required
    @wraps(view)
    def found(request: HttpRequest, token: str) -> HttpResponse:
        handover = Handover.objects.by_token(token)
        if handover is None:
            return refused(request, "This link is not valid, or not any more: it may have been given to somebody else.")
        return view(request, handover)

    return found


def for_owner(view: View) -> Route:
    """`view` for the named owner alone: others log in, enter a mailed code, or get a 403."""

    @wraps(view)
    def checked(request: HttpRequest, handover: Handover) -> HttpResponse:
        if permissions.is_source_owner(request.user, handover, proof_of(request, handover)):
            return view(request, handover)
        page = reverse("connections:handover", args=[handover.token])
        if handover.owner_id is None:
            return _code_page(request, handover, CodeForm()) if request.path == page else redirect(page)
        if not request.user.is_authenticated:
            return redirect_to_login(page)
        raise Denied("This hand-over is somebody else's: only the named source owner can open it.")

    return with_handover(checked)


def is_usable(handover: Handover) -> bool:
    return handover.is_live and not handover.request.deleted_at_fivetran_at


def proof_of(request: HttpRequest, handover: Handover) -> str:
    """What proves that this session holds the owner's address; empty without a proof, or where it is too old."""
    entry = request.session.get(PROOFS, {}).get(str(handover.pk))
    # An end further ahead than this was written by a clock that was set back since.
    return str(entry[0]) if entry and 0 < entry[1] - time.time() <= 2 * PROVED_SECONDS else ""


# --- the code --------------------------------------------------------------------------------------------------------
def _code_page(request: HttpRequest, handover: Handover, form: CodeForm) -> HttpResponse:
    # Once the hand-over has ended it says only that nothing is left to do: not what was asked, nor by whom.
    if not is_usable(handover):
        return render(request, "connections/handover/over.html")
    context = {"handover": handover, "form": form, "address": veiled(handover.address), "token": handover.token}
    page = "code_sent.html" if handover.code_sent_at or form.is_bound else "code.html"
    return render(request, f"connections/handover/{page}", context)


def veiled(address: str) -> str:
    """As much of an address as its owner needs to recognise it: o…r@example.com."""
    name, _, host = address.rpartition("@")
    return f"{name[:1]}…{name[-1:] if len(name) > 2 else ''}@{host}"


@with_handover
@require_POST
def send_code(request: HttpRequest, handover: Handover) -> HttpResponse:
    # No code is mailed that would open nothing.
    if handover.owner_id is None and not is_usable(handover):
        return redirect("connections:handover", token=handover.token)
    try:
        workflow.send_code(handover=handover)
    except limits.TooMany as reached:
        messages.warning(request, str(reached))
        return limited(_code_page(request, handover, CodeForm()), reached)
    except StaleRow as not_now:
        messages.warning(request, str(not_now))
    else:
        messages.success(request, "A code is on its way to the address. It is valid for 15 minutes.")
    return redirect("connections:handover", token=handover.token)


@with_handover
@sensitive_post_parameters("code")
@require_POST
def enter_code(request: HttpRequest, handover: Handover) -> HttpResponse:
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _code_page(request, handover, form)
    try:
        proof = workflow.enter_code(handover=handover, text=form.cleaned_data["code"])
    except workflow.WrongCode as wrong:
        form.add_error("code", str(wrong))
        return _code_page(request, handover, form)
    request.session.cycle_key()  # what somebody put into this browser before opens nothing
    proofs = request.session.get(PROOFS, {})
    request.session[PROOFS] = {**proofs, str(handover.pk): [proof, int(time.time()) + PROVED_SECONDS]}
    return _after_code(request, handover, proof)


def _after_code(request: HttpRequest, handover: Handover, proof: str) -> HttpResponse:
    # A return that waited for the code counts now, unless another card was issued since.
    waiting = dict(request.session.get(RETURNS, {}))
    if waiting.pop(str(handover.pk), "") == handover.return_hash != "":
        with suppress(StaleRow, Denied):
            workflow.returned(by=request.user, handover=handover, proof=proof)
    request.session[RETURNS] = waiting
    return redirect("connections:handover", token=handover.token)


# --- the owner's page ------------------------------------------------------------------------------------------------
@for_owner
@require_safe
def show(request: HttpRequest, handover: Handover) -> HttpResponse:
    if is_usable(handover):
        workflow.note_opened(by=request.user, handover=handover, proof=proof_of(request, handover))
    return _page(request, handover, PersonForm())


def _page(
    request: HttpRequest, handover: Handover, form: PersonForm, trouble: str = "", retry_after: float | None = None
) -> HttpResponse:
    if retry_after:
        seconds = f"{retry_after} second{'' if retry_after == 1 else 's'}"
        trouble += f" This page tries again by itself in {seconds}; the button below does the same then."
    if trouble:
        messages.warning(request, trouble)
    context = _owner_context(handover)
    if not is_usable(handover):
        return render(request, "connections/handover/ended.html", context)
    asked = _asked(context["credentials"])
    context |= {"asked": asked, "asked_note": _NOTES[bool(asked)], "form": form, "retry_after": retry_after}
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
        "over": handover.state == HandoverState.DONE or conn_request.deleted_at_fivetran_at is not None,
        "progress": _progress_of(handover, working=working, tests_run=waits and not runs),
        "progress_url": reverse("connections:handover_progress", args=[handover.token]),
        "poll": 2 if working else 5 if handover.is_live and handover.card_at else 0,
        "runs": runs,
        "credentials": credentials,
        "acts_on_tests": handover.owner_name,
        "cards": diagnosis.cards(conn_request, runs, named=False),  # somebody from outside need not know who approves
        "again": "open a Connect Card again" if is_usable(handover) else "tell the person who asked for the connection",
    }


class HowFar(NamedTuple):
    tone: str
    words: str


def _progress_of(handover: Handover, *, working: bool, tests_run: bool) -> list[HowFar]:
    running = tests_run and handover.state != HandoverState.RETURNED
    told = [how_far_of(handover, working=working), _TESTS_RUN if running else None]
    return [line for line in told if line]


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


_TESTS_RUN = HowFar("info", "The setup tests run now.")
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


def _obstructed(request: HttpRequest, handover: Handover, form: PersonForm, why: str) -> HttpResponse:
    """The owner's page as it is now, and why nothing was done."""
    now = Handover.objects.by_token(handover.token)
    if now is None:  # the hand-over is somebody else's now: nothing of it is shown
        return refused(request, why)
    if not (form.is_bound and is_usable(now)):
        return _page(request, now, form, why)
    form.add_error("to", why)
    return _page(request, now, form)


@for_owner
@sensitive_variables()
@require_POST
def card(request: HttpRequest, handover: Handover) -> HttpResponse:
    # A link leads to the card: a form's answer may not redirect to another host (CSP).
    try:
        uri = workflow.issue_card(by=request.user, handover=handover, proof=proof_of(request, handover))
    except limits.TooMany as reached:
        return limited(_obstructed(request, handover, PersonForm(), str(reached)), reached)
    except workflow.Unreachable as obstacle:
        return _page(request, handover, PersonForm(), str(obstacle), obstacle.retry_after)
    except (StaleRow, Denied) as obstacle:
        return _obstructed(request, handover, PersonForm(), str(obstacle))
    context = {"handover": handover, "row": handover.request, "token": handover.token, "uri": uri}
    return render(request, "connections/handover/card.html", context)


@for_owner
@require_POST
def pass_on(request: HttpRequest, handover: Handover) -> HttpResponse:
    # The owner's own link is dead afterwards, so the answer is a page of its own.
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _page(request, handover, form)
    proof = proof_of(request, handover)
    try:
        workflow.pass_on(by=request.user, handover=handover, to=form.cleaned_data["to"], proof=proof)
    except limits.TooMany as reached:
        return limited(_obstructed(request, handover, form, str(reached)), reached)
    except (StaleRow, Denied, workflow.NobodyFound) as obstacle:
        return _obstructed(request, handover, form, str(obstacle))
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
