"""The checks of what would be sent: its settings, the calls that are left, the body, the answer of the sandbox."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from django.conf import settings
from django.utils import timezone

from connections import limits
from connections.dry_run.findings import Said, Subject, result, sentence, unread
from connections.dry_run.reads import Read
from connections.dry_run.shown import spelled
from connections.fivetran.errors import RateLimited, clean
from connections.models import BreakerReason, CircuitBreaker, ConnectionRequest, Pace
from connections.models.circuit_breaker import RATE_WINDOW
from connections.queue import circuit_breaker, rate_budget
from connections.queue.job import Needs
from connections.spec import payloads
from connections.spec.dry_run import BAD, Check, CheckState, Result
from connections.states import FINAL, Owner

PASSED, WARNING, FAILED = CheckState.PASSED, CheckState.WARNING, CheckState.FAILED
NOT_POSSIBLE = CheckState.NOT_POSSIBLE
SANDBOX = "sandbox"  # the read of what it would answer
WAITS = "Fivetran asked the portal to wait, so nothing was asked."
AGAIN = (408, 425, 429)  # that say "later"
# What a person would type into a client; the key's place is held by a mask.
HEADERS = {
    "Authorization": f"Basic {payloads.MASK}",
    "Accept": "application/json;version=2",
    "Content-Type": "application/json",
}


# --- config -----------------------------------------------------------------------------------------------------------
def config(subject: Subject) -> Result:
    read = subject.done.get("metadata")
    return result(Check.CONFIG, [*_config(subject, read), *subject.of_form(Check.CONFIG)])


def _config(subject: Subject, read: Read | None) -> Iterator[Said]:
    named = len(payloads.config_of(subject.judged.body))
    if read is None:
        yield Said(NOT_POSSIBLE, "Without a service there are no settings to look at.")
    elif read.is_answered and not subject.judged.is_live:
        yield Said(NOT_POSSIBLE, "Fivetran's answer tells no settings that could be compared with these.")
    elif read.is_answered:
        words = "1 setting fits" if named == 1 else f"{named} settings fit"
        yield Said(PASSED, f"{words} what Fivetran tells of this service now. No secret is among them.")
    else:
        yield unread(read, "what the service takes")


# --- budget -----------------------------------------------------------------------------------------------------------
def why_not_called(subject: Subject) -> str:
    """Why nothing may be asked just now, in a sentence; empty where it may."""
    breaker = subject.breaker
    if breaker.paused_at is not None:
        return "An operator paused all calls to Fivetran, so nothing was asked."
    if breaker.pace is not Pace.FREE:
        return "What is left of Fivetran's limit is kept for creations, so nothing was asked."
    match breaker.reason:
        case BreakerReason.RATE_LIMITED if not circuit_breaker.allows(Needs.READING):
            until = f" until {breaker.not_before.astimezone(UTC):%H:%M:%S} UTC" if breaker.not_before else ""
            return f"Fivetran asked the portal to wait{until}, so nothing was asked."
        case BreakerReason.AUTH:
            return "Fivetran does not accept the portal's key at the moment, so nothing was asked."
        case BreakerReason.OPEN:
            return "Fivetran gives no clear answers at the moment, so nothing was asked."
    return ""


def budget(subject: Subject) -> Result:
    return result(Check.BUDGET, [_budget(subject)])


def _budget(subject: Subject) -> Said:
    breaker = subject.breaker
    if breaker.paused_at is not None:
        return Said(
            WARNING, "An operator paused all calls. What is approved waits, and goes on by itself.", Owner.OPERATOR
        )
    if breaker.reason == BreakerReason.AUTH:
        return Said(FAILED, "Fivetran does not accept the portal's key. Nothing is sent until it does.", Owner.OPERATOR)
    if breaker.reason == BreakerReason.OPEN:
        return Said(WARNING, "Fivetran gives no clear answers. The portal asks again by itself, and sends afterwards.")
    waits = any(isinstance(read.error, RateLimited) for name, read in subject.done.items() if name != SANDBOX)
    if waits or breaker.pace is Pace.LOOK_UPS or (breaker.pace is Pace.FREE and why_not_called(subject)):
        return Said(WARNING, "Fivetran's limit is used up for the moment. The portal waits, and goes on by itself.")
    left = _left(breaker)
    if breaker.pace is Pace.SPREAD or not rate_budget.permits(1):
        return Said(PASSED, f"Calls go through, spread over time: a creation may wait a little.{left}")
    return Said(PASSED, f"Calls go through, and a creation could go now.{left}")


def _left(breaker: CircuitBreaker) -> str:
    # What was read longer ago than the limit's hour says nothing any more.
    told, at = breaker.rate_remaining, breaker.rate_read_at
    if told is None or at is None or abs(timezone.now() - at) >= RATE_WINDOW:
        return ""
    return f" Fivetran allows {told:,} more calls this hour."


# --- request ----------------------------------------------------------------------------------------------------------
def request(subject: Subject) -> Result:
    judged = subject.judged
    said = [*_size(judged.body), *subject.of_form(Check.REQUEST)]
    others = sum(len(words) for check, words in judged.errors.items() if check is not Check.REQUEST)
    if not judged.body:
        said.append(Said(NOT_POSSIBLE, "Nothing is filled in yet."))
    words = what_becomes_of(subject.row)
    noted = f", after what is named above is mended ({others})" if others else ""
    said.append(Said(PASSED, f"{words}{noted}."))
    found = result(Check.REQUEST, said)
    sent = {
        "method": "POST",
        "address": f"{settings.FIVETRAN_BASE_URL}/v1/connections",
        "headers": HEADERS,
        "body": spelled(judged.body, judged.config),
    }
    return Result(found.check, found.state, found.sentences, found.acts, (sent,))


def what_becomes_of(conn_request: ConnectionRequest) -> str:
    if conn_request.first_sent_at:
        return "This is what was sent"
    if conn_request.connection_id:
        return "It was made elsewhere, so the portal sends nothing"
    if conn_request.payload and conn_request.state in FINAL:
        return "The request has ended, so this is not sent"
    if conn_request.approved_at:
        return "This is what will be sent"
    return f"This is what would be sent once it is {'' if conn_request.payload else 'submitted and '}approved"


def _size(body: Mapping[str, Any]) -> Iterator[Said]:
    try:
        limits.check_size(payloads.canonical(body))
    except limits.TooLarge as large:
        yield Said(FAILED, sentence(str(large)), Owner.REQUESTER)


# --- sandbox ----------------------------------------------------------------------------------------------------------
def sandbox(subject: Subject) -> Result:
    read = subject.done.get(SANDBOX)
    return result(Check.SANDBOX, [_sandbox(subject, read)], read, known=subject.judged.config)


def _sandbox(subject: Subject, read: Read | None) -> Said:
    if subject.row.connection_id:
        return Said(NOT_POSSIBLE, "The connection exists already, so a second one of its name would be refused.")
    if read is None:
        words = "Only the sandbox can say what it would answer. Fivetran itself is never asked to create anything here."
        return Said(NOT_POSSIBLE, words)
    if not read.is_answered:
        return unread(read, "the sandbox's answer")
    status, body = read.data["status"], read.data["body"]
    if status in (200, 201):
        return _created(body)
    words = f"The sandbox would answer {status}: {_message(body)}"
    if status in AGAIN or not 400 <= status < 500:
        return Said(WARNING, f"{words} The portal would wait, and look again.", Owner.NOBODY)
    # The same flaw twice would look like two.
    if any(one.state in BAD for one in subject.results.values()):
        return Said(NOT_POSSIBLE, f"{words} Mend what is named above, then test again.")
    return Said(FAILED, words, Owner.OPERATOR if status in (401, 403) else Owner.REQUESTER)


def _message(body: object) -> str:
    told = body.get("message") if isinstance(body, Mapping) else body
    return sentence(clean(told, 300) or "nothing that says why")


def _created(body: object) -> Said:
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, Mapping):
        return Said(WARNING, "It would be created, with an answer that the portal cannot use.", Owner.OPERATOR)
    return _foretold(data)


def _foretold(data: Mapping[str, Any]) -> Said:
    told = data.get("setup_tests")
    tests = [one for one in told if isinstance(one, Mapping)] if isinstance(told, list) else []
    failing = [str(one.get("title"))[:80] for one in tests if one.get("status") in ("FAILED", "JOB_FAILED")]
    if failing:
        words = f"It would be created, and these setup tests would fail: {', '.join(failing[:5])}."
        return Said(WARNING, words, Owner.SOURCE_OWNER)
    return Said(PASSED, f"It would be created{', and its setup tests would pass' if tests else ''}.")
