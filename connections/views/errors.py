"""Answers where something was not done: somebody was first, a limit, a wrong method, a busy database, a bug."""

import logging
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db import OperationalError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    HttpResponseServerError,
)
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template import loader
from django.urls import Resolver404, resolve

from connections.limits import LimitReached, TooMany
from connections.models import StaleRow
from connections.permissions import Denied

log = logging.getLogger(__name__)
# PostgreSQL: lock_not_available, query_canceled, deadlock_detected
_BUSY_STATES = frozenset({"55P03", "57014", "40P01"})
RETRY_SECONDS = 5


def misunderstood(_request: HttpRequest, exception: Exception) -> HttpResponse:
    # Made without the request, in which anything may be what was not understood.
    if isinstance(exception, RequestDataTooBig):
        most = f"{settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024} kB of text"
    elif isinstance(exception, TooManyFieldsSent):
        most = f"{settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:,} fields"
    else:
        return HttpResponseBadRequest(loader.get_template("400.html").render())
    return HttpResponse(loader.get_template("413.html").render({"most": most}), status=413)


def failure(request: HttpRequest) -> HttpResponse:
    # The pages are made without a query: the database may be the cause.
    # A busy database answers 503, which says that a second try is worth it; a bug gets a number that is in the log too.
    if is_busy(sys.exc_info()[1]):
        log.warning("the database was busy: %s %s", request.method, request.path)
        page = loader.get_template("503.html").render()
        return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_SECONDS)})
    incident = secrets.token_hex(4)
    log.error("incident %s: %s %s", incident, request.method, request.path)
    return HttpResponseServerError(loader.get_template("500.html").render({"incident": incident}))


def is_busy(error: BaseException | None) -> bool:
    # SQLite says it in words, PostgreSQL by its code.
    if not isinstance(error, OperationalError):
        return False
    return "is locked" in str(error) or getattr(error.__cause__, "sqlstate", "") in _BUSY_STATES


def decided(
    request: HttpRequest,
    verb: Callable[[], object],
    *,
    done: str,
    back: HttpResponse,
    moved_on: Callable[[StaleRow | Denied], str] = str,
    again: Callable[[], HttpResponse] | None = None,
) -> HttpResponse:
    """Do `verb`, say that it is `done`, and redirect to `back`. Where somebody was first, say `moved_on(obstacle)`,
    which raises obstacles of another cause; `again` renders the page with what was typed.
    """
    try:
        verb()
    except (StaleRow, Denied) as obstacle:
        messages.warning(request, moved_on(obstacle))
        return again() if again else back
    messages.success(request, done)
    return back


def limited(answer: HttpResponse, reached: LimitReached) -> HttpResponse:
    """`answer` with the status of the limit: 429 for too often or too many, else 422."""
    answer.status_code = 429 if isinstance(reached, TooMany) else 422
    if isinstance(reached, TooMany) and reached.retry_seconds:
        answer.headers["Retry-After"] = str(reached.retry_seconds)
    return answer


class LogInAndReturn(LoginRequiredMiddleware):
    """A form that was sent after the session had ended: the log-in leads back to the page with the form, for the
    address that the form is sent to has no page of its own.
    """

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseRedirect:
        if request.method in ("GET", "HEAD"):
            return super().handle_no_permission(request, view_func)
        address = self.get_login_url(view_func)  # the admin has a log-in of its own
        return redirect_to_login(_page_before(request) or page_above(request.path), address)


def _page_before(request: HttpRequest) -> str:
    """The address of the portal's page that the browser says it comes from, else nothing."""
    try:
        came_from = urlsplit(request.META.get("HTTP_REFERER", ""))
    except ValueError:  # it is no address
        return ""
    return urlunsplit(("", "", came_from.path, came_from.query, "")) if came_from.netloc == request.get_host() else ""


class RefusalsInWords:
    """Middleware: the pages for a limit that no view has shown beside what was typed, and for a wrong method."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if isinstance(answer, HttpResponseNotAllowed) and not answer.content:
            page = render(request, "405.html", {"back": page_above(request.path)}, status=405)
            page.headers["Allow"] = answer.headers["Allow"]
            return page
        return answer

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, LimitReached):
            return None
        return limited(render(request, "429.html", {"words": str(exception)}), exception)


def page_above(path: str) -> str:
    """The nearest address above `path` that is one of the portal's; a button's own is below that of its page."""
    while (path := path.rstrip("/").rpartition("/")[0] + "/") != "/":
        with suppress(Resolver404):
            resolve(path)
            return path
    return "/"
