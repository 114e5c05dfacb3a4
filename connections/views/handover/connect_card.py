"""The way to a Connect Card: a POST mints one and leads there; where Fivetran gives none just now, the page waits and
tries again by itself, a few times.
"""

import math
import time

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from connections import limits, workflow
from connections.models import Handover, StaleRow
from connections.permissions import Denied
from connections.views.errors import limited
from connections.views.handover.owner_pages import obstructed, owners_page
from connections.views.handover.owners import for_owner, leads_to_card, proof_of

WAITING = "cards_waited_for"  # in the session: number of the hand-over -> [tries, until when the next one may be]
PAUSES = (5, 10, 20, 40)  # seconds between the tries, where Fivetran asks for no longer wait
LATE = 10 * 60  # seconds: a tab that slept for longer than this asks its reader to press the button again


class ToCard(HttpResponseRedirect):
    """303: the browser GETs the card, and the form that was sent goes nowhere else."""

    status_code = 303


@leads_to_card
@for_owner
@sensitive_variables()
@require_POST
def card(request: HttpRequest, handover: Handover) -> HttpResponse:
    return _lead(request, handover, tries=1)


@leads_to_card
@for_owner
@sensitive_variables()
@require_GET
def card_again(request: HttpRequest, handover: Handover) -> HttpResponse:
    # A GET mints a card only in the session whose reader pressed the button a moment ago: a mail scanner never does.
    tries, until = request.session.get(WAITING, {}).get(str(handover.pk), (0, 0))
    if until <= time.time():
        return redirect("connections:handover", token=handover.token)
    return _lead(request, handover, tries=tries + 1)


@sensitive_variables()
def _lead(request: HttpRequest, handover: Handover, tries: int) -> HttpResponse:
    _forget(request, handover)
    try:
        return ToCard(workflow.issue_card(by=request.user, handover=handover, proof=proof_of(request, handover)))
    except limits.TooMany as reached:
        return limited(obstructed(request, handover, str(reached)), reached)
    except workflow.Unreachable as obstacle:
        if obstacle.retry_after is not None and tries <= len(PAUSES):
            return _wait(request, handover, obstacle, tries)
        return owners_page(request, handover, trouble=str(obstacle))
    except (StaleRow, Denied) as obstacle:
        return obstructed(request, handover, str(obstacle))


def _forget(request: HttpRequest, handover: Handover) -> None:
    waiting = dict(request.session.get(WAITING, {}))
    if waiting.pop(str(handover.pk), None):
        request.session[WAITING] = waiting


def _in_words(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"


def _wait(request: HttpRequest, handover: Handover, obstacle: workflow.Unreachable, tries: int) -> HttpResponse:
    seconds = max(math.ceil(obstacle.retry_after or 0), PAUSES[tries - 1])
    entry = [tries, int(time.time()) + seconds + LATE]
    request.session[WAITING] = {**request.session.get(WAITING, {}), str(handover.pk): entry}
    again = reverse("connections:handover_card_again", args=[handover.token])
    context = {"why": str(obstacle), "seconds": seconds, "wait": _in_words(seconds), "token": handover.token}
    context |= {"next_try": tries + 1, "most": len(PAUSES) + 1}
    answer = render(request, "connections/handover/waiting.html", context)
    # The header is obeyed with and without JavaScript; the script of the page only counts down.
    answer.headers["Refresh"] = f"{seconds}; url={again}"
    return answer
