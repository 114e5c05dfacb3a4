"""Notices are rows, written with the event that causes them and mailed once by the worker. A mail never holds the body,
a credential or a Connect Card.
"""

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from hashlib import blake2s
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F, Max, Model, QuerySet
from django.db.models.functions import Now

from connections.models import (
    Batch,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Event,
    EventKind,
    Handover,
    Notice,
    NoticeKind,
)
from connections.notifications import mails
from connections.notifications.layout import Mail
from connections.notifications.mails import GATHERED
from connections.permissions import LetIn, Right, holders, trust_approvers
from connections.spec import characters
from connections.spec.refusals import BAD_KEY, TOLD
from connections.states import Actor, ChangeStatus, Status

log = logging.getLogger(__name__)
TRIES = 5
NO_LONGER_DUE = "no longer due"
_TO_OWNERS = frozenset({NoticeKind.HANDOVER, NoticeKind.HANDOVER_REMINDER, NoticeKind.HANDOVER_CODE})
SENDING_SECONDS = 20  # less than the scheduler's period, so that whatever is left is sent by the next message
_OF_ONE_MAIL = (SMTPRecipientsRefused, SMTPSenderRefused, SMTPDataError)  # the server answered
_one_sender = threading.Lock()
# What waits for approvers or operators: the first of a kind is mailed at once, all others within GATHER in one mail at
# its end, without what was withdrawn by then.
GATHER = timedelta(minutes=1)
_OF_CHANGES = frozenset({NoticeKind.CHANGE_SUBMITTED, NoticeKind.CHANGE_DECIDED, NoticeKind.CHANGE_ENDED})
RESETS_KEPT = timedelta(days=1)
RESET_LIFE = timedelta(hours=1)  # whoever waited longer for a link has asked again
LEASE = timedelta(minutes=10)  # a sender that died in the SMTP call is followed by another after this long


def notify(
    conn_request: ConnectionRequest, kind: NoticeKind, *recipients: User, batch: Batch | None = None, dedup_key: int = 0
) -> None:
    """Write a notice for each active recipient, in the caller's transaction; a second time writes nothing new. A new
    `dedup_key` tells the same kind about the same version once more.
    """
    for_each = [{"recipient": person, "batch": batch} for person in recipients if person.is_active]
    _write(conn_request, kind, dedup_key, for_each)


def askers(conn_request: ConnectionRequest) -> list[User]:
    """The requester and, of a team's request, the colleagues in the team who wrote in it."""
    if conn_request.team_id is None:  # no statement where there is no team
        return [conn_request.requester]
    writers = conn_request.writers.values("person")
    colleagues = User.objects.filter(pk__in=writers, groups__team=conn_request.team_id, is_active=True)
    return [conn_request.requester, *colleagues.exclude(pk=conn_request.requester_id)]


def _write(
    conn_request: ConnectionRequest, kind: NoticeKind, dedup_key: int, for_each: Iterable[Mapping[str, Any]]
) -> None:
    about: dict[str, Any] = {"request": conn_request, "version": conn_request.version, "kind": kind}
    notices = [Notice(**about, dedup_key=dedup_key, **one) for one in for_each]
    Notice.objects.bulk_create(notices, ignore_conflicts=True)


def tell_of_refusal(conn_request: ConnectionRequest, code: str) -> None:
    """Operators are told, once, where Fivetran refused a call for a connection with a code that they mend."""
    if code in TOLD:
        key = mails.BAD_KEY_DEDUP_KEY if code == BAD_KEY else mails.FORBIDDEN_DEDUP_KEY
        notify(conn_request, NoticeKind.ATTENTION, *operators(), dedup_key=key)


def tell_of_trust(conn_request: ConnectionRequest, connection: Connection) -> None:
    """Those who may approve it are told, once for each set of hashes, what Fivetran asks to trust."""
    if connection.trust_waiting:
        hashes = "\n".join(sorted({one.hash for one in connection.trust_asked()}))
        key = int.from_bytes(blake2s(hashes.encode(errors="replace"), digest_size=4).digest()) >> 1
        notify(conn_request, NoticeKind.TRUST_NEEDED, *trust_approvers(conn_request), dedup_key=key)


def of_creation(conn_request: ConnectionRequest, setup_state: str) -> list[Model]:
    """What is inserted with the move to `created`: notices to who asked and, where a Connect Card is wanted, the
    hand-over with its event and mail. Whoever is not active gets no mail.
    """
    about: dict[str, Any] = {"request": conn_request, "version": F("version")}
    told = [conn_request.requester_id] if conn_request.team_id is None else [one.pk for one in askers(conn_request)]
    rows: list[Model] = [Notice(kind=NoticeKind.CREATED, recipient_id=pk, **about) for pk in told]
    if (handover := Handover.objects.begun(conn_request, setup_state)) is not None:
        sent: dict[str, Any] = {"kind": EventKind.HANDOVER_SENT, "actor": Actor.WORKER}
        to = {"recipient": handover.owner, "address": handover.address, "dedup_key": handover.mails}
        rows.append(handover)
        rows.append(Event(**sent, detail={"why": f"To {handover.owner_shown}"}, **about))
        rows.append(Notice(kind=NoticeKind.HANDOVER, **to, **about))
    return rows


def tell_address(conn_request: ConnectionRequest, kind: NoticeKind, address: str, *, dedup_key: int = 0) -> None:
    _write(conn_request, kind, dedup_key, [{"address": address}])


def tell_owner(handover: Handover, kind: NoticeKind) -> None:
    """One more mail to the owner of a hand-over, in the caller's transaction."""
    # What the mail says is read from the row when it is sent: the link and the code stand in no table.
    Handover.objects.filter(pk=handover.pk).update(mails=F("mails") + 1)
    handover.refresh_from_db(fields=["mails"])
    if handover.owner is not None:
        notify(handover.request, kind, handover.owner, dedup_key=handover.mails)
    else:
        tell_address(handover.request, kind, handover.address, dedup_key=handover.mails)


def tell_of_reset(accounts: Iterable[User]) -> None:
    # Old ones are deleted: strangers could fill the table.
    Notice.objects.filter(kind=NoticeKind.PASSWORD_RESET, created_at__lt=Now() - RESETS_KEPT).delete()
    Notice.objects.bulk_create(Notice(kind=NoticeKind.PASSWORD_RESET, recipient=person) for person in accounts)


def tell_of_account(topic: str, entry: LogEntry, recipients: Iterable[User], **_more: object) -> None:
    """What happened to somebody's account is told by mail; the mail says what stands in the admin's log."""
    Notice.objects.bulk_create(
        Notice(kind=NoticeKind(topic), recipient=person, dedup_key=entry.pk)
        for person in recipients
        if person.is_active
    )


def operators() -> QuerySet[User]:
    return holders("operate_portal")


def gave_up() -> QuerySet[Notice]:
    """Mails whose tries are used up, newest first; not those to somebody who forgot a password and has asked again."""
    # Not while the last try may be going on.
    unsent = Notice.objects.filter(sent_at=None, tries__gte=TRIES, next_try_at__lte=Now()).exclude(request=None)
    return unsent.select_related("request").order_by("-pk")


def again(notice: Notice, by: User) -> None:
    if gave_up().filter(pk=notice.pk).update(tries=0, next_try_at=Now()):
        why = f"{notice.get_kind_display()}."
        Event.objects.note(notice.request, EventKind.MAIL_TRIED_AGAIN, actor=Actor.OPERATOR, by=by, detail={"why": why})


def send_due(limit: int = 100, seconds: float = SENDING_SECONDS) -> int:
    """Send up to `limit` unsent mails, for `seconds` and until the mail server is away; returns how many went out."""
    # One sender in a process: the mail server may hang, and other tasks need the threads.
    if not _one_sender.acquire(blocking=False):
        return 0  # whoever sends looks again before it ends
    try:
        return send_each(limit, time.monotonic() + seconds)
    finally:
        _one_sender.release()


def send_each(limit: int, end: float) -> int:
    due = Notice.objects.filter(sent_at=None, next_try_at__lte=Now(), tries__lt=TRIES)
    found = due.select_related("request", "recipient", "batch__requester").order_by("id")
    sent = 0
    while sent < limit and time.monotonic() < end and (notice := found.first()) is not None:
        if _is_put_off(due, notice):
            continue
        # Claimed by one conditional update, so that any number of senders send it once.
        if due.filter(pk=notice.pk).update(tries=F("tries") + 1, next_try_at=Now() + LEASE) != 1:
            continue
        try:
            sent += _send(notice, [notice, *claim_others(due, notice)])
        except _Away:
            break
    return sent


def _alike(notices: QuerySet[Notice], notice: Notice) -> QuerySet[Notice]:
    """Those of `notices` about the same kind of thing, for the same person."""
    return notices.filter(recipient=notice.recipient_id, kind=notice.kind).order_by("id")


def _is_put_off(due: QuerySet[Notice], notice: Notice) -> bool:
    """Whether this person was told of such a thing a moment ago."""
    if notice.kind not in GATHERED or notice.recipient_id is None:
        return False
    told = _alike(Notice.objects.filter(sent_at__gt=Now() - GATHER, sent_at__lte=Now(), error=""), notice)
    last = told.aggregate(last=Max("sent_at"))["last"]
    if last is None:
        return False
    _alike(due, notice).update(next_try_at=last + GATHER)
    return True


def claim_others(due: QuerySet[Notice], notice: Notice) -> list[Notice]:
    """Claim what else fits into the same mail; of several senders one gets each."""
    if notice.kind not in GATHERED or notice.recipient_id is None:
        return []
    with transaction.atomic():
        mine = _alike(due, notice).exclude(pk=notice.pk).select_for_update(skip_locked=True)
        ids = list(mine.values_list("pk", flat=True))
        Notice.objects.filter(pk__in=ids).update(tries=F("tries") + 1, next_try_at=Now() + LEASE)
    others = Notice.objects.filter(pk__in=ids).select_related("request__requester", "recipient", "batch__requester")
    return list(others.order_by("id"))


class _Away(Exception):
    """The mail server was not reached, so the next mail would wait for it too."""


def _send(notice: Notice, together: Sequence[Notice]) -> bool:
    """Send one mail about `notice` and those `together` with it; returns whether it went out."""
    rows = Notice.objects.filter(pk__in=[each.pk for each in together])
    person = notice.recipient
    address = person.email if person else notice.address
    if not address or (person and not person.is_active):
        rows.update(sent_at=Now(), error="no address")
        return False
    standing = _standing(together)
    if not standing or (mail := _made(standing)) is None:
        rows.update(sent_at=Now(), error=NO_LONGER_DUE)
        return False
    try:
        send_mail(
            subject=characters.one_line(f"[Connections] {mail.subject}", 200),
            message=mail.text,
            from_email=settings.DEFAULT_FROM_EMAIL,
            recipient_list=[address],
            html_message=mail.html,
        )
    except Exception as error:  # noqa: BLE001  # smtplib, sockets: one bad notice must not stop the others
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
    """Without what was withdrawn, and of each request or batch only the latest notice."""
    withdrawn = _withdrawn(together) | _shut_out(together)
    left = [notice for notice in together if notice.pk not in withdrawn]
    return list({(notice.batch_id, notice.batch_id or notice.request_id): notice for notice in left}.values())


def _withdrawn(together: Sequence[Notice]) -> set[int]:
    """The ids of notices that ask approvers for what its requester withdrew meanwhile."""
    kind = together[0].kind
    if kind == NoticeKind.SUBMITTED:
        alone = [notice for notice in together if notice.batch_id is None]
        return {notice.pk for notice in alone if notice.request and notice.request.state is Status.WITHDRAWN}
    if kind == NoticeKind.CHANGE_SUBMITTED:
        numbers = [notice.dedup_key for notice in together]
        gone = set(
            ConnectionChange.objects.filter(pk__in=numbers, status=ChangeStatus.WITHDRAWN).values_list("pk", flat=True)
        )
        return {notice.pk for notice in together if notice.dedup_key in gone}
    return set()


def _shut_out(together: Sequence[Notice]) -> set[int]:
    """The ids of notices that ask somebody to approve whom the access rules no longer let approve there."""
    if together[0].kind not in (NoticeKind.SUBMITTED, NoticeKind.CHANGE_SUBMITTED, NoticeKind.TRUST_NEEDED):
        return set()
    let = LetIn(Right.APPROVE, person="recipient", group="request__group_id", service="request__service")
    asked = Notice.objects.filter(pk__in=[notice.pk for notice in together], recipient__isnull=False)
    return set(asked.exclude(let).values_list("pk", flat=True))


def _made(standing: Sequence[Notice]) -> Mail | None:
    """The mail; None where it concerns nobody any more."""
    notice = standing[0]
    if len(standing) > 1:
        return mails.of_several(standing)
    if notice.kind in _TO_OWNERS:
        handover = _handover_of(notice)
        tell = mails.of_code if notice.kind == NoticeKind.HANDOVER_CODE else mails.of_handover
        return tell(notice, handover) if handover else None
    if notice.kind in (NoticeKind.SECOND_FACTOR, NoticeKind.LOCAL_LOG_IN):
        entry = LogEntry.objects.select_related("user").filter(pk=notice.dedup_key).first()
        return mails.of_account(notice, entry) if entry else None
    if notice.request is None:
        return mails.of_reset(notice, notice.recipient) if notice.recipient and _awaits_reset(notice) else None
    if notice.kind in _OF_CHANGES:
        changes = ConnectionChange.objects.select_related("requester", "decided_by", "request")
        # A change's number is the notice's dedup key.
        if (change := changes.filter(pk=notice.dedup_key, request_id=notice.request_id).first()) is not None:
            return mails.of_change(notice, change)
    return mails.of_batch(notice, notice.batch) if notice.batch else mails.of_request(notice, notice.request)


def _awaits_reset(notice: Notice) -> bool:
    """Whether who forgot a password still waits for the link, and has a password."""
    fresh = Notice.objects.filter(pk=notice.pk, created_at__gt=Now() - RESET_LIFE).exists()
    return fresh and notice.recipient is not None and notice.recipient.has_usable_password()


def _handover_of(notice: Notice) -> Handover | None:
    """The hand-over of a mail to its owner, as long as the mail still goes to the owner."""
    mine = Handover.objects.live().filter(request=notice.request_id, owner=notice.recipient_id, address=notice.address)
    if notice.kind == NoticeKind.HANDOVER_CODE:
        mine = mine.filter(code_expires_at__gt=Now()).exclude(code_nonce="")
    return mine.select_related("request__requester", "owner").first()
