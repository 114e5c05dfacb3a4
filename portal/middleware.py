"""What applies to every answer and every session, whatever view made the answer."""

import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest, HttpResponse
from django.template import loader

SEEN = "seen"
SEEN_EVERY = 300  # seconds between two writes of the stamp: a write for each request would cost a query a page
NOBODY = "::"

GetResponse = Callable[[HttpRequest], HttpResponse]


def no_store(get_response: GetResponse) -> GetResponse:
    """Keep pages out of every cache: they show what one person may see. Static files are answered before this."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def body_limit(get_response: GetResponse) -> GetResponse:
    """Refuse a request with more than REQUEST_BODY_LIMIT bytes, of which nothing was read."""

    def middleware(request: HttpRequest) -> HttpResponse:
        length = str(request.META.get("CONTENT_LENGTH") or "")
        if not length.isdecimal() or (len(length) < 19 and int(length) <= settings.REQUEST_BODY_LIMIT):
            return get_response(request)  # as Django sees it, what is no number is no body
        most = f"{settings.REQUEST_BODY_LIMIT // 1024} kB with its file"
        return HttpResponse(loader.get_template("413.html").render({"most": most}), status=413)

    return middleware


def idle_limit(get_response: GetResponse) -> GetResponse:
    """Log a session out that was not used for SESSION_IDLE_LIMIT."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if SESSION_KEY in request.session:
            now = int(time.time())
            idle = now - int(request.session.get(SEEN, now - SEEN_EVERY))
            # A last use that lies ahead was written by a wrong clock: it must not keep the session for ever.
            if abs(idle) > settings.SESSION_IDLE_LIMIT.total_seconds():
                logout(request)
            elif abs(idle) >= SEEN_EVERY:
                request.session[SEEN] = now
        return get_response(request)

    return middleware


def client_address(request: HttpRequest) -> str:
    """The address of the person's machine; NOBODY where the server names none, as with a Unix socket."""
    # Behind TRUSTED_PROXY_HOPS proxies it is that many entries from the right of X-Forwarded-For: each proxy adds one,
    # and the client itself may have written those further left. An empty entry counts, or the client's own word would
    # move into it. No other header is read: of two that say the same a proxy writes one, and the client the other.
    hops: int = settings.TRUSTED_PROXY_HOPS
    places = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rsplit(",", hops)[-hops:] if hops else []
    forwarded = parsed_address(places[0]) if places and len(places) == hops else None
    return str(forwarded or parsed_address(str(request.META.get("REMOTE_ADDR", ""))) or NOBODY)


def parsed_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in what proxies write: with a port, in brackets, in quotes (RFC 7239), with a zone (RFC 4007)."""
    host = text.strip().strip('"')
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
