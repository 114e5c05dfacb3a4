"""The live parts of a request's page, which the open page asks for until nothing more can happen."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections.views.request_page import polling, queries
from connections.views.request_page.page import Open, page_of
from connections.views.request_page.waiting import waiting_for


@require_safe
def status(request: HttpRequest, pk: int) -> HttpResponse:
    """204 while the page shows the present state (`seen`), else its live parts."""
    conn_request = queries.find(request.user, pk)
    if request.GET.get("seen") == polling.fingerprint(conn_request, waiting_for(conn_request)):
        return HttpResponse(status=204)
    open_page = Open(request.GET.get("shown", "")[: queries.SHOWN_DIGEST], request.GET.get("trust", ""))
    context = {"page": page_of(request.user, conn_request, open_page=open_page), "row": conn_request}
    return render(request, "connections/request_page/_live.html", context)
