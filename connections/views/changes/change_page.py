"""The form that asks for a change of a connection, and the change's own page."""

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connections import limits, permissions, workflow
from connections.forms import ReasonForm
from connections.forms.changes import ChangeForm
from connections.models import (
    ChangeKind,
    ConnectionChange,
    ConnectionRequest,
    IllegalTransition,
    StaleRow,
    with_change_step,
)
from connections.permissions import Denied, Person
from connections.states import ChangeStatus
from connections.views.changes import change_labels
from connections.views.changes.page import fingerprint, page_of
from connections.views.errors import decided, limited
from connections.views.request_page import queries
from connections.views.request_page.inbox_left import Left, left_after


# --- asking ----------------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, pk: int) -> HttpResponse:
    conn_request = queries.find(request.user, pk)
    kind = wanted_kind(request)
    if not permissions.oversees(request.user, conn_request):
        permissions.check_can_ask_for_change(request.user, conn_request)
    if obstacle := queries.denied_reason(permissions.check_can_ask_for_change, request.user, conn_request):
        messages.warning(request, obstacle)
        return redirect("connections:request", pk=pk)
    now = workflow.present_values(conn_request)
    form = ChangeForm(request.POST if request.method == "POST" else None, kind=kind, now=now, name=conn_request.schema)
    try:
        if request.method == "POST" and form.is_valid() and (answer := _ask(request, conn_request, form)):
            return answer
    except limits.TooMany as reached:
        form.add_error(None, str(reached))
        return limited(_form_page(request, conn_request, form), reached)
    return _form_page(request, conn_request, form)


def _form_page(request: HttpRequest, conn_request: ConnectionRequest, form: ChangeForm) -> HttpResponse:
    kind = form.kind
    context = {"row": conn_request, "kind": kind, "form": form, "consequence": change_labels.CONSEQUENCES[kind]}
    context["deletes"] = kind is ChangeKind.DELETE
    return render(request, "connections/changes/new.html", context)


def wanted_kind(request: HttpRequest) -> ChangeKind:
    wanted = request.POST.get("kind") or request.GET.get("kind", "")
    if wanted not in ChangeKind.values:
        raise Http404("There is no such change.")
    return ChangeKind(wanted)


def _ask(request: HttpRequest, conn_request: ConnectionRequest, form: ChangeForm) -> HttpResponse | None:
    """The answer once the change is asked for; None where the form has to say what is wrong."""
    try:
        change = workflow.ask_for_change(
            by=queries.reader(request),
            conn_request=conn_request,
            kind=form.kind,
            reason=form.cleaned_data["reason"],
            values=form.values(),
        )
    except IllegalTransition as nothing:
        form.add_error(None, str(nothing))
        return None
    except Denied as denied:
        form.add_error(None, denied.reason)
        return None
    except StaleRow:
        opened = conn_request.changes.open().first()
        if opened is not None and (opened.requester_id, opened.kind) == (request.user.pk, form.kind):
            return redirect("connections:change", pk=opened.pk)  # the same form, sent twice
        messages.warning(request, "Somebody else asked for a change of this connection a moment before.")
        return redirect("connections:request", pk=conn_request.pk)
    messages.success(request, "You asked for this change. Nothing happens at Fivetran before an approver agrees.")
    return redirect("connections:change", pk=change.pk)


# --- the page --------------------------------------------------------------------------------------------------------
def find(user: Person, pk: int) -> ConnectionChange:
    rows = with_change_step(permissions.changes_visible_to(user)).annotate(**permissions.answers(user, "request__"))
    related = ("request__requester", "request__preset__approvers", "requester", "decided_by", "approved_by")
    change = get_object_or_404(rows.select_related(*related), pk=pk)
    permissions.keep_answer(user, change.request, change)
    return change


@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    change = find(request.user, pk)
    return rendered(request, change, left=left_after(request, change))


@require_safe
def status(request: HttpRequest, pk: int) -> HttpResponse:
    """204 while the page shows the present state (`seen`), else its live parts."""
    change = find(request.user, pk)
    if request.GET.get("seen") == fingerprint(change):
        return HttpResponse(status=204)
    context = {"page": page_of(request.user, change), "change": change, "row": change.request}
    return render(request, "connections/changes/_live.html", context)


def rendered(
    request: HttpRequest,
    change: ConnectionChange,
    form: ReasonForm | None = None,
    status: int = 200,
    left: Left | None = None,
) -> HttpResponse:
    page = page_of(request.user, change, form)
    context = {"page": page, "change": change, "row": change.request, "left": left}
    return render(request, "connections/changes/change.html", context, status=status)


# --- deciding --------------------------------------------------------------------------------------------------------
@require_POST
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    # The digest names the body that was on the page: another body is never approved.
    change = find(request.user, pk)
    digest = request.POST.get("digest", "").replace("\0", "")
    done = f"Change #{pk} is approved. The portal tells Fivetran by itself."
    return _decide_or_explain(
        request,
        change,
        lambda: workflow.approve_change(by=queries.reader(request), change=change, digest=digest),
        done,
        entitled=_decides(request.user, change),
    )


@require_POST
def reject(request: HttpRequest, pk: int) -> HttpResponse:
    change = find(request.user, pk)
    form = ReasonForm(request.POST)
    if not form.is_valid() and not queries.denied_reason(permissions.check_can_decide_change, request.user, change):
        return rendered(request, change, form)
    reason = form.cleaned_data.get("decision_reason", "")
    return _decide_or_explain(
        request,
        change,
        lambda: workflow.reject_change(by=queries.reader(request), change=change, reason=reason),
        f"Change #{pk} is rejected. Who asked is told why.",
        entitled=_decides(request.user, change),
        form=form,
    )


@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    change = find(request.user, pk)
    return _decide_or_explain(
        request,
        change,
        lambda: workflow.withdraw_change(by=queries.reader(request), change=change),
        f"Change #{pk} is withdrawn. Nothing is changed.",
        entitled=change.requester_id == request.user.pk or permissions.continues(request.user, change.request),
    )


def _decides(user: Person, change: ConnectionChange) -> bool:
    return permissions.approves(user, change.request) and change.requester_id != user.pk


def _decide_or_explain(
    request: HttpRequest,
    change: ConnectionChange,
    verb: Callable[[], None],
    done: str,
    *,
    entitled: bool,
    form: ReasonForm | None = None,
) -> HttpResponse:
    # Who is `entitled` to decide is told that somebody was faster, and sees again what they typed. Any other refusal is
    # raised.
    before, back = change.state, redirect("connections:change", pk=change.pk)

    def moved_on(obstacle: StaleRow | Denied) -> str:
        if isinstance(obstacle, Denied):
            # What can be rejected is not for nothing: the connection is gone, or who asked may no longer ask.
            decider = permissions.as_stored(queries.reader(request))  # with the rights of now
            rejects = not queries.denied_reason(permissions.check_can_decide_change, decider, change)
            if not entitled or (before is ChangeStatus.PENDING and not rejects):
                raise obstacle
            return obstacle.reason
        change.refresh_from_db()
        if change.state is before:
            return "The change is not as you saw it, so nothing was decided. Please look again."
        return f"There is nothing to decide any more: {change.state.label}."

    def with_typed() -> HttpResponse:
        return rendered(request, find(request.user, change.pk), form, status=409)

    typed = form is not None and form["decision_reason"].value()
    return decided(request, verb, done=done, back=back, moved_on=moved_on, again=with_typed if typed else None)
