"""Whatever stands in an address or a form: nobody is led from here to another site."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections.demo.management.commands.seed_demo import PASSWORD

pytestmark = pytest.mark.django_db
ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "https:evil.example",
    "https:///evil.example",
    "https://evil.example/",
    "HTTPS://EVIL.EXAMPLE",
    "http://testserver@evil.example/",
    "http://testserver.evil.example/",
    "http://testserver:81/",
    "https://testserver:8443/requests/",
    "ftp://testserver/",
    "\\\\evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\t//evil.example",
    "/\t/evil.example",
    " //evil.example",
    "\x00//evil.example",
    "\x1b//evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "//evil.example/" + "x" * 10_000,
    "https://[::1",
    "//\u3002evil.example",
    "https://ｅvil.example",
]
STAYS = [  # a path of the portal, whatever it looks like
    "/requests/?status=pending",
    "/\r\nLocation: https://evil.example",
    "%0d%0aLocation: https://evil.example",
    "/requests/?next=//evil.example",
    "/" + "x" * 1_000,
]
LOG_IN, LOG_OUT = {"username": "admin", "password": PASSWORD}, dict[str, str]()


def host_of(location: str) -> str:
    """The host that a browser goes to (WHATWG URL): tabs and line ends do not count, a backslash is a slash."""
    read = re.sub(r"[\t\r\n]", "", location).strip("".join(map(chr, range(33)))).replace("\\", "/")
    return urlsplit(urljoin("http://testserver/accounts/login/", read)).netloc


def answers(path: str, client: Client, form: dict[str, str], given: str) -> Iterator[Any]:
    """`given` as the next page: posted, in the address, and both."""
    for posted, asked in ((given, None), (None, given), (given, given)):
        query: dict[str, Any] = {} if asked is None else {"query_params": {"next": asked}}
        if form is LOG_OUT:
            client.force_login(User.objects.get(username="admin"))
        yield client.post(path, form if posted is None else form | {"next": posted}, **query)


WAYS = [
    ("/accounts/login/", LOG_IN, "/"),
    ("/admin/login/", LOG_IN, "/admin/"),
    ("/accounts/logout/", LOG_OUT, "/accounts/login/"),
    ("/admin/logout/", LOG_OUT, "/accounts/login/"),
]


@pytest.mark.parametrize(("path", "form", "home"), WAYS)
def test_nobody_is_led_to_another_site(cast: dict[str, User], path: str, form: dict[str, str], home: str) -> None:
    client = Client()
    for given in ELSEWHERE:
        for answer in answers(path, client, form, given):
            assert (answer.status_code, answer["Location"]) == (302, home), given
            assert not [value for value in answer.headers.values() if "evil.example" in value], given


@pytest.mark.parametrize(("path", "form", "home"), WAYS)
def test_a_page_of_the_portal_is_gone_on_with(
    cast: dict[str, User], path: str, form: dict[str, str], home: str
) -> None:
    client = Client()
    for given in STAYS:
        for answer in answers(path, client, form, given):
            location = answer["Location"]
            assert answer.status_code == 302 and location != home, given
            assert host_of(location) == "testserver" and not re.search(r"[\x00-\x20]", location), given
            assert "evil.example" not in answer.headers.get("Set-Cookie", ""), given


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
def test_the_page_of_the_log_in_links_to_nothing_that_stands_in_its_address(client: Client, path: str) -> None:
    for given in [*ELSEWHERE, '"><script>alert(1)</script>', "'><img src=x onerror=alert(1)>"]:
        page = client.get(path, query_params={"next": given}).content.decode()
        links = re.findall(r'\s(?:href|src|action)="([^"]*)"', page)
        assert len(links) > 3 and {host_of(unescape(link)) for link in links} == {"testserver"}, given
        assert "<script>alert" not in page and "<img" not in page, given


@pytest.mark.parametrize("role", ["", "admin"])
def test_no_address_leads_to_another_site(as_user: Any, role: str) -> None:
    """What Django adds a slash to, what the log-in is asked for, and what the admin finds at the end of its map."""
    client = as_user(role) if role else Client()
    for path in (
        "//evil.example",
        "//evil.example/requests",
        "/\\evil.example",
        "/%5Cevil.example",
        "/%2F%2Fevil.example",
        "/requests//evil.example",
        "//evil.example/%2e%2e",
        "/admin//evil.example",
        "/admin/connections",
        "/requests",
        "/admin/r/1/1/",
        "/admin/connections/connectionrequest///evil.example",
        "/accounts/reset/x/y/?next=//evil.example",
        "/accounts/login//evil.example",
        "/handover/return/?state=//evil.example&next=//evil.example&redirect_uri=//evil.example",
        "/requests/?next=//evil.example&url=//evil.example&to=//evil.example&return_to=//evil.example",
    ):
        answer = client.get(path, follow=False)
        assert answer.status_code in {200, 302, 301, 403, 404}, path
        assert host_of(answer.get("Location", "/")) == "testserver", (path, answer.get("Location"))


def test_a_form_sent_after_the_session_ended_leads_back_to_its_page(client: Client) -> None:
    """Its own address answers no GET, so the log-in must not lead there."""
    page = "http://testserver/requests/7/?from=mail"
    back = client.post("/requests/7/reject/", headers={"referer": page})
    assert back["Location"] == "/accounts/login/?next=/requests/7/%3Ffrom%3Dmail"
    for elsewhere in ({}, {"referer": "https://evil.example/requests/8/"}, {"referer": "//evil.example/"}):
        assert client.post("/requests/7/reject/", headers=elsewhere)["Location"] == "/accounts/login/?next=/requests/7/"
    assert client.get("/requests/7/")["Location"] == "/accounts/login/?next=/requests/7/"
