"""Words and colours of the pages: statuses, events, tests, and times."""

from datetime import UTC, datetime, tzinfo

from django.utils.html import format_html
from django.utils.safestring import SafeString

from connections.models import EventKind
from connections.states import Status

# Bootstrap's colour pairs `text-bg-…-subtle`; they keep their contrast in both themes.
_TONES = {
    Status.PENDING: "warning",
    Status.CHANGES_REQUESTED: "warning",
    Status.APPROVED: "info",
    Status.CLAIMED: "info",
    Status.SENDING: "info",
    Status.UNKNOWN: "info",
    Status.ATTENTION: "danger",
    Status.CREATED: "success",
    Status.FAILED: "danger",
}

UNKNOWN_NAME = (
    "Where nobody in this portal has that name, or a mail address, the person who asked for the connection gets it."
)
GONE = "no longer at Fivetran"
SETUP_TONES = {"connected": "success", "incomplete": "warning", "broken": "danger"}

# What the timeline calls an event that moved nothing, and its tone.
EVENTS: dict[EventKind, tuple[str, str]] = {
    EventKind.TESTS_REQUESTED: ("Setup tests asked for", "secondary"),
    EventKind.TESTS_STORED: ("Setup tests finished", "secondary"),
    EventKind.DRY_RUN_ASKED: ("Request tested", "secondary"),
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
    EventKind.EDITED: ("Edited", "secondary"),
    EventKind.REASSIGNED: ("Handed to somebody else", "warning"),
    EventKind.SHARED: ("Draft shared", "secondary"),
    EventKind.UNSHARED: ("Draft no longer shared", "secondary"),
    EventKind.MAIL_TRIED_AGAIN: ("Mail tried again", "secondary"),
    EventKind.LOGGED_IN: ("Logged in", "secondary"),
    EventKind.LOG_IN_REFUSED: ("Log-in refused", "warning"),
    EventKind.LOGGED_OUT: ("Logged out", "secondary"),
    EventKind.SECOND_FACTOR_CHANGED: ("Second factor changed", "info"),
    EventKind.ACCOUNT_CHANGED: ("Account changed", "info"),
    EventKind.SENDING_PAUSED: ("Sending paused", "warning"),
    EventKind.SENDING_RESUMED: ("Sending resumed", "info"),
    EventKind.WORK_PAUSED: ("Kind of work paused", "warning"),
    EventKind.WORK_RESUMED: ("Kind of work resumed", "info"),
    EventKind.CATALOG_ASKED_FOR: ("Services and destinations asked for anew", "secondary"),
    EventKind.EXPORTED: ("Exported", "info"),
    EventKind.RULE_CHANGED: ("Rule changed", "info"),
    EventKind.POLICY_CHANGED: ("Policy changed", "info"),
    EventKind.RIGHTS_CHANGED: ("Rights changed", "warning"),
    EventKind.ERASED: ("Personal fields erased", "warning"),
}

_TEST_TONES = {"PASSED": "success", "SKIPPED": "secondary", "WARNING": "warning", "FAILED": "danger"}
FAILED_TESTS = frozenset({"FAILED", "JOB_FAILED"})

MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STEPS = ((3600, 60, "minute"), (86400, 3600, "hour"), (30 * 86400, 86400, "day"))


def tone(status: str) -> str:
    """The colour's name in Bootstrap."""
    return _TONES.get(Status(status), "secondary")


def tag(tone: str, words: str) -> SafeString:
    return format_html('<span class="tag tag-{}">{}</span>', tone, words)


def status_tag(status: str) -> SafeString:
    label = '<span class="tag tag-{}" data-status="{}">{}</span>'
    return format_html(label, tone(status), status, Status(status).label)


def state_tags(status: str, setup_state: str | None) -> SafeString:
    """The status, and what else of the connection asks for a look; GONE is a setup state here."""
    if setup_state in (None, "", "connected"):
        return status_tag(status)
    return format_html("{} {}", status_tag(status), tag("danger" if setup_state == GONE else "warning", setup_state))


def test_tone(status: str) -> str:
    # A status that the portal does not know yet looks neutral.
    return "danger" if status in FAILED_TESTS else _TEST_TONES.get(status, "info")


def relative(moment: datetime, now: datetime) -> str:
    """As "just now", "5 minutes ago" or "in 2 hours"; beyond a month the date in UTC."""
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


def since(moment: datetime, now: datetime) -> str:
    """As "just now", "for 2 hours" or "since 14 Nov 2026"."""
    words = relative(moment, now)
    if words.endswith(" ago"):
        return f"for {words.removesuffix(' ago')}"
    return f"since {words}" if words[:1].isdigit() else words


def exact(moment: datetime, zone: tzinfo) -> str:
    """As "14 Nov 2026, 14:05 CET"."""
    there = moment.astimezone(zone)
    return f"{there.day} {MONTHS[there.month]} {there.year}, {there.hour:02d}:{there.minute:02d} {there.tzname()}"


def duration(milliseconds: int | None) -> str:
    """As "340 ms", "12.4 s" or "3 min 20 s"; a dash where it is not known."""
    if milliseconds is None:
        return "—"
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
