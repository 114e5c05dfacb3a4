"""What every answer and every session obey, whatever view made the answer."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest, HttpResponse

SEEN = "seen"
SEEN_EVERY = 300  # seconds between two writes of the stamp: a write for each request would cost a query a page

GetResponse = Callable[[HttpRequest], HttpResponse]


def no_store(get_response: GetResponse) -> GetResponse:
    """Keep pages out of every cache: they show what one person may see. Static files are answered before this."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def idle_limit(get_response: GetResponse) -> GetResponse:
    """Log a session out that was not used for SESSION_IDLE_LIMIT, or whose last use lies further ahead than that."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if SESSION_KEY in request.session:
            now = int(time.time())
            idle = now - int(request.session.get(SEEN, now - SEEN_EVERY))
            if abs(idle) > settings.SESSION_IDLE_LIMIT.total_seconds():
                logout(request)
            elif abs(idle) >= SEEN_EVERY:
                request.session[SEEN] = now
        return get_response(request)

    return middleware


def client_address(request: HttpRequest) -> str:
    """The address of the person's machine.

    Behind TRUSTED_PROXY_HOPS proxies it is that many places from the right of X-Forwarded-For: what stands further
    left was written by the client itself.
    """
    hops: int = settings.TRUSTED_PROXY_HOPS
    if hops:
        header = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
        forwarded = [part.strip() for part in header.split(",") if part.strip()]
        if len(forwarded) >= hops:
            return forwarded[-hops]
    return str(request.META.get("REMOTE_ADDR", ""))
