"""Mail: once to each person, again after a failure, with a link that works and nothing that is secret."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.db.models.functions import Now

from connections import notifications, workflow
from connections.models import ConnectionRequest, Notice, NoticeKind
from connections.spec import payloads
from connections.states import Actor, Status
from connections.worker import outcome
from tests import factories
from tests.handover import handed_over


def notice(kind: NoticeKind = NoticeKind.SUBMITTED, **columns: Any) -> Notice:
    """One unsent notice and no other."""
    conn_request = factories.submitted()
    Notice.objects.all().delete()
    notifications.notify(conn_request, kind, factories.person("approver", **columns))
    return Notice.objects.get()


def about(row: Notice) -> ConnectionRequest:
    """The request of a notice that has one."""
    assert row.request is not None
    return row.request


def forget_the_pause() -> None:
    """As if the pause before the next try were over."""
    Notice.objects.update(next_try_at=Now() - timedelta(seconds=1))


@pytest.fixture
def mail_server_is_down(settings: Any) -> Iterator[None]:
    """Django's real SMTP backend, pointed at a port where nobody listens."""
    working = settings.EMAIL_BACKEND
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = held.getsockname()
        yield
    settings.EMAIL_BACKEND = working


TO_OWNERS = {NoticeKind.HANDOVER, NoticeKind.HANDOVER_REMINDER, NoticeKind.HANDOVER_CODE}  # see test_handover_mail
# See test_password_reset, and tests/sign_on.
ELSEWHERE = TO_OWNERS | {NoticeKind.PASSWORD_RESET, NoticeKind.SECOND_FACTOR, NoticeKind.LOCAL_LOG_IN}


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [kind for kind in NoticeKind if kind not in ELSEWHERE])
def test_a_mail_says_what_happened_and_links_to_the_request(kind: NoticeKind) -> None:
    row = notice(kind, email="decides@example.com")
    assert notifications.send_due() == 1
    [message] = mail.outbox
    assert message.to == ["decides@example.com"]
    assert message.subject == f"[Connections] {kind.label}: request #{row.request_id}"
    place = "#trust" if kind == NoticeKind.TRUST_NEEDED else ""
    assert f"http://localhost/requests/{row.request_id}/{place}" in message.body.split()
    assert message.from_email == "portal@localhost"
    row.refresh_from_db()
    assert row.sent_at is not None
    assert (row.tries, row.error) == (1, "")


def created(*, adopted: bool = False, wanted: bool = True, **answer: Any) -> ConnectionRequest:
    """A created request, told by Fivetran without setup tests but for those in `answer`, or found by a look-up."""
    conn_request = factories.request_in(Status.SENDING, run_setup_tests=wanted)
    data = factories.created_data(conn_request, **{"setup_tests": None} | answer)
    outcome.to_created(conn_request, Actor.WORKER, data, adopted=adopted)
    return conn_request


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: created(setup_tests=[{"title": "T", "status": "PASSED"}]), "the page says how its setup tests went"),
        (lambda: created(wanted=False), "no setup tests have run"),
        (created, "its setup tests run by themselves"),
        (lambda: created(adopted=True), "its setup tests run by themselves"),
        (lambda: handed_over().request, "waits for its credentials, which the source owner enters there"),
    ],
)
def test_the_mail_about_a_creation_says_how_far_the_tests_are(
    make: Callable[[], ConnectionRequest], sentence: str
) -> None:
    conn_request = make()
    Notice.objects.exclude(kind=NoticeKind.CREATED).delete()
    assert notifications.send_due() == 1
    body = mail.outbox[-1].body
    assert f"/requests/{conn_request.pk}/" in body
    said = (
        "how its setup tests went",
        "no setup tests have run",
        "tests run by themselves",
        "waits for its credentials",
    )
    assert sentence in body
    assert sum(words in body for words in said) == 1


@pytest.mark.django_db
def test_the_link_is_the_address_that_people_use(settings: Any) -> None:
    settings.PUBLIC_URL = "https://portal.example.com/"
    row = notice()
    assert notifications.mails.link(about(row)) == f"https://portal.example.com/requests/{row.request_id}/"


@pytest.mark.django_db
def test_what_was_sent_is_not_sent_again() -> None:
    notice()
    assert [notifications.send_due() for _ in range(3)] == [1, 0, 0]
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_senders_at_once_send_each_mail_once() -> None:
    conn_request = factories.submitted()
    Notice.objects.all().delete()
    notifications.notify(conn_request, NoticeKind.SUBMITTED, *[factories.person("approver") for _ in range(20)])
    barrier = threading.Barrier(4)
    sent: list[int] = []

    def send() -> None:
        barrier.wait(10)
        sent.append(notifications.send_each(100, time.monotonic() + 30))  # as in processes of their own
        connection.close()

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)
    assert sum(sent) == 20
    assert len({tuple(message.to) for message in mail.outbox}) == len(mail.outbox) == 20


@pytest.mark.django_db
def test_a_process_has_one_sender() -> None:
    notice()
    with notifications._one_sender:
        assert notifications.send_due() == 0
    assert notifications.send_due() == 1


@pytest.mark.django_db
def test_a_mail_server_that_is_away_costs_a_run_one_try(mail_server_is_down: None) -> None:
    row = notice()
    notifications.notify(about(row), NoticeKind.SUBMITTED, factories.person("approver"))
    for tries in (1, 2):
        assert notifications.send_due() == 0
        assert Notice.objects.filter(tries=1).count() == tries


class Choosy(BaseEmailBackend):
    """A mail server that does not know one of them."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """As Django's own for SMTP ends where every recipient is refused."""
        if email_messages[0].to == ["gone@example.com"]:
            raise SMTPRecipientsRefused({"gone@example.com": (550, b"no such user")})
        return len(email_messages)


@pytest.mark.django_db
def test_an_address_that_is_refused_does_not_stop_the_others(settings: Any) -> None:
    row = notice(email="gone@example.com")
    notifications.notify(about(row), NoticeKind.SUBMITTED, factories.person("approver", email="here@example.com"))
    settings.EMAIL_BACKEND = f"{__name__}.Choosy"
    assert notifications.send_due() == 1
    assert set(Notice.objects.values_list("error", flat=True)) == {"SMTPRecipientsRefused", ""}


class Slow(BaseEmailBackend):
    """A mail server that takes its time."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Longer than a thread has."""
        time.sleep(0.2)
        return len(email_messages)


@pytest.mark.django_db
def test_a_slow_mail_server_does_not_hold_the_thread(settings: Any) -> None:
    row = notice()
    notifications.notify(about(row), NoticeKind.SUBMITTED, *[factories.person("approver") for _ in range(5)])
    settings.EMAIL_BACKEND = f"{__name__}.Slow"
    assert notifications.send_due(seconds=0.2) == 1
    assert notifications.send_due(seconds=0.2) == 1


@pytest.mark.django_db
def test_telling_twice_writes_one_notice() -> None:
    row = notice()
    assert row.recipient is not None
    notifications.notify(about(row), NoticeKind.SUBMITTED, row.recipient)
    assert Notice.objects.count() == 1
    for dedup_key in (1, 1, 2):
        notifications.tell_address(about(row), NoticeKind.HANDOVER, "owner@example.com", dedup_key=dedup_key)
    assert Notice.objects.filter(recipient=None, address="owner@example.com").count() == 2


@pytest.mark.django_db
def test_a_mail_that_failed_is_tried_again_after_a_pause(mail_server_is_down: None, settings: Any) -> None:
    row = notice()
    assert notifications.send_due() == 0
    row.refresh_from_db()
    assert (row.sent_at, row.tries, row.error) == (None, 1, "ConnectionRefusedError")
    assert notifications.send_due() == 0  # too early
    row.refresh_from_db()
    assert row.tries == 1
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    forget_the_pause()
    assert notifications.send_due() == 1
    row.refresh_from_db()
    assert (row.tries, row.error) == (2, "")


@pytest.mark.django_db
def test_a_mail_is_given_up_after_five_tries(mail_server_is_down: None) -> None:
    row = notice()
    for _ in range(notifications.TRIES + 2):
        forget_the_pause()
        assert notifications.send_due() == 0
    row.refresh_from_db()
    assert (row.sent_at, row.tries) == (None, notifications.TRIES)


@pytest.mark.django_db
def test_one_unusable_address_does_not_stop_the_others() -> None:
    conn_request = factories.submitted()
    Notice.objects.all().delete()
    broken = factories.person("approver", email="a\nBcc: everybody@example.com")
    notifications.notify(
        conn_request, NoticeKind.SUBMITTED, broken, factories.person("approver", email="good@example.com")
    )
    assert notifications.send_due() == 1
    assert [message.to for message in mail.outbox] == [["good@example.com"]]


@pytest.mark.django_db
def test_who_has_no_address_or_has_left_is_not_written_to() -> None:
    row = notice(email="")
    assert notifications.send_due() == 0
    row.refresh_from_db()
    assert (row.sent_at is not None, row.error) == (True, "no address")
    left = notice().recipient
    assert left is not None
    left.is_active = False
    left.save()
    assert notifications.send_due() == 0
    assert mail.outbox == []


@pytest.mark.django_db
def test_what_was_typed_cannot_forge_a_header_or_a_secret_leak() -> None:
    factories.person("approver")
    typed = {"reason": "x\r\nBcc: all@example.com", "config__password": "hunter2", "source_owner": "owner@example.com"}
    filing = factories.filing(**typed)
    conn_request = workflow.submit(by=factories.person(), filing=filing)
    notifications.send_due()
    [message] = mail.outbox
    sent = message.message().as_string()
    assert "Bcc" not in message.message()
    for hidden in ("hunter2", "password", "redirect_uri", conn_request.digest):
        assert hidden not in sent


@pytest.mark.django_db
@pytest.mark.parametrize("status", [Status.CREATED, Status.FAILED, Status.REJECTED, Status.ATTENTION])
def test_no_mail_holds_the_body(status: Status) -> None:
    factories.person("operator")
    conn_request = factories.request_in(status, config__sheet_id="https://docs.example.com/private-sheet")
    assert notifications.send_due() == Notice.objects.count() > 1
    for message in mail.outbox:
        assert "private-sheet" not in message.body
        assert (
            payloads.canonical(ConnectionRequest.objects.get(pk=conn_request.pk).payload or {}).decode()
            not in message.body
        )


@pytest.mark.django_db
def test_operators_are_told_of_what_needs_them() -> None:
    operator, root = factories.person("operator"), factories.person("superuser")
    factories.person("operator", is_active=False)
    conn_request = factories.request_in(Status.ATTENTION)
    told = conn_request.notices.filter(kind=NoticeKind.ATTENTION).values_list("recipient", flat=True)
    assert set(told) == {operator.pk, root.pk}
