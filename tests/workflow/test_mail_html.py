"""The HTML beside a mail's text: the same words, nothing fetched, and foreign words marked as somebody's."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail

from connections import notifications
from connections.models import Notice, NoticeKind
from connections.spec.characters import is_invisible
from tests import factories
from tests.handover import handed_over
from tests.workflow.test_mail_forgery import HOSTILE, told

pytestmark = pytest.mark.django_db


class Said(HTMLParser):
    """The text that a reader sees, apart by whose words it is: those in `[data-said]` are somebody's."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.own = self.theirs = ""
        self.said: list[bool] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [str(value) for name, value in attrs if name in ("href", "src")]
        if tag == "bdi":
            self.said.append("data-said" in dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if tag == "bdi":
            self.said.pop()

    def handle_data(self, data: str) -> None:
        if any(self.said):
            self.theirs += data
        else:
            self.own += data


def html_of(message: Any) -> Said:
    [part] = message.alternatives
    assert part.mimetype == "text/html"
    return Said(str(part.content))


@pytest.mark.parametrize("kind", NoticeKind)
def test_no_sentence_of_the_portals_holds_what_was_typed(kind: NoticeKind) -> None:
    told(kind, HOSTILE)
    assert notifications.send_due() == 1
    html = html_of(mail.outbox[0])
    assert "forged" not in html.own.lower()
    assert not [c for c in html.own + html.theirs if c not in "\r\n\t" and is_invisible(c)]
    assert not html.tags & {"img", "script", "link", "iframe", "form", "input", "object"}
    assert set(html.links) <= set(re.findall(r"http://localhost/\S+", str(mail.outbox[0].body))), html.links
    if kind in {NoticeKind.SUBMITTED, NoticeKind.REJECTED, NoticeKind.CHANGE_DECIDED, NoticeKind.HANDOVER}:
        assert "FORGED" in html.theirs


@pytest.mark.parametrize("kind", NoticeKind)
def test_both_parts_say_the_same(kind: NoticeKind) -> None:
    told(kind, "A report")
    notifications.send_due()
    [message] = mail.outbox
    html = html_of(message)
    text = message.body.replace("(these lines are not the portal's):", "")
    missing = [word for word in re.findall(r"[\w’#@:/.-]{4,}", text) if word.strip(".:") not in html.own + html.theirs]
    assert missing == []


def named(username: str, first: str, last: str, **columns: Any) -> User:
    person = factories.person(username=username, **columns)
    person.first_name, person.last_name = first, last
    person.save()
    return person


def test_an_owner_outside_reads_who_asks_for_what_until_when_and_how_to_check(settings: Any) -> None:
    settings.COMPANY_NAME, settings.PUBLIC_URL = "Acme Ltd", "https://portal.acme.example"
    settings.FIVETRAN_BASE_URL = "https://api.fivetran.com"
    ada = named("ada", "Ada", "Lovelace", email="ada@acme.example")
    conn_request = handed_over(ada, "olga@elsewhere.example", reason="Board report").request
    Notice.objects.exclude(address="olga@elsewhere.example").delete()
    notifications.send_due()
    [message] = mail.outbox
    html = html_of(message)
    for said in (re.sub(r"\s+", " ", str(message.body)), re.sub(r"\s+", " ", html.own + html.theirs)):
        for words in (
            "Ada Lovelace of Acme Ltd asked for a connection",
            "Ada Lovelace (ada@acme.example)",
            conn_request.service_name,
            conn_request.group_name,
            "Board report",
            "the credentials are there, or the request is taken back",
            "What happens next",
            "portal.acme.example, the connection portal of Acme Ltd",
            "you enter them at fivetran.com alone",
            "In doubt ask Ada Lovelace of Acme Ltd",
            "directory, not from this mail",
        ):
            assert words in said, words
    assert set(html.links) == {f"https://portal.acme.example/handover/{conn_request.handover.token}/"}


def test_people_are_named_by_their_real_names() -> None:
    ada, bo = named("ada", "Ada", "Lovelace"), named("bo", "Bo", "Ek", role="approver")
    factories.submitted(ada)
    notifications.send_due()
    [message] = mail.outbox
    assert message.to == [bo.email] and message.body.startswith("Hello Bo Ek,\n")
    assert "  Asked by:     Ada Lovelace\n" in message.body


@pytest.mark.parametrize(
    ("name", "hello"),
    [
        ("Zoë O’Neil-Smith", "Hello Zoë O’Neil-Smith,"),
        ("Your password has expired", "Hello bo,"),
        ("Call 0800 123", "Hello bo,"),
        ("evil.example", "Hello bo,"),
    ],
)
def test_a_name_that_could_be_a_sentence_greets_nobody(name: str, hello: str) -> None:
    named("bo", name, "", role="approver")
    factories.submitted()
    notifications.send_due()
    assert mail.outbox[0].body.startswith(f"{hello}\n")
