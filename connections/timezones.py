"""The zone in which a person reads times: from a cookie that the browser sets, else UTC."""

from collections.abc import Callable
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

COOKIE = "zone"  # set by static/connections/page.js: an IANA name such as Europe/Berlin
UTC = ZoneInfo("UTC")


@lru_cache(maxsize=600)
def zone_named(name: str) -> ZoneInfo:
    if len(name) > 64:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown names, paths, folders of the zone database
        return UTC


def zone_of(request: HttpRequest) -> ZoneInfo:
    return zone_named(request.COOKIES.get(COOKIE, "UTC"))


def reader_zone(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: show times, and read dates, in the reader's zone."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with timezone.override(zone_of(request)):
            return get_response(request)

    return middleware
