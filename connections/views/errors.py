"""The page for what should not have happened."""

import logging
import secrets

from django.http import HttpRequest, HttpResponseServerError
from django.template import loader

log = logging.getLogger(__name__)


def failure(request: HttpRequest) -> HttpResponseServerError:
    """500 with an incident number that stands in the log too. Asks nothing of the database, which may be the cause."""
    incident = secrets.token_hex(4)
    log.error("incident %s: %s %s", incident, request.method, request.path)
    return HttpResponseServerError(loader.get_template("500.html").render({"incident": incident}))
