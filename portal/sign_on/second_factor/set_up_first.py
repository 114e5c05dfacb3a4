"""Whoever has to set up a second factor does nothing else before."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from portal.sign_on.second_factor import OWED, WANTED


def set_up_first(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: every other page leads to the one on which it is set up; logging out stays possible."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if OWED in request.session and not _stays_open(request.path_info):
            if request.method == "GET":
                request.session.setdefault(WANTED, request.get_full_path())
            return redirect("second_factor")
        return get_response(request)

    return middleware


def _stays_open(path: str) -> bool:
    return path.startswith(reverse("second_factor")) or path == reverse("logout")
