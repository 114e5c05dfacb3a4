"""The pages for what should not have happened, and for a database that is busy."""

import logging
import secrets
import sys

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template import loader

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
