"""Hand-overs of credentials: the owner's link, the mailed code, the Connect Card, the return, and changes of owner.

`proof` is what somebody without an account has instead of a user: the answer of `enter_code`, kept in the session.
"""

import re
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Coalesce, Now
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from connections import interactive as fivetran
from connections import limits, notifications, permissions, tasks
from connections.models import (
    LIVE_HANDOVER,
    Connection,
    ConnectionRequest,
    Event,
    EventKind,
    Handover,
    HandoverState,
    NoticeKind,
    StaleRow,
    move,
    owner_or,
    store_turn,
    why_not_mailed,
)
from connections.models.handover import CARD_LIFE, CODE_LIFE, CODE_TRIES, hashed, new_nonce
from connections.permissions import Person
from connections.states import Actor
from connections.workflow.changes import actor_of

PASSED_ON_AN_HOUR = 5  # each mails an address that somebody typed
CODES_AN_HOUR = 5
CODE_PAUSE = timedelta(seconds=60)
LOOK_AGAIN = timedelta(seconds=60)
_HOUR = timedelta(hours=1)


class WrongCode(Exception):
    """The code opens nothing; the message says what to do."""


class NobodyFound(Exception):
    """The text names nobody who can be mailed; the message says why."""


def _as_seen(handover: Handover) -> QuerySet[Handover]:
    """The row while it is open and has the same owner: another owner has another nonce."""
    return Handover.objects.filter(pk=handover.pk, nonce=handover.nonce, state__in=LIVE_HANDOVER)


def _note(handover: Handover, kind: EventKind, by: Person, why: str = "") -> None:
    """An event of the owner, under the username or the address."""
    person = by if isinstance(by, User) and by.pk == handover.owner_id else None
    detail = {"why": why} if why else {}
    if person is None:
        detail["who"] = handover.address
    Event.objects.note(handover.request, kind, actor=Actor.SOURCE_OWNER, by=person, detail=detail)


def note_opened(*, by: Person, handover: Handover, proof: str = "") -> None:
    permissions.check_is_source_owner(by, handover, proof)
    with transaction.atomic():
        if _as_seen(handover).filter(opened_at=None).update(opened_at=Now()) == 1:
            move(_as_seen(handover).filter(state=HandoverState.WAITING), HandoverState.OPEN, actor=Actor.SOURCE_OWNER)
            _note(handover, EventKind.HANDOVER_OPENED, by)
        if handover.card_at is not None:  # perhaps the owner entered everything at Fivetran and never came back
            stale = Connection.objects.filter(request=handover.request_id, check_due_at=None)
            if stale.filter(seen_at__lte=Now() - LOOK_AGAIN).update(check_due_at=Now()) == 1:
                tasks.enqueue_on_commit("check", handover.request_id)
    handover.refresh_from_db(fields=["state", "opened_at"])


def send_code(*, handover: Handover) -> None:
    """Mail a new code to an owner without an account. Raises TooMany within a minute of the last one and after
    CODES_AN_HOUR.
    """
    recent = Q(code_sent_at__gt=Now() - CODE_PAUSE)
    new_hour = Q(codes_since=None) | Q(codes_since__lte=Now() - _HOUR)
    rows = _as_seen(handover).filter(owner=None).exclude(recent)
    with transaction.atomic():
        changed = rows.filter(new_hour | Q(codes_sent__lt=CODES_AN_HOUR)).update(
            code_nonce=new_nonce(),
            code_expires_at=Now() + CODE_LIFE,
            code_tries=0,
            code_sent_at=Now(),
            codes_sent=Case(When(new_hour, then=1), default=F("codes_sent") + 1),
            codes_since=Case(When(new_hour, then=Now()), default=F("codes_since")),
        )
        if changed != 1:
            raise _no_new_code(handover)
        notifications.tell_owner(handover, NoticeKind.HANDOVER_CODE)
        tasks.enqueue_on_commit("notify")


def _no_new_code(handover: Handover) -> limits.TooMany | StaleRow:
    handover.refresh_from_db(fields=["code_sent_at", "codes_sent", "codes_since"])
    moments = [handover.code_sent_at + CODE_PAUSE] if handover.code_sent_at else []
    if handover.codes_since and handover.codes_sent >= CODES_AN_HOUR:
        moments.append(handover.codes_since + _HOUR)
    words = (
        "No new code was sent: the last one is less than a minute old, or there were five within the hour. "
        "Look into your mailbox."
    )
    return (
        limits.too_often(words, max(moments)) if moments else StaleRow("No code is sent for this hand-over any more.")
    )


def enter_code(*, handover: Handover, text: str) -> str:
    """Use up the mailed code; returns the proof that somebody holds the owner's address. Raises WrongCode."""
    rows = _as_seen(handover).filter(owner=None).exclude(code_nonce="")
    # Each try is claimed before it is compared, so that any number of them at once are still CODE_TRIES.
    usable = rows.filter(code_expires_at__gt=Now(), code_tries__lt=CODE_TRIES)
    if usable.update(code_tries=F("code_tries") + 1) != 1:
        raise WrongCode("No code is valid now. Have a new one sent, and enter it within 15 minutes.")
    handover.refresh_from_db(fields=["code_nonce", "code_tries"])
    if not constant_time_compare(re.sub(r"[\s-]", "", text), handover.code):
        left = CODE_TRIES - handover.code_tries
        raise WrongCode(
            f"This is not the code. You have {left} more {'try' if left == 1 else 'tries'}."
            if left
            else "This is not the code, and it was tried too often. Have a new one sent."
        )
    if rows.filter(code_nonce=handover.code_nonce).update(code_nonce="", code_expires_at=None) != 1:
        raise WrongCode("This code was used already. Have a new one sent.")
    return handover.nonce


def issue_card(*, by: Person, handover: Handover, proof: str = "") -> str:
    """The address of a fresh Connect Card. Raises Denied, Unreachable (after 5 seconds at most), TooMany, StaleRow."""
    permissions.check_is_source_owner(by, handover, proof)
    nonce = new_nonce()
    back = settings.PUBLIC_URL.rstrip("/") + reverse("connections:handover_return")
    try:
        uri = fivetran.mint(handover.request, f"{back}?state={handover.return_state(nonce)}")
    except fivetran.Unreachable as refused:
        notifications.tell_of_refusal(handover.request, refused.code)
        raise
    with transaction.atomic():
        changed = move(
            _as_seen(handover),
            HandoverState.OPEN,
            actor=Actor.SOURCE_OWNER,
            opened_at=Coalesce(F("opened_at"), Now()),
            card_at=Now(),
            card_expires_at=Now() + CARD_LIFE,
            card_expired_at=None,
            return_hash=hashed(nonce),
            return_expires_at=Now() + CARD_LIFE,
        )
        if changed != 1:
            raise StaleRow("This hand-over was taken back or given to somebody else just now.")
        again = "Again; the one before it brings nobody back any more." if handover.card_at else ""
        _note(handover, EventKind.CARD_ISSUED, by, again)
    return uri


def returned(*, by: Person, handover: Handover, proof: str = "") -> None:
    """The owner came back with the state of the current card, by which `handover` was found. Raises Denied, and
    StaleRow where the state was used already.
    """
    # One that is done stays so; its owner may use the state up like any other.
    if handover.is_live or not permissions.is_source_owner(by, handover, proof):
        permissions.check_is_source_owner(by, handover, proof)
    mine = Handover.objects.filter(pk=handover.pk, nonce=handover.nonce).exclude(return_hash="")
    current = mine.filter(return_hash=handover.return_hash, return_expires_at__gt=Now())
    used_up: dict[str, Any] = {"returned_at": Now(), "return_hash": "", "return_expires_at": None}
    with transaction.atomic():
        changed = move(current, HandoverState.RETURNED, actor=Actor.SOURCE_OWNER, **used_up)
        # Fivetran may have told of the connection just now.
        if not changed and current.filter(state=HandoverState.DONE).update(**used_up) != 1:
            raise StaleRow("This return was counted already.")
        Connection.objects.filter(request=handover.request_id).update(check_due_at=Now())
        _note(handover, EventKind.HANDOVER_RETURNED, by)
        tasks.enqueue_on_commit("check", handover.request_id)


def note_unproved_return(*, handover: Handover) -> None:
    """Somebody came back with the current card's state and without proof. Nothing is counted, but Fivetran is asked."""
    # The credentials may be there, and nobody else may say so; but once a minute at most.
    recent = When(seen_at__gt=Now() - LOOK_AGAIN, then=Now() + LOOK_AGAIN)
    open_one = Connection.objects.filter(
        request=handover.request_id, request__deleted_at_fivetran_at=None, check_due_at=None
    )
    with transaction.atomic():
        if open_one.update(check_due_at=Case(recent, default=Now())) == 1:
            tasks.enqueue_on_commit("check", handover.request_id)


def pass_on(*, by: Person, handover: Handover, to: str, proof: str = "") -> None:
    """Give the hand-over to another username or e-mail address, or to the same once more. Raises TooMany, NobodyFound,
    StaleRow.
    """
    permissions.check_can_pass_on(by, handover, proof)
    owner, address = _meant(by, handover.request, to)
    before = handover.owner_shown
    with transaction.atomic():
        _check_passed_on(by, handover)  # needs no lock: of two at once, `_renew` finds a changed row for one
        _renew(
            handover,
            HandoverState.WAITING,
            _overseer(by, handover.request),
            owner=owner,
            address=address,
            sent_at=Now(),
            last_notified_at=Now(),
            reminders=0,
        )
        why = f"From {before} to {handover.owner_shown}"
        _note_overseen(handover, EventKind.HANDOVER_PASSED_ON, by, why, before)
        notifications.tell_owner(handover, NoticeKind.HANDOVER)
        tasks.enqueue_on_commit("notify")


def _check_passed_on(by: Person, handover: Handover) -> None:
    if isinstance(by, User):
        limits.check_action(by, limits.PASSED_ON)
    passed_on = handover.request.events.filter(kind=EventKind.HANDOVER_PASSED_ON, at__gt=Now() - _HOUR, at__lte=Now())
    times = list(passed_on.order_by("-at").values_list("at", flat=True)[:PASSED_ON_AN_HOUR])
    if len(times) == PASSED_ON_AN_HOUR:
        raise limits.too_often("It was given to somebody else too often within the hour.", times[-1] + _HOUR)


def hand_over(*, by: User, conn_request: ConnectionRequest, to: str) -> Handover:
    """Ask somebody for the credentials of a connection that has no hand-over yet. Raises as `pass_on`."""
    permissions.check_can_hand_over(by, conn_request)
    owner, address = _meant(by, conn_request, to)
    try:
        with transaction.atomic():
            limits.check_action(by, limits.PASSED_ON)
            handover = Handover.objects.create(request=conn_request, owner=owner, address=address)
            store_turn(conn_request.pk)
            _note_overseen(handover, EventKind.HANDOVER_SENT, by, f"To {handover.owner_shown}", "")
            notifications.tell_owner(handover, NoticeKind.HANDOVER)
            tasks.enqueue_on_commit("notify")
    except IntegrityError:
        raise StaleRow("Somebody else handed it over a moment ago. Look at it again.") from None
    return handover


def _meant(by: Person, conn_request: ConnectionRequest, to: str) -> tuple[User | None, str]:
    """The user or the address that `by` names. Raises NobodyFound for people who may know every user."""
    if permissions.reads_whole(by, conn_request) and (why := why_not_mailed(to.strip())):
        raise NobodyFound(why)
    return owner_or(conn_request.requester, to.strip())


def revoke(*, by: Person, handover: Handover) -> None:
    """Take the hand-over back: its link is invalid until it is given to somebody."""
    permissions.check_can_revoke(by, handover)
    with transaction.atomic():
        _renew(handover, HandoverState.REVOKED, _overseer(by, handover.request), revoked_at=Now())
        _note_overseen(handover, EventKind.HANDOVER_REVOKED, by, f"Of {handover.owner_shown}", "")


def follow_requester(*, by: User, conn_request: ConnectionRequest, former: User) -> None:
    """Where the credentials were waited for from `former`, as the requester, the requester of now is asked."""
    handover = Handover.objects.live().filter(request=conn_request, owner=former).first()
    if handover is None:
        return
    handover.request, before = conn_request, handover.owner_shown
    asked: dict[str, Any] = {"owner": conn_request.requester, "sent_at": Now(), "last_notified_at": Now()}
    _renew(handover, HandoverState.WAITING, Actor.OPERATOR, reminders=0, **asked)
    why = f"From {before} to {handover.owner_shown}"
    Event.objects.note(conn_request, EventKind.HANDOVER_PASSED_ON, actor=Actor.OPERATOR, by=by, detail={"why": why})
    notifications.tell_owner(handover, NoticeKind.HANDOVER)


def _renew(handover: Handover, state: HandoverState, actor: Actor, **columns: Any) -> None:
    """Make everything that was given out invalid. Raises StaleRow if the row changed since it was read."""
    rows = Handover.objects.filter(pk=handover.pk, nonce=handover.nonce, state=handover.state)
    nothing = dict.fromkeys(("opened_at", "card_at", "card_expires_at", "card_expired_at", "returned_at", "done_at"))
    nothing |= dict.fromkeys(("revoked_at", "return_expires_at", "code_expires_at", "code_sent_at", "codes_since"))
    empty = {"return_hash": "", "code_nonce": "", "code_tries": 0, "codes_sent": 0}
    if move(rows, state, actor=actor, nonce=new_nonce(), **{**nothing, **empty, **columns}) != 1:
        raise StaleRow("The hand-over changed in the meantime. Look at it again.")
    store_turn(handover.request_id)
    handover.refresh_from_db()


def _note_overseen(handover: Handover, kind: EventKind, by: Person, why: str, before: str) -> None:
    """An event of whoever may redirect the hand-over, in their role."""
    person = by if isinstance(by, User) else None
    detail = {"why": why} if person else {"why": why, "who": before}
    Event.objects.note(handover.request, kind, actor=_overseer(by, handover.request), by=person, detail=detail)


def _overseer(by: Person, conn_request: ConnectionRequest) -> Actor:
    """The role of whoever redirects a hand-over: its owner may do so too."""
    if not isinstance(by, User):
        return Actor.SOURCE_OWNER
    actor = actor_of(by, conn_request)
    return Actor.SOURCE_OWNER if actor is Actor.APPROVER and not permissions.is_approver(by) else actor
