"""The operators' page: whether anything is sent, what waits, what is stuck, and what can be done about it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST, require_safe

from connections import permissions
from connections.forms import PauseForm, SettleForm
from connections.models import BreakerReason, CircuitBreaker, ConnectionRequest, EventSeal, Heartbeat, Process
from connections.models.capped_count import in_words
from connections.spec.characters import visible
from connections.spec.refusals import refusal_of
from connections.states import Status
from connections.views import labels
from connections.views.errors import decided
from connections.views.operations import charts
from connections.views.operations.reassignment import left_behind
from connections.views.request_page import queries
from connections.workflow import jobs, operations

SHOWN = 50
COUNTED = 1000  # a count beyond this reads "1,000+"
SECTIONS = ("sending", "queue", "day", "jobs", "attention", "refusals", "unknown")
LATE = timedelta(minutes=5)  # since the oldest row was due, when somebody should look


@require_safe
def board(request: HttpRequest) -> HttpResponse:
    permissions.check_sees_operations(request.user)
    context = _board() | {"operates": permissions.is_operator(request.user)}
    return render(request, "connections/operations/operations.html", context)


@require_POST
def pause(request: HttpRequest) -> HttpResponse:
    permissions.check_can_operate(request.user)
    form = PauseForm(request.POST)
    if not form.is_valid():
        return render(request, "connections/operations/operations.html", _board(form))
    if operations.pause(by=permissions.logged_in(request.user), reason=form.cleaned_data["decision_reason"]):
        messages.success(request, "Sending is paused. What was sent already is still being settled.")
    return redirect("connections:operations")


@require_POST
def resume(request: HttpRequest) -> HttpResponse:
    if operations.resume(by=permissions.logged_in(request.user)):
        messages.success(request, "Sending goes on.")
    return redirect("connections:operations")


def on_kind(verb: Callable[..., None], done: str) -> Callable[..., HttpResponse]:
    """The button of a verb on a kind of work."""

    @require_POST
    def button(request: HttpRequest, **which: Any) -> HttpResponse:
        by, back = permissions.logged_in(request.user), redirect("connections:operations")
        permissions.check_can_operate(by)
        return decided(request, lambda: verb(by=by, **which), done=done, back=back)

    return button


def settling(verb: Callable[..., None], done: str) -> Callable[..., HttpResponse]:
    """The button of a verb that settles a request; where it cannot, the page says what is wrong with what was typed."""

    @require_POST
    def button(request: HttpRequest, pk: int) -> HttpResponse:
        permissions.check_can_operate(request.user)
        conn_request, adopting = queries.find(request.user, pk), verb is operations.adopt
        form = SettleForm(request.POST, pk=pk, adopting=adopting)
        if form.is_valid():
            given = {"reason": form.cleaned_data["decision_reason"]}
            if adopting:
                given["connection_id"] = form.cleaned_data["connection_id"]
            try:
                return decided(
                    request,
                    lambda: verb(by=queries.reader(request), conn_request=conn_request, **given),
                    done=f"Request #{pk} {done}",
                    back=redirect("connections:operations"),
                )
            except operations.DoesNotFit as misfit:
                form.add_error("connection_id", str(misfit))
            except operations.Unreachable:
                form.add_error(None, "Fivetran gave no answer. Try again in a moment.")
        return render(request, "connections/operations/operations.html", _board(form))

    return button


pause_kind = on_kind(jobs.pause_kind, "Work of this kind is paused.")
resume_kind = on_kind(jobs.resume_kind, "Work of this kind goes on.")
try_again = on_kind(jobs.try_again, "It is tried again.")
adopt = settling(operations.adopt, "is Created with the connection you named.")
send_again = settling(operations.send_again, "is in the queue again.")
close = settling(operations.close, "is closed. The requester is told why.")
# The cause of Fivetran's refusal is mended: the requester can try again.
hand_back = settling(operations.hand_back, "is handed back. The requester is told.")


def _board(failed: SettleForm | PauseForm | None = None) -> dict[str, Any]:
    """`failed` takes the place of the empty form of its request, or of the pause."""
    due = ConnectionRequest.objects.filter(status=Status.APPROVED)
    oldest = due.order_by("approved_at").values_list("approved_at", flat=True).first()
    # A row that is told to wait is not late.
    late = due.filter(approved_at__lt=timezone.now() - LATE, next_try_at__lt=timezone.now() - LATE)
    stuck = ConnectionRequest.objects.select_related("requester").order_by("status_since", "id")
    refused = stuck.refused_for_operators()
    attention = stuck.filter(status=Status.ATTENTION)[:SHOWN]
    pause = failed if isinstance(failed, PauseForm) else PauseForm()
    hours = charts.last_day(timezone.now())
    board = {
        "breaker": _breaker_context(),
        "queued": in_words(due[: COUNTED + 1].count(), COUNTED),
        "oldest": oldest,
        "late": labels.tag("danger", "waits long") if late.exists() else "",
        "attention": [(conn_request, form_of(conn_request, failed)) for conn_request in attention],
        "refused": [
            (conn_request, form_of(conn_request, failed), refusal_of(conn_request.failure_code))
            for conn_request in refused[:SHOWN]
        ],
        "kinds": [_kind_context(kind) for kind in jobs.kinds()],
        "gave_up": [_gave_up_context(row) for row in jobs.gave_up()],
        "undecided": [_undecided_context(one) for one in permissions.coverage.of_decisions().stranded()[:SHOWN]],
        "unsealed": unsealed if (unsealed := EventSeal.objects.standing()).late else None,
        "unknown": list(stuck.filter(status=Status.UNKNOWN)[:SHOWN]),
        "hours": hours,
        "charts": charts.charts(hours),
        "processes": _processes_context(),
        "form": failed or pause,
        "operates": True,
        "left_behind": _left_behind(),
        "pause_form": pause,
    }
    return board | {"sections": [f"connections/operations/_{name}.html" for name in _sections(board)]}


def _left_behind() -> str:
    count = len(left_behind().values_list("pk")[: COUNTED + 1])
    who = "person without an active account has" if count == 1 else "people without an active account have"
    return f": {in_words(count, COUNTED)} {who} something open" if count else ""


def _sections(board: dict[str, Any]) -> list[str]:
    """The parts of the page in order: what a person has to settle comes first."""
    urgent = (("attention", "attention"), ("refusals", "refused"), ("undecided", "undecided"), ("unsealed", "unsealed"))
    waiting = [name for name, rows in urgent if board[rows]]
    return [*waiting, *(name for name in SECTIONS if name not in waiting)]


def form_of(conn_request: ConnectionRequest, failed: SettleForm | PauseForm | None) -> SettleForm:
    return failed if isinstance(failed, SettleForm) and failed.pk == conn_request.pk else SettleForm(pk=conn_request.pk)


def _kind_context(kind: jobs.Kind) -> dict[str, Any]:
    verb = "resume" if kind.paused else "pause"
    return {
        "kind": kind,
        "due": f"{kind.waiting} due" if kind.waiting else "",
        "tag": labels.tag("warning", "paused") if kind.paused else "",
        "url": reverse(f"connections:{verb}_kind", args=[kind.name]),
        "button": verb.title(),
    }


def _undecided_context(one: permissions.coverage.Open) -> dict[str, str]:
    view = "change" if one.is_change else "request"
    return {"words": one.words, "address": reverse(f"connections:{view}", args=[one.first])}


def _gave_up_context(row: jobs.GaveUp) -> dict[str, Any]:
    return {
        "row": row,
        "about": f"#{row.request.pk} {row.request.service_name}",
        "page": reverse("connections:request", args=[row.request.pk]),
        "url": reverse("connections:try_again", args=[row.job, row.key]),
    }


def _breaker_context() -> dict[str, Any]:
    breaker = CircuitBreaker.objects.select_related("paused_by").filter(pk=1).first() or CircuitBreaker(pk=1)
    ahead = breaker.not_before if breaker.not_before and breaker.not_before > timezone.now() else None
    sentence, sending = _SENTENCES[BreakerReason(breaker.reason)]
    # The wait that Fivetran asked for may be over before the breaker's row says so.
    if breaker.reason == BreakerReason.RATE_LIMITED and ahead is None:
        sentence, sending = _SENTENCES[BreakerReason.CLOSED]
    if breaker.paused_at and sending:
        sentence = "Nothing is sent until somebody resumes."
    why = breaker.paused_reason
    parts = ["rate"] if breaker.rate_limit is not None else []
    parts.append("paused" if breaker.paused_at else "pause")
    return {
        "row": breaker,
        "state": "Paused" if breaker.paused_at else "Open" if sending else "Closed",
        "sentence": f"{sentence} until" if ahead else sentence,
        "why_paused": format_html(": <bdi>{}</bdi>", visible(why)) if why else "",
        "until": ahead,
        "parts": [f"connections/operations/_{name}.html" for name in parts],
        "sending": sending and not breaker.paused_at,
        "pace": _PACES.get(breaker.pace, ""),
    }


_PACES = {
    "spread": "Less than a tenth: creations are spread over the hour.",
    "look_ups": "Less than a fiftieth: nothing is created or changed, the rest is for look-ups.",
}
_SENTENCES = {
    BreakerReason.CLOSED: ("Requests are sent as they are approved.", True),
    BreakerReason.RATE_LIMITED: ("Fivetran asked us to wait", False),
    BreakerReason.AUTH: (
        "Fivetran does not accept the API key. Put the right one in place; the portal asks again",
        False,
    ),
    BreakerReason.OPEN: (
        "Fivetran cannot be reached, or gave no clear answers three times in a row. The portal asks again",
        False,
    ),
    BreakerReason.HALF_OPEN: (
        "Fivetran answers again. One request goes ahead, the others follow if it ends clearly.",
        True,
    ),
}


def _processes_context() -> list[dict[str, Any]]:
    heard = dict(Heartbeat.objects.values_list("process", "at"))
    silent = Heartbeat.objects.silent()
    tag = labels.tag("danger", "silent")
    return [{"label": p.label, "at": heard.get(p), "silent": tag if p in silent else ""} for p in Process]
