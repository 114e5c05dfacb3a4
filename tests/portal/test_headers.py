"""What stands in a header is text until it was parsed: whatever it is, no page answers with a failure of its own.

Through the WSGI application, as a server calls it: Django reads some headers before any middleware runs.
"""

import itertools
from collections.abc import Iterator
from http import HTTPStatus
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signals
from django.db import close_old_connections
from django.test import Client, RequestFactory

from connections.models import Handover
from portal.wsgi import application
from tests.handover import handed_over

pytestmark = pytest.mark.django_db
FORM, PARTS = "application/x-www-form-urlencoded", "multipart/form-data"
NO_TEXT = "\xff\xfe"  # as a server hands over bytes that are not ASCII
CHARSETS = ("utf-16", "UTF-7", "klingon", "", '"', "base64", "hex", "idna", "undefined", "unicode_escape", "rot13")
GARBAGE: dict[str, tuple[str, ...]] = {
    "CONTENT_TYPE": (
        *(f"{kind}; charset={charset}" for kind in (FORM, PARTS, "text/plain") for charset in CHARSETS),
        *(f"{PARTS}; boundary={boundary}" for boundary in ("", '"', "b" * 300, NO_TEXT, "a b", "x; charset=utf-16")),
        f"{FORM}; charset*=klingon''utf-8",
        f"{PARTS}; boundary*=klingon''x",
        f"{FORM}; charset=utf-8\0",
        f"{FORM}; charset*0=utf; charset*1=-16",
        PARTS,
        NO_TEXT,
        ";;;==",
        "a/b" * 3000,
    ),
    "HTTP_HOST": (
        "",
        "a b",
        "<script>",
        "[::1",
        "localhost:port",
        "xn--",
        "a" * 300,
        "localhost:99999999",
        NO_TEXT,
        "..",
    ),
    "HTTP_ACCEPT_LANGUAGE": ("x" * 5000, ";q=", "en;q=nan", NO_TEXT),
    "HTTP_ACCEPT_ENCODING": ("gzip;q=x", ",,,", NO_TEXT),
    "HTTP_ACCEPT": ("*/*;q=z", "text/html;;;", NO_TEXT),
    "HTTP_RANGE": ("bytes=9-1", "bytes=a-b", "bytes=-", "bytes=99999999999999999999-", "x"),
    "HTTP_IF_MODIFIED_SINCE": ("yesterday", "Thu, 99 Foo 99999 99:99:99 GMT", "Mon, 01 Jan 0000 00:00:00 GMT", NO_TEXT),
    "HTTP_IF_NONE_MATCH": ('"', "W/", '"a", b', NO_TEXT),
    "HTTP_COOKIE": (
        *("csrftoken=\0;;=;", ";=;", f"sessionid={NO_TEXT}", "sessionid=a\0b", f"sessionid={'x' * 5000}"),
        *('sessionid="\\377\\000"', "messages=garbage; csrftoken=x", f"zone={NO_TEXT}; timezone=../../etc"),
    ),
    "HTTP_REFERER": ("http://[::1", "javascript:x", NO_TEXT),
    "HTTP_ORIGIN": ("http://[::1", "null", "https://localhost:port", NO_TEXT),
    "HTTP_X_FORWARDED_PROTO": ("https,http", NO_TEXT),
    "HTTP_X_FORWARDED_FOR": ("not an address", "1.2.3.4:80", "x" * 5000, NO_TEXT),
    "HTTP_X_FORWARDED_HOST": ("[::1", NO_TEXT),
    "HTTP_SEC_FETCH_SITE": ("x", NO_TEXT),
    "HTTP_HX_REQUEST": (NO_TEXT,),
    "HTTP_HX_CURRENT_URL": ("http://[::1", "%ff", NO_TEXT),
    "HTTP_HX_TARGET": (NO_TEXT,),
    "CONTENT_LENGTH": ("x", "-1", "9" * 20, "\xb2"),
    "HTTP_TRANSFER_ENCODING": ("chunked", "x"),
    "HTTP_AUTHORIZATION": (f"Basic {NO_TEXT}", "Bearer "),
    "HTTP_USER_AGENT": (NO_TEXT * 3000, ""),
    "HTTP_X_CSRFTOKEN": ("x" * 5000, NO_TEXT),
    "QUERY_STRING": ("%ff=%ff", "a=%00", "next=http://[::1", "q=" + "%F0%9F" * 500, NO_TEXT),
    "REMOTE_ADDR": ("", "unix:", NO_TEXT),
}
PAGES: tuple[str, ...] = (
    "/",
    "/requests/",
    "/requests/new/",
    "/accounts/login/",
    "/admin/login/",
    "/healthz",
    "/readyz",
    "/nothing",
)
PAGES += ("/handover/return/", "/webhooks/fivetran/", "/accounts/password_reset/", "/\xff")


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """The end of a request leaves the test's connection open, as Django's own test client sees to."""
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


def ask(method: str, path: str, cookie: str = "", **environ: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    body = b"username=a&password=b&q=\xff\xfe"
    base = RequestFactory().get("/").environ
    base |= {"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_HOST": "localhost"}
    base |= {"CONTENT_TYPE": FORM, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body), "HTTP_COOKIE": cookie}
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
        said.extend((int(status[:3]), dict(headers)))

    answer = application({**base, **environ}, start_response)
    try:
        content = b"".join(answer)
    finally:
        getattr(answer, "close", lambda: None)()
    return said[0], said[1], content


def signed_in(user: User) -> str:
    """The Cookie header of their browser."""
    client = Client()
    client.force_login(user)
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())


@pytest.mark.parametrize("name", GARBAGE)
def test_nothing_in_a_header_is_a_failure_of_the_portal(name: str, cast: dict[str, User], settings: Any) -> None:
    settings.TRUSTED_PROXY_HOPS = 1
    pages = [*PAGES, f"/handover/{handed_over(cast['requester'], 'olga@elsewhere.example').token}/"]
    ways = itertools.cycle(itertools.product(("GET", "POST", "HEAD", "FOO"), ("", signed_in(cast["approver"]))))
    asked = itertools.product(pages, GARBAGE[name])
    failed = []
    for (path, value), (method, cookie) in zip(asked, ways, strict=False):
        status = ask(method, path, **{"cookie": cookie, name: value})[0]
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            failed.append((method, path, value[:60], status))
    assert not failed, failed[:20]
    assert Handover.objects.count() == 1


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", '"utf-8"', "us-ascii"])
def test_what_is_utf8_is_taken_whatever_it_is_called(charset: str) -> None:
    assert ask("GET", "/accounts/login/", CONTENT_TYPE=f"{FORM}; charset={charset}")[0] == HTTPStatus.OK


def test_a_content_type_that_cannot_be_used_is_answered_in_words() -> None:
    status, headers, body = ask("POST", "/accounts/login/", CONTENT_TYPE=f"{FORM}; charset=utf-16")
    assert (status, headers["Cache-Control"]) == (HTTPStatus.BAD_REQUEST, "no-store")
    assert b"UTF-8" in body


def test_the_page_for_a_bad_request_is_whole_without_a_usable_request() -> None:
    status, headers, body = ask("GET", "/", HTTP_HOST="<script>")
    assert status == HTTPStatus.BAD_REQUEST
    assert b"The portal did not understand this" in body
    assert "Content-Security-Policy" in headers
