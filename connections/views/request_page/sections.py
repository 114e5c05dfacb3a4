"""The context of a request's page: read once for the page, and again for its live parts."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2s
from typing import Any

from django.conf import settings
from django.utils import timezone

from connections import permissions
from connections.evidence import Evidence, evidence_of, evidence_of_body
from connections.forms import SettleForm
from connections.models import BreakerReason, CircuitBreaker, Connection, ConnectionRequest, step_of
from connections.next_step import NextStep
from connections.permissions import Person
from connections.spec import drift, payloads
from connections.spec.refusals import refusal_of
from connections.states import FINAL, TESTS_OPEN, ChangeStatus, Owner, Status
from connections.views import labels
from connections.views.changes import change_labels
from connections.views.request_page import connection_facts, diagnosis, timeline
from connections.views.request_page import handover as handover_section
from connections.views.request_page import trust as trust_section
from connections.views.request_page.actions import actions, decide
from connections.views.request_page.queries import (
    SHOWN_DIGEST,
    connection_of,
    handover_of,
    is_paused,
    known_at,
    source_owner,
)

_WORKING = frozenset({Status.APPROVED, Status.CLAIMED, Status.SENDING, Status.UNKNOWN})
_PERSONS = frozenset({Status.PENDING, Status.CHANGES_REQUESTED, Status.ATTENTION})
_PAUSES = (2, 5, 15, 30, 60)  # seconds between two questions about a connection that has no data yet


@dataclass(frozen=True)
class Waiting:
    """What a request waits for, in the requester's words, and until when if that is known."""

    sentence: str
    until: datetime | None


def poll_seconds(conn_request: ConnectionRequest) -> int:
    """2 while the portal works, 5 while a person has to act, 0 when nothing more is to come."""
    connection = connection_of(conn_request)
    if conn_request.state in _WORKING or (connection is not None and connection.tests in TESTS_OPEN):
        return 2
    change = conn_request.step_change  # type: ignore[attr-defined]  # read by find()
    handover = handover_of(conn_request)
    handing_over = handover is not None and handover.is_live and not conn_request.deleted_at_fivetran_at
    if handing_over or change in (ChangeStatus.APPROVED, ChangeStatus.RUNNING):
        return 2
    return 5 if conn_request.state in _PERSONS or change else _pause_until_data(conn_request, connection)


def _pause_until_data(conn_request: ConnectionRequest, connection: Connection | None) -> int:
    # A tenth of the time since the creation: first data may take days, and nobody looks at a page that long.
    if connection is None or conn_request.deleted_at_fivetran_at or connection.first_data_at:
        return 0
    waited = (timezone.now() - conn_request.status_since).total_seconds()
    return next((pause for pause in _PAUSES if pause >= waited / 10), _PAUSES[-1])


def fingerprint(conn_request: ConnectionRequest, waiting: Waiting | None) -> str:
    """A text that changes when a live part of the page would look different, ages aside."""
    connection = connection_of(conn_request)
    marks: list[Any] = [
        conn_request.version,
        conn_request.status,
        conn_request.note,
        conn_request.deleted_at_fivetran_at,
        waiting,
    ]
    marks += [conn_request.latest_event, conn_request.latest_attempt]  # type: ignore[attr-defined]  # annotated by find()
    if connection is not None:
        marks.append(conn_request.group_told_at)  # type: ignore[attr-defined]  # annotated by find()
        marks += [connection.tests, connection.tests_next_try_at, connection.tests_note, connection.setup_state]
        marks += [connection.fivetran_status, connection.succeeded_at, connection.failed_at, connection.drift]
        marks += [
            connection.first_data_at,
            poll_seconds(conn_request),
        ]  # a longer pause reaches the page as a new look does
        marks += [is_paused(connection), connection.trust_waiting]
    if (handover := handover_of(conn_request)) is not None:
        marks += [handover.state, handover.nonce, handover.card_expires_at, handover.card_expired_at]
    return blake2s(repr(marks).encode(), digest_size=9).hexdigest()


def waiting_for(conn_request: ConnectionRequest) -> Waiting | None:
    """None while the request just runs."""
    now = timezone.now()
    if conn_request.state is Status.UNKNOWN and conn_request.next_lookup_at and conn_request.next_lookup_at > now:
        return Waiting("The portal looks again whether it exists at Fivetran", conn_request.next_lookup_at)
    if conn_request.state is not Status.APPROVED:
        return None
    breaker = CircuitBreaker.objects.filter(pk=1).first()
    if breaker is not None and breaker.paused_at:
        return Waiting(
            "An operator paused sending. The request keeps its place and goes on by itself afterwards.", None
        )
    if breaker is not None:
        ahead = breaker.not_before if breaker.not_before and breaker.not_before > now else None
        match breaker.reason:
            case BreakerReason.RATE_LIMITED if ahead:
                return Waiting("Fivetran asked us to wait. The request goes on by itself", ahead)
            case BreakerReason.AUTH:
                return Waiting(
                    "Fivetran does not accept the portal's API key. Operators can correct it; the request goes on by "
                    "itself afterwards.",
                    None,
                )
            case BreakerReason.OPEN:
                return Waiting("Fivetran gives no clear answers at the moment. The portal asks again", ahead)
    if conn_request.note:
        return Waiting(
            conn_request.note,
            conn_request.next_try_at if conn_request.next_try_at and conn_request.next_try_at > now else None,
        )
    return None


def live(user: Person, conn_request: ConnectionRequest) -> dict[str, Any]:
    waiting, connection = waiting_for(conn_request), connection_of(conn_request)
    attempts = list(conn_request.attempts.all()[: timeline.MOST])
    runs = timeline.runs_of(connection)
    setup_state = connection.setup_state if connection and not conn_request.deleted_at_fivetran_at else ""
    trust, said = trust_section.section(user, conn_request, runs), diagnosis.cards(conn_request, runs)
    step = step_of(conn_request, drifted=bool(connection and connection.drift), paused=bool(is_paused(connection)))
    return {
        "row": conn_request,
        "connection": connection,
        "facts": connection_facts.facts_of(connection),
        "known_at": known_at(conn_request),
        "place": getattr(conn_request, "batch_row", None) if permissions.sees_all_of(user, conn_request) else None,
        "setup_tone": labels.SETUP_TONES.get(setup_state, "secondary"),
        "turn": turn(user, conn_request, step),
        "next": step.sentence.format(days=settings.EXPIRE_DAYS),
        "is_paused": is_paused(connection) and not conn_request.deleted_at_fivetran_at,
        "waiting": waiting,
        "poll": min(
            filter(None, (poll_seconds(conn_request), trust_section.poll_seconds(trust), diagnosis.poll_seconds(said))),
            default=0,
        ),
        "trust": trust,
        "cards": said,
        "seen": fingerprint(conn_request, waiting),
        "shown": conn_request.digest[:SHOWN_DIGEST],
        "actions": actions(user, conn_request),
        "decide": decide(user, conn_request),
        **_for_operators(user, conn_request, step),
        "body_heading": body_heading(conn_request),
        "evidence": _shown_evidence(user, conn_request),
        "attempts": attempts,
        "runs": runs,
        "tests_open": connection is not None and connection.tests in TESTS_OPEN,
        "source_owner": source_owner(conn_request),
        "acts_on_tests": source_owner(conn_request),
        "again": "run the tests again here",
        "handover": handover_section.shown(user, conn_request),
        "lead": handover_section.lead(
            user, conn_request, busy=trust is not None or (connection is not None and connection.tests in TESTS_OPEN)
        ),
        "entries": timeline.entries(conn_request, attempts, runs),
        "changes": changes_of(conn_request) if permissions.sees_all_of(user, conn_request) else [],
        "edited": False,
        "swap": False,
        "typed": "",
        "errors": [],
        "to_form": None,
    }


def _for_operators(user: Person, conn_request: ConnectionRequest, step: NextStep) -> dict[str, Any]:
    refusal = refusal_of(conn_request.failure_code) if conn_request.state is Status.FAILED else None
    settles, hands_back = permissions.can_settle(user, conn_request), permissions.can_hand_back(user, conn_request)
    return {
        "refusal": refusal,
        "looked_at": step is NextStep.REFUSED_FOR_OPERATORS,
        "settles": settles,
        "hands_back": hands_back,
        "form": SettleForm(pk=conn_request.pk) if settles or hands_back else None,
    }


def _shown_evidence(user: Person, conn_request: ConnectionRequest) -> list[Evidence]:
    # For who sees everything: all of it while somebody has to decide, then what the request itself tells.
    if not permissions.sees_everything(user):
        return []
    decided = conn_request.state not in (Status.PENDING, Status.ATTENTION)
    return evidence_of_body(conn_request) if decided else evidence_of([conn_request], user)[conn_request.pk]


def whole(user: Person, conn_request: ConnectionRequest) -> dict[str, Any]:
    body = conn_request.payload or payloads.build_body(conn_request.values)
    return live(user, conn_request) | {
        "body": payloads.masked(body),
        "phrases": phrases_of(conn_request),
        "mine": conn_request.requester_id == user.pk,
    }


def phrases_of(conn_request: ConnectionRequest) -> list[str]:
    # Nobody knows how a connection made elsewhere was tested.
    connection = connection_of(conn_request)
    if connection is None or not connection.made_elsewhere:
        return payloads.in_words(conn_request.values)
    told = payloads.said_in_words(conn_request.values)
    own = connection.baseline.get(drift.SCHEDULE)
    return (
        [connection_facts.schedule_in_words(own), *told]
        if own and not payloads.tells_schedule(conn_request.values)
        else told
    )


def body_heading(conn_request: ConnectionRequest) -> str:
    if (connection := connection_of(conn_request)) is not None and connection.made_elsewhere:
        return "Made elsewhere: as Fivetran showed it when it was adopted"
    if not conn_request.payload:
        return "The body so far"
    if conn_request.first_sent_at:
        return "The exact body that was sent"
    if conn_request.state in FINAL:
        return "The exact body"
    return "The exact body that will be sent" + ("" if conn_request.approved_at else " if it is approved")


def turn(user: Person, conn_request: ConnectionRequest, step: NextStep) -> str:
    if _may_act(user, conn_request, step):
        return "yours"
    return {
        Owner.REQUESTER: f"{conn_request.requester}, the requester",
        Owner.SOURCE_OWNER: f"{source_owner(conn_request)}, the source owner",
        Owner.APPROVER: "an approver",
        Owner.OPERATOR: "an operator",
        Owner.PORTAL: "the portal",
        Owner.NOBODY: "nobody: it is finished",
    }[step.owner]


def _may_act(user: Person, conn_request: ConnectionRequest, step: NextStep) -> bool:
    match step:
        case NextStep.PENDING:
            return permissions.can_decide(user, conn_request)
        case NextStep.TRUST:
            return permissions.can_trust(user, conn_request)
        case NextStep.CHANGE_PENDING:
            return permissions.changes_waiting_for(user).filter(request=conn_request).exists()
    mine = step.owner is Owner.REQUESTER and conn_request.requester_id == user.pk
    return mine or (step.owner is Owner.OPERATOR and permissions.is_operator(user))


def changes_of(conn_request: ConnectionRequest) -> list[dict[str, Any]]:
    # No query where there is no change.
    if getattr(conn_request, "latest_change", None) is None:
        return []
    found = conn_request.changes.select_related("requester")[: timeline.MOST_RUNS]
    return [{"row": change, "tone": change_labels.tone(change.status)} for change in found]
