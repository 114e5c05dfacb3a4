"""Requests with an unusable Content-Type end here, before Django reads it: there each of them would be a 500."""

import codecs
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.utils.http import parse_header_parameters

LENGTH = 1024  # characters; a boundary has 70 at most
_UTF8 = {"utf-8", "ascii"}  # as codecs names them; the second is a part of the first
_WORDS = b"The Content-Type of this request cannot be used: it has to be well-formed, and its text in UTF-8.\n"


def usable_content_type(application: WSGIApplication) -> WSGIApplication:
    def checked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _is_usable(environ.get("CONTENT_TYPE", "")):
            return application(environ, start_response)
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(_WORDS)))]
        headers += [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
        start_response("400 Bad Request", headers)
        return [_WORDS]

    return checked


def _is_usable(header: str) -> bool:
    if len(header) > LENGTH or not header.isprintable():
        return False
    try:
        _kind, parameters = parse_header_parameters(header)
        charset = parameters.get("charset")
        # Django looks a charset up while it makes the request, outside of every middleware and error page, and accepts
        # any codec that Python has, even for names in a cookie or the address.
        return charset is None or codecs.lookup(charset).name in _UTF8
    except Exception:  # noqa: BLE001  (of the parser of mail headers, which raises many kinds)
        return False
