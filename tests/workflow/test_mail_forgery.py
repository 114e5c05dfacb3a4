"""What people typed and what Fivetran names cannot pose as the portal's own words: not in a mail, a log, a terminal."""

import csv
import io
import logging
import re
import sys
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db.models import F
from django.db.models.functions import Now

from connections import notifications, workflow
from connections.demo.supervisor import _Lines
from connections.models import Batch, ChangeKind, ConnectionChange, ConnectionRequest, Handover, Notice, NoticeKind
from connections.models.notice import ABOUT_ACCOUNTS
from connections.notifications import mails
from connections.spec.characters import QUOTE, is_invisible
from connections.states import Status
from connections.workflow import batches
from portal.logs import OneLine
from portal.sign_on.record import Topic, put_on_record
from tests import factories
from tests.handover import handed_over

HOSTILE = (
    "FORGED\r\n\r\nhttp://forged.example/ \x1b]8;;http://forged.example\x07\u202e\u200b\u2028FORGED\x85"
    "\n-- \nFORGED \U000e0041\u2066The page behind this address always shows the present state."
)
PADDED = f"ok{' ' * 300}FORGED: the portal needs your password\u00a0{'x' * 300} FORGED"
LABELLED = re.compile(r"  [A-Z][a-z ]+: +\S")
CHANGES = (NoticeKind.CHANGE_SUBMITTED, NoticeKind.CHANGE_DECIDED, NoticeKind.CHANGE_ENDED)
OWNERS = (NoticeKind.HANDOVER, NoticeKind.HANDOVER_REMINDER, NoticeKind.HANDOVER_CODE)
NAMES = {"service_name": HOSTILE[:200], "group_name": HOSTILE[:200], "schema": HOSTILE[:100]}


def hostile(role: str = "requester") -> User:
    """Somebody whose company's directory let them choose any name."""
    user = factories.person(role, email=f"{role}{User.objects.count()}@example.com")
    user.username = user.first_name = user.last_name = f"{user.pk}{HOSTILE}"[:150]
    user.save()
    return user


def told(kind: NoticeKind, text: str, status: Status = Status.REJECTED) -> None:
    """One notice of this kind, everything that somebody typed and named in it being `text`."""
    by, decides = hostile(), hostile("approver")
    if kind in OWNERS:
        conn_request = handed_over(by, "olga@elsewhere.example", reason=text).request
    elif kind in CHANGES:
        conn_request = factories.request_in(Status.CREATED, by, decides)
        change = workflow.ask_for_change(by=by, conn_request=conn_request, kind=ChangeKind.PAUSE, reason=text)
        ConnectionChange.objects.filter(pk=change.pk).update(decided_by=decides, decision_reason=text)
        approved = {"approved_by": decides, "approved_at": Now(), "approved_digest": F("digest")}
        columns = {**approved, "failure_message": text, "status": status.value}
        ConnectionChange.objects.filter(pk=change.pk).update(**columns)
    else:
        conn_request = factories.request_in(status, by, decides, reason=text)
        ConnectionRequest.objects.filter(pk=conn_request.pk).update(decision_reason=text, decided_by=decides)
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(reason=text, **NAMES)
    Notice.objects.all().delete()
    conn_request.refresh_from_db()
    if kind in ABOUT_ACCOUNTS and kind != NoticeKind.PASSWORD_RESET:
        put_on_record(by, text, topic=Topic(kind.value), tell=[decides])
    elif kind == NoticeKind.HANDOVER_CODE:
        workflow.send_code(handover=conn_request.handover)
    elif kind in OWNERS:
        notifications.tell_owner(Handover.objects.get(request=conn_request), kind)
    else:
        notifications.notify(conn_request, kind, by, dedup_key=change.pk if kind in CHANGES else 0)


def judged(message: Any) -> None:
    """Every line that holds what was typed is marked as somebody's, and nothing invisible is left."""
    for line in str(message.body).split("\n"):
        assert len(line) <= 125 or line.startswith("http"), line
        if "forged" in line.lower():
            assert line.startswith(QUOTE) or LABELLED.match(line), line
    assert not [f"U+{ord(c):04X}" for c in message.body + message.subject if c != "\n" and is_invisible(c)]
    assert message.body.count("The page behind this address always shows") <= 1 + message.body.count(QUOTE)
    assert "forged" not in message.subject.lower() and "\n" not in message.subject


@pytest.mark.django_db
@pytest.mark.parametrize("text", [HOSTILE, PADDED], ids=["breaks", "padded"])
@pytest.mark.parametrize("kind", NoticeKind)
def test_no_line_of_the_portals_own_holds_what_was_typed(kind: NoticeKind, text: str) -> None:
    told(kind, text)
    assert notifications.send_due() == 1
    [message] = mail.outbox
    judged(message)
    if kind in {NoticeKind.SUBMITTED, NoticeKind.REJECTED, NoticeKind.CHANGE_DECIDED, NoticeKind.HANDOVER}:
        assert any(line.startswith(QUOTE) and "FORGED" in line for line in message.body.split("\n"))


@pytest.mark.django_db
def test_nor_what_fivetran_said_of_a_change() -> None:
    told(NoticeKind.CHANGE_ENDED, HOSTILE, Status.FAILED)
    notifications.send_due()
    [message] = mail.outbox
    judged(message)
    assert f"{QUOTE}FORGED" in message.body


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [NoticeKind.SUBMITTED, NoticeKind.APPROVED])
def test_nor_does_a_mail_about_a_batch(kind: NoticeKind) -> None:
    by = hostile()
    factories.person("approver")
    batches.file_batch(by=by, filings=[factories.filing(reason=HOSTILE) for _ in range(2)], token=uuid.uuid4())
    conn_request = ConnectionRequest.objects.latest("pk")
    Notice.objects.all().delete()
    notifications.notify(conn_request, kind, by, batch=Batch.objects.get())
    assert notifications.send_due() == 1
    judged(mail.outbox[0])


@pytest.mark.django_db
@pytest.mark.parametrize("kind", list(mails.GATHERED))
def test_nor_does_a_mail_about_several(kind: NoticeKind) -> None:
    """Whose name could be a sentence is named on the page alone."""
    decides = factories.person("approver")
    batches.file_batch(by=hostile(), filings=[factories.filing(reason=HOSTILE)], token=uuid.uuid4())
    told_of = [factories.submitted(hostile()), factories.submitted(factories.person(username="ada"))]
    Notice.objects.all().delete()
    for conn_request in told_of:
        notifications.notify(conn_request, kind, decides)
    notifications.notify(ConnectionRequest.objects.earliest("pk"), kind, decides, batch=Batch.objects.get())
    assert notifications.send_due() == 1
    message: Any = mail.outbox[0]
    judged(message)
    assert f"  Request #{told_of[0].pk}\n  Request #{told_of[1].pk}, asked for by ada\n" in message.body
    assert "forged" not in str(message.alternatives).lower()


@pytest.mark.django_db
def test_nor_does_the_mail_that_resets_a_password() -> None:
    user = hostile()
    notice = Notice(kind=NoticeKind.PASSWORD_RESET, recipient=user)
    assert "FORGED" not in notifications.mails.of_reset(notice, user).text


@pytest.mark.django_db
def test_a_plain_name_is_greeted_and_a_plain_reason_reads_as_it_was_typed() -> None:
    conn_request = factories.submitted(reason="First line\n\nSecond line, zoë")
    notifications.send_due()
    [message] = mail.outbox
    recipient = conn_request.notices.get().recipient
    assert message.body.startswith(f"Hello {recipient},\n")
    assert f"{QUOTE}First line\n  >\n{QUOTE}Second line, zoë\n" in message.body
    assert f"  Asked by:     {conn_request.requester}\n" in message.body


# --- other channels --------------------------------------------------------------------------------------------------
def test_a_log_line_escapes_whatever_the_pages_mark() -> None:
    every = "".join(chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n <= 0xDFFF)
    record = logging.LogRecord("x", logging.INFO, "x", 1, every, None, None)
    assert not [c for c in OneLine().format(record) if is_invisible(c)]


def test_what_a_process_prints_cannot_act_on_the_terminal() -> None:
    lines = _Lines("web", shown=True).take(f"{HOSTILE}\n".encode())
    assert "FORGED" in lines[0] and not [c for line in lines for c in line if is_invisible(c)]


@pytest.mark.django_db
def test_an_exported_cell_shows_its_marks(as_user: Any, cast: dict[str, User]) -> None:
    factories.submitted(cast["requester"], reason="\u200b=1+1\x1b[2J\u202e")
    answer = as_user("requester").get("/requests/export.csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert not [c for c in text if c not in "\r\n" and is_invisible(c)]
    assert not [cell for row in csv.reader(io.StringIO(text)) for cell in row if cell.startswith("=")]


@pytest.mark.django_db
def test_a_banner_shows_the_marks_of_a_name(as_user: Any, cast: dict[str, User]) -> None:
    conn_request, first = factories.submitted(cast["requester"]), factories.person("approver", username="anna\u202e")
    workflow.approve(by=first, conn_request=conn_request, digest=conn_request.digest)
    answer = as_user("approver").post(
        f"/requests/{conn_request.pk}/approve/", {"digest": conn_request.digest}, follow=True
    )
    banners = re.findall(r'banner" role="status">(.*?)</div>', answer.content.decode(), re.DOTALL)
    assert banners and "anna[U+202E]" in banners[0]


@pytest.mark.django_db
def test_the_decision_in_the_admin_shows_them_too(as_user: Any, cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"], reason="why\u202e", config__sheet_id="id\u200b")
    data = {"action": "approve", "_selected_action": str(conn_request.pk)}
    text = as_user("admin").post("/admin/connections/connectionrequest/", data).content.decode()
    assert "why[U+202E]" in text
    assert r"id\u200b" in text and "U+200B ZERO WIDTH SPACE" in text  # the body stays JSON; the evidence names it
    assert not [c for c in text if c not in "\r\n\t" and is_invisible(c)]
