"""An auditor follows every link of every page: none is refused, and nothing is posted but to log out."""

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qs, urldefrag, urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections.models import ConnectionRequest
from connections.states import Status
from tests import factories
from tests.views.test_url_map import World, told, world

__all__ = ["world"]  # the fixture
pytestmark = [pytest.mark.django_db, pytest.mark.sql]
# About the reader's own account, or the link of whoever has it.
OWN = ("/accounts/", "/handover/")
MOST = 400  # pages of one walk
FINE = {"200", "204", "302"}  # 204: nothing is new since the page was shown


class Links(HTMLParser):
    """The addresses to which a page leads, by a link or by a form that only asks; and those to which it posts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.leads: list[str] = []
        self.posts: list[str] = []
        self.by_method = {"get": self.leads, "post": self.posts}
        self.form = self.leads
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in found:
            self.leads.append(found["href"])
        if tag == "form":
            self.form = self.by_method.get(found.get("method", "get").lower(), [])
            self.form.append(found.get("action", ""))
        self.form += [found["formaction"]] if "formaction" in found else []
        self.posts += [found["hx-post"]] if "hx-post" in found else []
        self.leads += [found["hx-get"]] if "hx-get" in found else []


def walk(client: Client, start: str = "/") -> Iterator[tuple[str, str, str, Links]]:
    """(address, where it was found, what one gets, its links), each address once; of filters each combination once."""
    waiting = [(start, "")]
    known: set[tuple[str, ...]] = set()
    while waiting and len(known) < MOST:
        path, found_on = waiting.pop()
        parts = urlsplit(path)
        key = (parts.path, *sorted(parse_qs(parts.query)))
        if key in known:
            continue
        known.add(key)
        code, answer, body = told(client, "get", path)
        is_page = answer["Content-Type"].startswith("text/html")
        links = Links(body if is_page and code == "200" else "")
        yield path, found_on, code, links
        inside = [urldefrag(urljoin(path, link))[0] for link in links.leads]
        waiting += [(link, path) for link in inside if link.startswith("/") and not link.startswith(OWN)]


@pytest.fixture
def everything(world: World, cast: dict[str, User]) -> World:
    """A request in every status beside what the world has, and one whose connection is gone at Fivetran."""
    made = [factories.request_in(status, cast["requester"], cast["approver"]) for status in Status]
    gone = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    ConnectionRequest.objects.filter(pk=gone.pk).update(deleted_at_fivetran_at=gone.created_at)
    assert len(made) == len(Status)
    _before_the_audit(cast["auditor"], cast["approver"])
    return world


def _before_the_audit(auditor: User, approver: User) -> None:
    """What the auditor asked for as somebody else, before."""
    groups = list(auditor.groups.all())
    auditor.groups.clear()
    for status in (Status.DRAFT, Status.PENDING, Status.CREATED, Status.FAILED):
        factories.request_in(status, User.objects.get(pk=auditor.pk), approver)
    auditor.groups.set(groups)


def test_an_auditor_follows_every_link_and_can_change_nothing(everything: World) -> None:
    visited = list(walk(everything.clients["auditor"]))
    assert [(path, found_on, code) for path, found_on, code, _ in visited if code not in FINE] == []
    paths = {urlsplit(path).path for path, *_ in visited}
    submitted = ConnectionRequest.objects.exclude(submitted_at=None).values_list("pk", flat=True)
    assert {f"/requests/{pk}/" for pk in submitted} <= paths
    drafts = ConnectionRequest.objects.filter(submitted_at=None).exclude(requester__username="auditor")
    assert drafts.exists() and not {f"/requests/{one.pk}/" for one in drafts} & paths
    assert {"/audit/", "/audit/mails/", "/audit/access-rules/", "/audit/policy/", "/audit/people/"} <= paths
    assert {"/operations/", "/catalog/", "/requests/export.csv", "/audit/export.json"} <= paths
    posts = {(path, action) for path, _, _, links in visited for action in links.posts}
    assert {one for one in posts if one[1] != "/accounts/logout/"} == set()


@pytest.mark.parametrize("role", ["approver", "operator"])
def test_nobody_is_led_to_a_page_that_refuses(everything: World, role: str) -> None:
    visited = walk(everything.clients[role])
    refused = [(path, found_on, code) for path, found_on, code, _ in visited if code not in FINE]
    assert [one for one in refused if not one[0].startswith("/admin/")] == []
