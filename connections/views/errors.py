"""What is said where something was not done: somebody was first, too much was asked, the database is busy, a bug."""

import logging
import secrets
import sys
from collections.abc import Callable

from django.contrib import messages
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.shortcuts import render
from django.template import loader

from connections.limits import LimitReached, TooMany
from connections.models import StaleRow
from connections.permissions import Denied

log = logging.getLogger(__name__)
_BUSY_STATES = frozenset(
    {"55P03", "57014", "40P01"}
)  # PostgreSQL: lock_not_available, query_canceled, deadlock_detected
RETRY_SECONDS = 5


def failure(request: HttpRequest) -> HttpResponse:
    """500 with an incident number that stands in the log too. Asks nothing of the database, which may be the cause.

    Where the database was busy for too long: 503, which says that a second try is worth it.
    """
    if is_busy(sys.exc_info()[1]):
        log.warning("the database was busy: %s %s", request.method, request.path)
        page = loader.get_template("503.html").render()
        return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_SECONDS)})
    incident = secrets.token_hex(4)
    log.error("incident %s: %s %s", incident, request.method, request.path)
    return HttpResponseServerError(loader.get_template("500.html").render({"incident": incident}))


def is_busy(error: BaseException | None) -> bool:
    """Whether the database answered that others held what was needed: SQLite's lock, PostgreSQL's time limits."""
    if not isinstance(error, OperationalError):
        return False
    return "is locked" in str(error) or getattr(error.__cause__, "sqlstate", "") in _BUSY_STATES


def decided(
    request: HttpRequest,
    verb: Callable[[], None],
    *,
    done: str,
    back: HttpResponse,
    moved_on: Callable[[StaleRow | Denied], str] = str,
    again: Callable[[], HttpResponse] | None = None,
) -> HttpResponse:
    """Do `verb`, say that it is `done`, and lead `back`; where somebody was first, say what `moved_on` tells of it.

    `moved_on` raises what has another cause. `again` is the page with what was typed, where that would be lost.
    """
    try:
        verb()
    except (StaleRow, Denied) as obstacle:
        messages.warning(request, moved_on(obstacle))
        return again() if again else back
    messages.success(request, done)
    return back


def limited(answer: HttpResponse, reached: LimitReached) -> HttpResponse:
    """`answer`, which says in words what was `reached`, with its status: 429 for too often or too many, else 422."""
    answer.status_code = 429 if isinstance(reached, TooMany) else 422
    if isinstance(reached, TooMany) and reached.retry_seconds:
        answer.headers["Retry-After"] = str(reached.retry_seconds)
    return answer


class LimitsInWords:
    """Middleware: a limit that was reached, where no view has shown it beside what was typed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Nothing before or after the view."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The page that says the limit, instead of an incident."""
        if not isinstance(exception, LimitReached):
            return None
        return limited(render(request, "429.html", {"words": str(exception)}), exception)
