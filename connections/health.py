"""The two questions of a load balancer and an operator: is the process alive, and can it serve."""

import logging
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.sessions.models import Session
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from connections.models import BreakerReason, CircuitBreaker, Heartbeat, Process
from connections.permissions import is_operator
from portal import broker

logger = logging.getLogger(__name__)
BROKER_PATIENCE = 0.25  # seconds; a health page that hangs is taken for a dead process


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """503 only without the database, else 200 with the status ok or degraded; the parts only for Operators."""
    if not database_answers():
        return JsonResponse({"status": "unavailable"}, status=503)
    try:
        parts = {name: check() for name, check in PARTS.items()}
        shown = {"parts": parts} if is_operator(request.user) else {}
    except Error:  # not migrated yet
        logger.exception("The database lacks what the portal needs")
        return JsonResponse({"status": "degraded"})
    return JsonResponse({"status": "ok" if all(parts.values()) else "degraded", **shown})


def anonymous_probes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware, before the sessions: both questions are answered, to nobody, where no session can be read."""

    # For a request with a session cookie, such as an operator's, Django reads the session before any view runs.
    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and (
            request.path_info == "/healthz" or (request.path_info == "/readyz" and not sessions_answer())
        ):
            del request.COOKIES[settings.SESSION_COOKIE_NAME]
        return get_response(request)

    return middleware


def sessions_answer() -> bool:
    try:
        Session.objects.filter(pk="").exists()
    except Error:
        return False
    return True


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        logger.exception("The database does not answer")
        return False
    return True


def fivetran_answers() -> bool:
    """Whether the circuit breaker knows of no bad key and no unclear answers."""
    # The row, never Fivetran itself: a health check must not spend the account's calls.
    return not CircuitBreaker.objects.filter(reason__in=[BreakerReason.AUTH, BreakerReason.OPEN]).exists()


def is_alive(process: Process) -> bool:
    return process not in Heartbeat.objects.silent()


PARTS: dict[str, Callable[[], bool]] = {
    "broker": partial(broker.answers, BROKER_PATIENCE),
    "fivetran": fivetran_answers,
    "worker": partial(is_alive, Process.WORKER),
    "scheduler": partial(is_alive, Process.SCHEDULER),
}
