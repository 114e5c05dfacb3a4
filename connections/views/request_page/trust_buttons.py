"""The buttons "Approve certificate" and "Approve fingerprint" of a request's page."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from connections import limits, workflow
from connections.models import StaleRow
from connections.spec import trust_candidates
from connections.views.errors import limited
from connections.views.request_page import queries
from connections.views.request_page.detail import detail_of


@require_POST
def approve(request: HttpRequest, pk: int) -> HttpResponse:
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
