"""Who is told what, once: notices are rows, written with the event that causes them and mailed by the worker.

A mail says what happened and links to the request; it never holds the body, a credential or a Connect Card.
What waits for approvers or operators is gathered: the first of a kind is mailed at once, and whatever follows within
GATHER is told in one mail at its end. What was taken back by then is not told at all.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from connections.models import (
    Batch,
    ConnectionChange,
    ConnectionRequest,
    Handover,
    Notice,
    NoticeKind,
    SetupTestsState,
)
from connections.spec import characters
from connections.spec.refusals import BAD_KEY, Refusal, refusal_of
from connections.states import ChangeStatus, Owner, Status

log = logging.getLogger(__name__)
TRIES = 5
BAD_KEY_OCCASION = 401  # of a notice that a request needs an operator: for the key, while the request waits
NO_LONGER_DUE = "no longer due"
_BACKEND = "django.contrib.auth.backends.ModelBackend"
_TO_OWNERS = frozenset({NoticeKind.HANDOVER, NoticeKind.HANDOVER_REMINDER, NoticeKind.HANDOVER_CODE})
SENDING_SECONDS = 20  # less than the scheduler's period, so that whatever is left is sent by the next message
_OF_ONE_MAIL = (SMTPRecipientsRefused, SMTPSenderRefused, SMTPDataError)  # the server answered
_TESTS_OPEN = (SetupTestsState.DUE, SetupTestsState.RUNNING)
_one_sender = threading.Lock()
GATHER = timedelta(minutes=1)
LISTED = 20  # of what one mail tells together
# kind -> what is told of several together, and the page on which they wait.
_GATHERED = {
    NoticeKind.SUBMITTED: ("{} requests wait for approval", "approvals/"),
    NoticeKind.CHANGE_SUBMITTED: ("{} changes of connections wait for approval", "approvals/"),
    NoticeKind.TRUST_NEEDED: ("Something to trust waits for approval at {} connections", "approvals/"),
    NoticeKind.ATTENTION: ("{} requests need an operator", "operations/"),
}
_Mail = tuple[str, str, dict[str, Any]]
RESETS_KEPT = timedelta(days=1)
RESET_LIFE = timedelta(hours=1)  # whoever waited longer for a link has asked again
LEASE = timedelta(minutes=10)  # a sender that died in the SMTP call is followed by another after this long


def notify(
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
        notify(handover.request, kind, handover.owner, occasion=handover.mails)
    else:
        tell_address(handover.request, kind, handover.address, occasion=handover.mails)


def tell_of_reset(accounts: Iterable[User]) -> None:
    """A mail with a link to a new password for each account; the row names the account, the link is made at sending.

    Old ones go, or strangers could fill the table.
    """
    Notice.objects.filter(kind=NoticeKind.PASSWORD_RESET, created_at__lt=Now() - RESETS_KEPT).delete()
    Notice.objects.bulk_create(Notice(kind=NoticeKind.PASSWORD_RESET, recipient=person) for person in accounts)


def operators() -> QuerySet[User]:
    """The active users who operate the portal (superusers included)."""
    holders = User.objects.with_perm("connections.operate_portal", backend=_BACKEND)
    return holders.filter(is_active=True)


def send_due(limit: int = 100, seconds: float = SENDING_SECONDS) -> int:
    """Send up to `limit` mails of what is unsent and return how many went out. Each failing one is tried five times.

    A notice is claimed by one conditional update, so any number of senders send it once. One at a time in a process,
    for so many `seconds` and until the mail server is not reached: it may hang, and other tasks need the threads.
    """
    if not _one_sender.acquire(blocking=False):
        return 0  # whoever sends looks again before it ends
    try:
        return _send_each(limit, time.monotonic() + seconds)
    finally:
        _one_sender.release()


def _send_each(limit: int, end: float) -> int:
    due = Notice.objects.filter(sent_at=None, next_try_at__lte=Now(), tries__lt=TRIES)
    found = due.select_related("request", "recipient", "batch__requester").order_by("id")
    sent = 0
    while sent < limit and time.monotonic() < end and (notice := found.first()) is not None:
        if _is_put_off(due, notice) or due.filter(pk=notice.pk).update(tries=F("tries") + 1, **_leased()) != 1:
            continue
        try:
            sent += _send(notice, [notice, *_claim_others(due, notice)])
        except _Away:
            break
    return sent


def _leased() -> dict[str, Any]:
    return {"next_try_at": Now() + LEASE}


def _alike(notices: QuerySet[Notice], notice: Notice) -> QuerySet[Notice]:
    """Those of `notices` that notify the same person of the same kind of thing."""
    return notices.filter(recipient=notice.recipient_id, kind=notice.kind).order_by("id")


def _is_put_off(due: QuerySet[Notice], notice: Notice) -> bool:
    """Whether the person was told of such a thing a moment ago: then this one and all alike wait for the next mail."""
    if notice.kind not in _GATHERED or notice.recipient_id is None:
        return False
    told = _alike(Notice.objects.filter(sent_at__gt=Now() - GATHER, sent_at__lte=Now(), error=""), notice)
    last = told.aggregate(last=Max("sent_at"))["last"]
    if last is None:
        return False
    _alike(due, notice).update(next_try_at=last + GATHER)
    return True


def _claim_others(due: QuerySet[Notice], notice: Notice) -> list[Notice]:
    """Whatever else the same mail can notify, claimed; of any number of senders one gets each."""
    if notice.kind not in _GATHERED or notice.recipient_id is None:
        return []
    with transaction.atomic():
        mine = list(_alike(due, notice).exclude(pk=notice.pk).select_for_update(skip_locked=True).values_list("pk"))
        ids = [pk for (pk,) in mine]
        Notice.objects.filter(pk__in=ids).update(tries=F("tries") + 1, **_leased())
    others = Notice.objects.filter(pk__in=ids).select_related("request__requester", "recipient", "batch__requester")
    return list(others.order_by("id"))


class _Away(Exception):
    """The mail server was not reached, so that the next mail would wait for it too."""


def _send(notice: Notice, together: Sequence[Notice]) -> bool:
    """Mail what `notice` and those `together` with it notify; whether a mail went out."""
    rows = Notice.objects.filter(pk__in=[each.pk for each in together])
    person = notice.recipient
    address = person.email if person else notice.address
    if not address or (person and not person.is_active):
        rows.update(sent_at=Now(), error="no address")
        return False
    standing = _standing(together)
    if not standing or (made := _made(standing)) is None:
        rows.update(sent_at=Now(), error=NO_LONGER_DUE)
        return False
    subject, template, context = made
    try:
        send_mail(
            subject=characters.one_line(f"[Connections] {subject}", 200),
            message=render_to_string(template, context),
            from_email=settings.DEFAULT_FROM_EMAIL,
            recipient_list=[address],
        )
    except Exception as error:  # noqa: BLE001  # smtplib, sockets, templates: one bad notice must not stop the others
        log.warning("notice %s was not sent: %s", notice.pk, type(error).__name__)
        rows.update(error=type(error).__name__)
        if isinstance(error, OSError) and not isinstance(error, _OF_ONE_MAIL):
            raise _Away from error
        return False
    told = [each.pk for each in standing]
    rows.filter(pk__in=told).update(sent_at=Now(), error="")
    rows.exclude(pk__in=told).update(sent_at=Now(), error=NO_LONGER_DUE)
    return True


def _standing(together: Sequence[Notice]) -> list[Notice]:
    """What there still is to notify: nothing of what was taken back, and of each thing only the last that happened."""
    withdrawn = _withdrawn(together)
    last = {_matter(notice): notice for notice in together if notice.pk not in withdrawn}
    return list(last.values())


def _matter(notice: Notice) -> tuple[str, int]:
    """What a notice is about, as one line of a mail."""
    return ("batch", notice.batch_id) if notice.batch_id else ("request", notice.request_id or 0)


def _withdrawn(together: Sequence[Notice]) -> set[int]:
    """The notices that ask approvers for what its requester took back meanwhile, by number."""
    kind = together[0].kind
    if kind == NoticeKind.SUBMITTED:
        alone = [notice for notice in together if notice.batch_id is None]
        return {notice.pk for notice in alone if notice.request and notice.request.state is Status.WITHDRAWN}
    if kind == NoticeKind.CHANGE_SUBMITTED:
        numbers = [notice.occasion for notice in together]
        gone = set(
            ConnectionChange.objects.filter(pk__in=numbers, status=ChangeStatus.WITHDRAWN).values_list("pk", flat=True)
        )
        return {notice.pk for notice in together if notice.occasion in gone}
    return set()


def _made(standing: Sequence[Notice]) -> _Mail | None:
    """Subject, template and context of the mail; None where it concerns nobody any more."""
    notice = standing[0]
    if len(standing) > 1:
        return _gathered_mail(standing)
    if notice.kind in _TO_OWNERS:
        handover = _handover_of(notice)
        return _owners_mail(notice, handover) if handover else None
    return _mail(notice, notice.request) if notice.request else _reset_mail(notice)


def _gathered_mail(standing: Sequence[Notice]) -> _Mail:
    """The mail about several things alike."""
    first = standing[0]
    words, page = _GATHERED[NoticeKind(first.kind)]
    url = f"{settings.PUBLIC_URL.rstrip('/')}/{page}"
    heading = words.format(f"{sum(_counted(notice) for notice in standing):,}")
    more = len(standing) - LISTED
    context = {"notice": first, "heading": heading, "told": standing[:LISTED], "more": max(0, more), "url": url}
    return heading, "connections/mail/gathered.txt", context


def _counted(notice: Notice) -> int:
    """How many requests one line stands for."""
    return notice.batch.rows.count() if notice.batch else 1


def _operators_refusal(notice: Notice, request: ConnectionRequest) -> Refusal | None:
    """What a mail says of a refusal that operators mend; None for any other."""
    if notice.kind == NoticeKind.ATTENTION and notice.occasion == BAD_KEY_OCCASION:
        return refusal_of(BAD_KEY)
    found = refusal_of(request.failure_code)
    return found if request.state is Status.FAILED and found.owner is Owner.OPERATOR else None


def _mail(notice: Notice, request: ConnectionRequest) -> _Mail:
    """The mail about a request, or about a whole batch."""
    context = {"notice": notice, "request": request, "refusal": _operators_refusal(notice, request)}
    if notice.kind in _OF_CHANGES and (change := _change_of(notice)) is not None:
        subject = f"{notice.get_kind_display()}: {change.get_kind_display()}, request #{notice.request_id}"
        url = f"{settings.PUBLIC_URL.rstrip('/')}/changes/{change.pk}/"
        return subject, "connections/mail/change.txt", context | {"url": url, "change": change}
    if notice.batch is None:
        subject = f"{notice.get_kind_display()}: request #{notice.request_id}"
        place = "#trust" if notice.kind == NoticeKind.TRUST_NEEDED else ""
        tested = _how_tested(request) if notice.kind == NoticeKind.CREATED else ""
        return subject, "connections/mail/notice.txt", context | {"url": link(request) + place, "tested": tested}
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


def _reset_mail(notice: Notice) -> _Mail | None:
    """The mail with a link to a new password, made now, unless whoever asked waits no longer."""
    person = notice.recipient
    fresh = Notice.objects.filter(pk=notice.pk, created_at__gt=Now() - RESET_LIFE).exists()
    if not fresh or person is None or not person.has_usable_password():
        return None
    known_as = urlsafe_base64_encode(force_bytes(person.pk))
    path = reverse("password_reset_confirm", args=[known_as, default_token_generator.make_token(person)])
    context = {"user": person, "url": settings.PUBLIC_URL.rstrip("/") + path}
    return notice.get_kind_display(), "registration/password_reset_email.html", context


def _handover_of(notice: Notice) -> Handover | None:
    """The hand-over that a mail to its owner is about, as long as it still concerns whom the mail goes to."""
    mine = Handover.objects.live().filter(request=notice.request_id, owner=notice.recipient_id, address=notice.address)
    if notice.kind == NoticeKind.HANDOVER_CODE:
        mine = mine.filter(code_expires_at__gt=Now()).exclude(code_nonce="")
    return mine.select_related("request__requester", "owner").first()


def _owners_mail(notice: Notice, handover: Handover) -> _Mail:
    subject = f"{notice.get_kind_display()}: request #{notice.request_id}"
    context = {"notice": notice, "request": notice.request, "handover": handover, "url": handover_link(handover)}
    return subject, "connections/mail/handover.txt", context


def handover_link(handover: Handover) -> str:
    """The owner's link, as people reach it from outside. Only the owner sees it."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/handover/{handover.token}/"


def link(request: ConnectionRequest) -> str:
    """The address of the request's page, as people reach it from outside."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/requests/{request.pk}/"
