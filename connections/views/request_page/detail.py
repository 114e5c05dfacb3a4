"""A request's page with its buttons, and its live parts, for which the open page asks until no more can happen."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connections import limits, workflow
from connections.models import ConnectionRequest, StaleRow
from connections.spec import trust_candidates
from connections.views.errors import limited
from connections.views.handover.owners import leads_to_card
from connections.views.request_page import dry_run, polling, queries
from connections.views.request_page.inbox_left import Left, left_after
from connections.views.request_page.page import Open, RequestPage, page_of


@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    conn_request = queries.find(request.user, pk, with_checks=True)
    left = left_after(request, conn_request)
    return rendered(request, page_of(request.user, conn_request), left=left)


def detail_of(request: HttpRequest, conn_request: ConnectionRequest) -> HttpResponse:
    return rendered(request, page_of(request.user, conn_request))


@leads_to_card
def rendered(request: HttpRequest, page: RequestPage, status: int = 200, left: Left | None = None) -> HttpResponse:
    context = {"page": page, "row": page.row, "left": left}
    return render(request, "connections/request_page/request.html", context, status=status)


@require_safe
def status(request: HttpRequest, pk: int) -> HttpResponse:
    """204 while the page shows the present state (`seen`), else its live parts."""
    conn_request = queries.find(request.user, pk)
    if request.GET.get("seen") == polling.fingerprint(conn_request, polling.waiting_for(conn_request)):
        return HttpResponse(status=204)
    open_page = Open(request.GET.get("shown", "")[: queries.SHOWN_DIGEST], request.GET.get("trust", ""))
    context = {"page": page_of(request.user, conn_request, open_page=open_page), "row": conn_request}
    return render(request, "connections/request_page/_live.html", context)


@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    conn_request = queries.find(request.user, pk)
    try:
        workflow.withdraw(by=queries.reader(request), conn_request=conn_request)
    except StaleRow:
        messages.warning(request, "The request moved on in the meantime and was not withdrawn.")
    else:
        messages.success(request, f"Request #{pk} is withdrawn. Nothing will be created.")
    return redirect("connections:request", pk=pk)


@require_POST
def run_tests(request: HttpRequest, pk: int) -> HttpResponse:
    conn_request = queries.find(request.user, pk)
    try:
        workflow.rerun_tests(by=queries.reader(request), conn_request=conn_request)
    except limits.TooMany as reached:
        messages.warning(request, str(reached))
        return limited(detail_of(request, conn_request), reached)
    except StaleRow as moved:
        messages.warning(request, str(moved))
    else:
        messages.success(request, "The setup tests will run again. Their results appear here by themselves.")
    return redirect("connections:request", pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
def test_request(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a dry run; a GET is how far the last one is, for the page that has it open."""
    conn_request = queries.find(request.user, pk, with_checks=True)
    if request.method != "POST":
        return dry_run.live(request, conn_request)
    in_place = "HX-Request" in request.headers  # the form exchanges the panel alone
    in_admin = request.POST.get("page") == "admin"
    try:
        workflow.ask_for_dry_run(by=queries.reader(request), conn_request=conn_request)
    except limits.TooMany as reached:
        if in_place:
            return limited(dry_run.live(request, conn_request, str(reached)), reached)
        messages.warning(request, str(reached))
        if not in_admin:
            return limited(detail_of(request, conn_request), reached)
    if in_place:
        return dry_run.live(request, queries.find(request.user, pk, with_checks=True))
    page = "admin:connections_connectionrequest_change" if in_admin else "connections:request"
    return redirect(f"{reverse(page, args=[pk])}#dry-run")


@require_POST
def approve_trust(request: HttpRequest, pk: int) -> HttpResponse:
    # Only what was shown: its hash and the candidates on the page are posted with it.
    conn_request = queries.find(request.user, pk)
    kind = request.POST.get("kind", "")
    if kind not in trust_candidates.TrustKind._value2member_map_:
        messages.error(request, "It was not said what is to be approved. Please look again.")
        return redirect("connections:request", pk=pk)
    chosen, by = trust_candidates.TrustKind(kind), queries.reader(request)
    asked, shown = request.POST.get("hash", ""), request.POST.get("shown", "")
    try:
        workflow.approve_trust(by=by, conn_request=conn_request, kind=chosen, hash=asked, shown=shown)
    except limits.TooMany as reached:
        messages.warning(request, str(reached))
        return limited(detail_of(request, conn_request), reached)
    except StaleRow as moved:
        messages.warning(request, str(moved))
    else:
        messages.success(request, f"The {kind} is approved. Fivetran is told, and the setup tests run again.")
    return redirect("connections:request", pk=pk)
