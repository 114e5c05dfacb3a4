"""Who gets to the source owner's pages: the named owner, logged in, or, without an account, by a mailed code.

The code opens this one hand-over in this one session. A GET of the link changes nothing: a mail scanner may follow it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, cast

from csp.decorators import csp_update
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from connections import limits, permissions, workflow
from connections.forms import CodeForm
from connections.models import Handover, StaleRow
from connections.permissions import Denied
from connections.views.errors import limited

PROOFS = "handovers"  # in the session: number of the hand-over -> [proof, until when]
PROVED_SECONDS = 2 * 60 * 60
RETURNS = "handover_returns"  # in the session: number of the hand-over -> hash of the state that came before the code

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


def leads_to_card(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """`view` whose page has a form that a Connect Card may answer: its `form-action` names the card's site too."""

    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> HttpResponse:
        page: Any = csp_update({"form-action": workflow.card_origins()})(view)
        return cast(HttpResponse, page(*args, **kwargs))

    return answer


# --- the code --------------------------------------------------------------------------------------------------------
def _code_page(request: HttpRequest, handover: Handover, form: CodeForm) -> HttpResponse:
    # Once the hand-over has ended it says only that nothing is left to do: not what was asked, nor by whom.
    if not is_usable(handover):
        return render(request, "connections/handover/over.html")
    context = {"handover": handover, "form": form, "address": veiled(handover.address), "token": handover.token}
    context |= {"row": handover.request, "card_host": workflow.card_host()}
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
