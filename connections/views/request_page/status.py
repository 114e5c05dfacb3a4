"""The live parts of a request's page, which the open page asks for until nothing more can happen."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections.states import Status
from connections.views.request_page import queries, sections, trust


@require_safe
def status(request: HttpRequest, pk: int) -> HttpResponse:
    """204 while the page shows the present state (`seen`), else its live parts."""
    conn_request = queries.find(request.user, pk)
    if request.GET.get("seen") == sections.fingerprint(conn_request, sections.waiting_for(conn_request)):
        return HttpResponse(status=204)
    # A body that changed since the page was opened (`shown`) does not replace the one that an approver reads: the
    # decision keeps the old digest, which cannot approve any more, and the page says that it is out of date.
    shown = request.GET.get("shown", "")[: queries.SHOWN_DIGEST]
    edited = conn_request.state is Status.PENDING and shown != conn_request.digest[: queries.SHOWN_DIGEST]
    context = sections.live(request.user, conn_request) | {"shown": shown, "edited": edited, "swap": True}
    context["trust"] = trust.kept(context["trust"], request.GET.get("trust", ""))
    return render(request, "connections/request_page/_live.html", context)
