"""Who is told what, once: notices are rows, written with the event that causes them and mailed by the worker.

A mail says what happened and links to the request; it never holds the body, a credential or a Connect Card.
"""

import logging
import threading
import time
from datetime import timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string

from connections import characters
from connections.models import (
    Batch,
    ConnectionChange,
    ConnectionRequest,
    Handover,
    Notice,
    NoticeKind,
    SetupTestsState,
)

log = logging.getLogger(__name__)
TRIES = 5
_BACKEND = "django.contrib.auth.backends.ModelBackend"
_TO_OWNERS = frozenset({NoticeKind.HANDOVER, NoticeKind.HANDOVER_REMINDER, NoticeKind.HANDOVER_CODE})
SENDING_SECONDS = 20  # less than the scheduler's period, so that whatever is left is sent by the next bell
_OF_ONE_MAIL = (SMTPRecipientsRefused, SMTPSenderRefused, SMTPDataError)  # the server answered
_TESTS_OPEN = (SetupTestsState.DUE, SetupTestsState.RUNNING)
_one_sender = threading.Lock()
LEASE = timedelta(minutes=10)  # a sender that died in the SMTP call is followed by another after this long


def tell(
    request: ConnectionRequest, kind: NoticeKind, *recipients: User, batch: Batch | None = None, occasion: int = 0
) -> None:
    """Write a notice for each active recipient, in the caller's transaction; telling twice writes nothing new.

    With `batch` the mail is about all of it. A new `occasion` tells the same kind about the same version once more.
    """
    Notice.objects.bulk_create(
        [
            Notice(
                request=request, batch=batch, kind=kind, recipient=person, version=request.version, occasion=occasion
            )
            for person in recipients
            if person.is_active
        ],
        ignore_conflicts=True,
    )


def tell_address(request: ConnectionRequest, kind: NoticeKind, address: str, *, occasion: int = 0) -> None:
    """The same for somebody without an account."""
    Notice.objects.bulk_create(
        [Notice(request=request, kind=kind, address=address, version=request.version, occasion=occasion)],
        ignore_conflicts=True,
    )


def tell_owner(handover: Handover, kind: NoticeKind) -> None:
    """A mail to the owner of a hand-over, with or without an account, in the caller's transaction; each call is one.

    What it says is read from the row when it is sent: the link and the code stand in no table.
    """
    Handover.objects.filter(pk=handover.pk).update(mails=F("mails") + 1)
    handover.refresh_from_db(fields=["mails"])
    if handover.owner is not None:
        tell(handover.request, kind, handover.owner, occasion=handover.mails)
    else:
        tell_address(handover.request, kind, handover.address, occasion=handover.mails)


def operators() -> QuerySet[User]:
    """The active users who operate the portal (superusers included)."""
    holders = User.objects.with_perm("connections.operate_portal", backend=_BACKEND)
    return holders.filter(is_active=True)


def send_due(limit: int = 100) -> int:
    """Mail up to `limit` unsent notices and return how many went out. A failing mail is tried again, five times in all.

    A notice is claimed by one conditional update, so any number of senders send it once. One at a time in a process,
    for SENDING_SECONDS and until the mail server is not reached: it may hang, and other tasks need the threads.
    """
    if not _one_sender.acquire(blocking=False):
        return 0  # whoever sends looks again before it ends
    try:
        return _send_each(limit, time.monotonic() + SENDING_SECONDS)
    finally:
        _one_sender.release()


def _send_each(limit: int, end: float) -> int:
    due = Notice.objects.filter(sent_at=None, next_try_at__lte=Now(), tries__lt=TRIES)
    found = due.select_related("request", "recipient", "batch__requester").order_by("id")
    sent = 0
    while sent < limit and time.monotonic() < end and (notice := found.first()) is not None:
        if due.filter(pk=notice.pk).update(tries=F("tries") + 1, next_try_at=Now() + LEASE) != 1:
            continue
        try:
            sent += _send(notice)
        except _Away:
            break
    return sent


class _Away(Exception):
    """The mail server was not reached, so that the next mail would wait for it too."""


def _send(notice: Notice) -> bool:
    row = Notice.objects.filter(pk=notice.pk)
    person = notice.recipient
    address = person.email if person else notice.address
    if not address or (person and not person.is_active):
        row.update(sent_at=Now(), error="no address")
        return False
    handover = _handover_of(notice)
    if notice.kind in _TO_OWNERS and handover is None:
        row.update(sent_at=Now(), error="no longer due")
        return False
    subject, template, context = _owners_mail(notice, handover) if handover else _mail(notice)
    try:
        send_mail(
            subject=characters.one_line(f"[Connections] {subject}", 200),
            message=render_to_string(template, context),
            from_email=settings.DEFAULT_FROM_EMAIL,
            recipient_list=[address],
        )
    except Exception as error:  # noqa: BLE001  # smtplib, sockets, templates: one bad notice must not stop the others
        log.warning("notice %s was not sent: %s", notice.pk, type(error).__name__)
        row.update(error=type(error).__name__)
        if isinstance(error, OSError) and not isinstance(error, _OF_ONE_MAIL):
            raise _Away from error
        return False
    row.update(sent_at=Now(), error="")
    return True


def _mail(notice: Notice) -> tuple[str, str, dict[str, Any]]:
    """Subject, template and context of a notice: about a request, or about a whole batch."""
    context = {"notice": notice, "request": notice.request}
    if notice.kind in _OF_CHANGES and (change := _change_of(notice)) is not None:
        subject = f"{notice.get_kind_display()}: {change.get_kind_display()}, request #{notice.request_id}"
        url = f"{settings.PUBLIC_URL.rstrip('/')}/changes/{change.pk}/"
        return subject, "connections/mail/change.txt", context | {"url": url, "change": change}
    if notice.batch is None:
        subject = f"{notice.get_kind_display()}: request #{notice.request_id}"
        place = "#trust" if notice.kind == NoticeKind.TRUST_NEEDED else ""
        tested = _how_tested(notice.request) if notice.kind == NoticeKind.CREATED else ""
        return subject, "connections/mail/notice.txt", context | {"url": link(notice.request) + place, "tested": tested}
    counted = notice.batch.rows.count()
    url = f"{settings.PUBLIC_URL.rstrip('/')}/batches/{notice.batch.pk}/"
    subject = f"{notice.get_kind_display()}: batch #{notice.batch.pk} of {counted} requests"
    return subject, "connections/mail/batch.txt", context | {"url": url, "batch": notice.batch, "counted": counted}


def _how_tested(request: ConnectionRequest) -> str:
    """What a mail can say of the setup tests of a created request: "ran", "waits" for credentials, "runs", "none"."""
    connection, handover = getattr(request, "connection", None), getattr(request, "handover", None)
    if connection is not None and connection.runs.exists():
        return "ran"
    if handover is not None and handover.is_live:
        return "waits"
    return "runs" if connection is not None and connection.tests in _TESTS_OPEN else "none"


_OF_CHANGES = frozenset({NoticeKind.CHANGE_SUBMITTED, NoticeKind.CHANGE_DECIDED, NoticeKind.CHANGE_ENDED})


def _change_of(notice: Notice) -> ConnectionChange | None:
    """The change that a notice is about: its number is the notice's occasion."""
    changes = ConnectionChange.objects.select_related("requester", "decided_by")
    return changes.filter(pk=notice.occasion, request_id=notice.request_id).first()


def _handover_of(notice: Notice) -> Handover | None:
    """The hand-over that a mail to its owner is about, as long as it still concerns whom the mail goes to."""
    if notice.kind not in _TO_OWNERS:
        return None
    mine = Handover.objects.live().filter(request=notice.request_id, owner=notice.recipient_id, address=notice.address)
    if notice.kind == NoticeKind.HANDOVER_CODE:
        mine = mine.filter(code_expires_at__gt=Now()).exclude(code_nonce="")
    return mine.select_related("request__requester", "owner").first()


def _owners_mail(notice: Notice, handover: Handover) -> tuple[str, str, dict[str, Any]]:
    subject = f"{notice.get_kind_display()}: request #{notice.request_id}"
    context = {"notice": notice, "request": notice.request, "handover": handover, "url": handover_link(handover)}
    return subject, "connections/mail/handover.txt", context


def handover_link(handover: Handover) -> str:
    """The owner's link, as people reach it from outside. Only the owner sees it."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/handover/{handover.token}/"


def link(request: ConnectionRequest) -> str:
    """The address of the request's page, as people reach it from outside."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/requests/{request.pk}/"
