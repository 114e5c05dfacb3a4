"""What the pages say: how a status looks, whose turn it is and what happens next, and times in words."""

from datetime import UTC, datetime, tzinfo
from enum import StrEnum

from django.conf import settings

from connections.models import ConnectionRequest, EventKind
from connections.spec.refusals import MENDED, owner_of
from connections.states import Owner, Status

# Bootstrap's colour pairs `text-bg-…-subtle`; they keep their contrast in both themes.
_TONES = {
    Status.DRAFT: "secondary",
    Status.PENDING: "warning",
    Status.CHANGES_REQUESTED: "warning",
    Status.APPROVED: "info",
    Status.CLAIMED: "info",
    Status.SENDING: "info",
    Status.UNKNOWN: "info",
    Status.ATTENTION: "danger",
    Status.CREATED: "success",
    Status.FAILED: "danger",
    Status.REJECTED: "secondary",
    Status.WITHDRAWN: "secondary",
    Status.EXPIRED: "secondary",
}

_NEXT = {
    Status.DRAFT: "Nobody has been asked yet. Submit it when it is complete.",
    Status.PENDING: "An approver looks at it next. The requester gets a mail with the decision.",
    Status.CHANGES_REQUESTED: "The requester changes what was asked for below, and submits it again.",
    Status.APPROVED: "The portal sends it to Fivetran by itself. You may close this page.",
    Status.CLAIMED: "The portal is about to send it to Fivetran. You may close this page.",
    Status.SENDING: "Fivetran is creating the connection; with setup tests this can take some minutes. "
    "You may close this page.",
    Status.UNKNOWN: "Fivetran may or may not have created this. We are checking and will not send it twice.",
    Status.ATTENTION: "The portal cannot settle this alone. The operators were told; nothing more is sent until one of "
    "them decides.",
    Status.CREATED: "The connection exists at Fivetran.",
    Status.FAILED: "Fivetran refused it and created nothing. Correct what it names, and submit a copy.",
    Status.REJECTED: "It was turned down; nothing was created. A copy can be changed and submitted.",
    Status.WITHDRAWN: "The requester took it back; nothing was created.",
    Status.EXPIRED: "Nobody acted on it for {days} days; nothing was created. A copy can be submitted.",
}

_LOOKED_AT = (
    "Fivetran refused it for a reason that is not the requester's, and created nothing. The operators were told and "
    "look at it."
)
_SETUP = {
    "connected": "The connection exists at Fivetran and is set up: it syncs as asked for.",
    "incomplete": "The connection exists at Fivetran, but its setup is incomplete: it lacks credentials or something "
    "else that the setup tests name.",
    "broken": "The connection exists at Fivetran, but it does not work yet: see the setup tests.",
}
_DRIFTED = "The connection exists at Fivetran and is set up, but not as it was approved: see “Different at Fivetran”."
_PAUSED = "The connection exists at Fivetran and is set up. It is paused: nothing syncs until it is unpaused."


class Waits(StrEnum):
    """What a connection that is not set up waits for, in a sentence."""

    CREDENTIALS = (
        "The connection exists at Fivetran and waits for its credentials, which the source owner enters there."
    )
    REVOKED = (
        "The connection exists at Fivetran without credentials: the hand-over was revoked. It can be handed over again."
    )
    AGAIN = (
        "The connection exists at Fivetran, but does not work with the credentials that were handed over: see the "
        "setup tests. It can be handed over again."
    )
    TRUST = "The connection exists at Fivetran, but its source is not trusted yet: see “To be trusted”."
    TELLING = "The connection exists at Fivetran. What its source showed is approved; the tests run again."


UNKNOWN_NAME = (
    "Where nobody in this portal has that name, or a mail address, the person who asked for the connection gets it."
)
TURNS = {
    Waits.CREDENTIALS: Owner.SOURCE_OWNER,
    Waits.REVOKED: Owner.REQUESTER,
    Waits.AGAIN: Owner.REQUESTER,
    Waits.TRUST: Owner.APPROVER,
    Waits.TELLING: Owner.PORTAL,
}
SETUP_TONES = {"connected": "success", "incomplete": "warning", "broken": "danger"}

# What the timeline calls an event that moved nothing, and its tone.
EVENTS: dict[EventKind, tuple[str, str]] = {
    EventKind.TESTS_REQUESTED: ("Setup tests asked for", "secondary"),
    EventKind.TESTS_STORED: ("Setup tests finished", "secondary"),
    EventKind.HANDOVER_SENT: ("Source owner asked for the credentials", "info"),
    EventKind.HANDOVER_OPENED: ("Hand-over opened", "info"),
    EventKind.CARD_ISSUED: ("Connect Card issued", "info"),
    EventKind.CARD_EXPIRED: ("Connect Card expired unused", "warning"),
    EventKind.HANDOVER_RETURNED: ("Back from Fivetran's Connect Card", "info"),
    EventKind.HANDOVER_PASSED_ON: ("Hand-over given to somebody else", "info"),
    EventKind.HANDOVER_REMINDED: ("Source owner reminded", "secondary"),
    EventKind.HANDOVER_REVOKED: ("Hand-over revoked", "warning"),
    EventKind.HANDOVER_DONE: ("Credentials handed over", "success"),
    EventKind.TRUST_APPROVED: ("Trust approved", "info"),
    EventKind.TRUST_SENT: ("Trust told to Fivetran", "success"),
    EventKind.TRUST_REFUSED: ("Trust not confirmed by Fivetran", "danger"),
    EventKind.SETUP_STATE_CHANGED: ("Setup state changed at Fivetran", "secondary"),
    EventKind.FIRST_DATA: ("First data arrived", "success"),
    EventKind.DRIFT_FOUND: ("Changed at Fivetran, outside the portal", "warning"),
    EventKind.GONE: ("No longer at Fivetran", "danger"),
    EventKind.CHANGE_ASKED: ("Change asked for", "info"),
    EventKind.CHANGE_APPROVED: ("Change approved", "info"),
    EventKind.CHANGE_STARTED: ("Change on its way to Fivetran", "info"),
    EventKind.CHANGE_WAITS: ("Change back in the queue", "secondary"),
    EventKind.CHANGE_REJECTED: ("Change rejected", "secondary"),
    EventKind.CHANGE_WITHDRAWN: ("Change withdrawn", "secondary"),
    EventKind.CHANGE_EXPIRED: ("Change expired", "secondary"),
    EventKind.CHANGE_APPLIED: ("Change made at Fivetran", "success"),
    EventKind.CHANGE_FAILED: ("Change not made", "danger"),
    EventKind.REFUSAL_MENDED: ("Cause of the refusal mended", "info"),
}

_TEST_TONES = {"PASSED": "success", "SKIPPED": "secondary", "WARNING": "warning", "FAILED": "danger"}
FAILED_TESTS = frozenset({"FAILED", "JOB_FAILED"})

MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STEPS = ((3600, 60, "minute"), (86400, 3600, "hour"), (30 * 86400, 86400, "day"))


def tone(status: str) -> str:
    """The colour of a status label, as Bootstrap names it."""
    return _TONES.get(Status(status), "secondary")


def test_tone(status: str) -> str:
    """The colour of a setup test's status; one that is new to us looks neutral."""
    return "danger" if status in FAILED_TESTS else _TEST_TONES.get(status, "info")


def whose_turn(status: str, setup_state: str | None = None, waits: Waits | None = None, failure_code: str = "") -> str:
    """The role whose turn it is; a created connection waits for the source owner until it is set up.

    `waits`: what else is known about that. A certificate or key to be trusted comes before everything. What Fivetran
    refused is the turn of whom the code names.
    """
    owner = owner_of(status, failure_code)
    if status == Status.CREATED and (waits is Waits.TRUST or setup_state in ("incomplete", "broken")):
        owner = TURNS[waits or Waits.CREDENTIALS]
    return owner.value


def next_sentence(
    request: ConnectionRequest,
    setup_state: str = "",
    *,
    drifted: bool = False,
    paused: bool = False,
    waits: Waits | None = None,
) -> str:
    """One sentence: where the request stands and what happens next."""
    if request.state is Status.CREATED:
        if request.gone_at:
            return "The connection was created, and is no longer there at Fivetran."
        if waits:
            return waits
        if drifted and setup_state == "connected":
            return _DRIFTED
        if paused and setup_state == "connected":
            return _PAUSED
        return _SETUP.get(setup_state, _NEXT[Status.CREATED])
    if request.state is Status.FAILED and owner_of(request.status, request.failure_code) is Owner.OPERATOR:
        return _LOOKED_AT
    if request.failure_code == MENDED:
        return "An operator mended what Fivetran refused it for. Nothing was created: submit a copy."
    return _NEXT[request.state].format(days=settings.EXPIRE_DAYS)


def relative(moment: datetime, now: datetime) -> str:
    """`moment` as seen from `now`, up to a month: "just now", "5 minutes ago", "in 2 hours"; else the date in UTC."""
    seconds = (now - moment).total_seconds()
    distance = abs(seconds)
    if distance < 60:
        return "just now" if seconds >= 0 else "in less than a minute"
    for limit, size, unit in _STEPS:
        if distance < limit:
            count = int(distance // size)
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{words} ago" if seconds >= 0 else f"in {words}"
    day = moment.astimezone(UTC)
    return f"{day.day} {MONTHS[day.month]} {day.year}"


def exact(moment: datetime, zone: tzinfo) -> str:
    """`moment` in full with its zone named: "14 Nov 2026, 14:05 CET"."""
    there = moment.astimezone(zone)
    return f"{there.day} {MONTHS[there.month]} {there.year}, {there.hour:02d}:{there.minute:02d} {there.tzname()}"
