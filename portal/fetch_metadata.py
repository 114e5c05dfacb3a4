"""The origin of a request, as browsers state it (W3C Fetch Metadata): pages of other sites may only link here."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

OWN = {"same-origin", "none"}  # none: typed, a bookmark, a link in a mail program
SAFE = {"GET", "HEAD", "OPTIONS"}
EMBEDDED = {"object", "embed", "iframe", "frame"}


# A second protection in addition to the CSRF tokens and the cookies' SameSite. It also holds where those do not: for
# pages of another host of the company's own domain, which SameSite trusts, and for GETs that answer with data. Clients
# without these headers pass: old browsers, programs, health checks.
class OwnPages:
    """Refuses what a page of another site sends or embeds, before the view and before the body is read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)  # static files too
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: Any, _kwargs: Any
    ) -> HttpResponse | None:
        # Views without a CSRF token are for machines, which prove who they are in another way.
        if getattr(view, "csrf_exempt", False) or is_allowed(request):
            return None
        return render(request, "403_other_site.html", status=403)


def is_allowed(request: HttpRequest) -> bool:
    headers = request.headers
    if headers.get("Sec-Fetch-Site", "none") in OWN:
        return True
    if request.method in SAFE:
        return headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") not in EMBEDDED
    # Sites that the company named; the token still counts.
    return headers.get("Origin") in settings.CSRF_TRUSTED_ORIGINS


def by_a_click(view: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A log-in at the company's provider asks nothing there as a rule: no page begins one without its reader's doing.

    Where it is not certain that somebody clicked a link, they come to the log-in page, with the button for it: Safari
    says of no link of another site that it was clicked.
    """

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        if request.headers.get("Sec-Fetch-Site", "none") in OWN or request.headers.get("Sec-Fetch-User") == "?1":
            return view(request)
        return redirect_to_login(request.GET.get("next", ""))

    return guarded
