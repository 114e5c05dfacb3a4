"""Why a request waits, how often its open page asks for news, and what counts as news."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2s
from typing import Any

from django.utils import timezone

from connections.models import BreakerReason, Connection, ConnectionRequest
from connections.next_step import change_step, next_step
from connections.states import LIVE, TESTS_OPEN, Owner, Status
from connections.views.request_page.queries import connection_of, handover_of

WHILE_THE_PORTAL_WORKS, WHILE_A_PERSON_ACTS = 2, 5  # seconds
_PAUSES = (2, 5, 15, 30, 60)  # seconds between two questions about a connection that has no data yet


def pause_for(owner: Owner) -> int:
    """Seconds until an open page asks again while it is the turn of `owner`; 0 where nothing more is to come."""
    if owner is Owner.NOBODY:
        return 0
    return WHILE_THE_PORTAL_WORKS if owner is Owner.PORTAL else WHILE_A_PERSON_ACTS


def poll_seconds(conn_request: ConnectionRequest) -> int:
    """The shortest pause that anything of the request asks for, 0 when nothing more is to come."""
    connection, handover = connection_of(conn_request), handover_of(conn_request)
    if conn_request.state in LIVE:
        return pause_for(next_step(conn_request.status).owner)
    if connection is not None and connection.tests in TESTS_OPEN:
        return WHILE_THE_PORTAL_WORKS
    # The source owner's steps follow each other closely while a Connect Card is open.
    if handover is not None and handover.is_live and not conn_request.deleted_at_fivetran_at:
        return WHILE_THE_PORTAL_WORKS
    if change := conn_request.step_change:  # type: ignore[attr-defined]  # read by find()
        return pause_for(change_step(change).owner)
    return pause_until_data(conn_request, connection)


def pause_until_data(conn_request: ConnectionRequest, connection: Connection | None) -> int:
    # A tenth of the time since the creation: first data may take days, and nobody looks at a page that long.
    if connection is None or conn_request.deleted_at_fivetran_at or connection.first_data_at:
        return 0
    waited = (timezone.now() - conn_request.status_since).total_seconds()
    return next((pause for pause in _PAUSES if pause >= waited / 10), _PAUSES[-1])


def fingerprint(conn_request: ConnectionRequest, waiting: "Waiting | None") -> str:
    """A text that changes when a live part of the page would look different, ages aside."""
    connection, tested = connection_of(conn_request), getattr(conn_request, "dry_run", None)
    marks: list[Any] = [conn_request.version, conn_request.status, conn_request.note]
    marks += [conn_request.deleted_at_fivetran_at, waiting]
    marks.append(tested and (tested.asked_at, tested.finished_at, tested.is_running))
    marks += [conn_request.latest_event, conn_request.latest_attempt]  # type: ignore[attr-defined]  # annotated by find()
    if connection is not None:
        marks.append(conn_request.group_told_at)  # type: ignore[attr-defined]  # annotated by find()
        marks += [connection.tests, connection.tests_next_try_at, connection.tests_note, connection.setup_state]
        marks += [connection.fivetran_status, connection.succeeded_at, connection.failed_at, connection.drift]
        marks.append(connection.syncs)
        marks += [connection.first_data_at, connection.is_paused, connection.trust_waiting]
        marks.append(poll_seconds(conn_request))  # a longer pause reaches the page as a new look does
    if (handover := handover_of(conn_request)) is not None:
        marks += [handover.state, handover.nonce, handover.card_expires_at, handover.card_expired_at]
    return blake2s(repr(marks).encode(), digest_size=9).hexdigest()


# --- why it waits ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Waiting:
    """What a request waits for, in the requester's words, and until when if that is known."""

    sentence: str
    until: datetime | None = None


_PAUSED = Waiting("An operator paused sending. The request keeps its place and goes on by itself afterwards.")
_KEY_REFUSED = Waiting(
    "Fivetran does not accept the portal's API key. Operators can correct it; the request goes on by itself afterwards."
)


def waiting_for(conn_request: ConnectionRequest) -> Waiting | None:
    """None while the request just runs."""
    lookup_at = ahead(conn_request.next_lookup_at)
    if conn_request.state is Status.UNKNOWN and lookup_at:
        return Waiting("The portal looks again whether it exists at Fivetran", lookup_at)
    if conn_request.state is not Status.APPROVED:
        return None
    if held_back := _held_back(conn_request):
        return held_back
    return Waiting(conn_request.note, ahead(conn_request.next_try_at)) if conn_request.note else None


def _held_back(conn_request: ConnectionRequest) -> Waiting | None:
    """By the circuit breaker, as `queries.find` has read it."""
    if conn_request.breaker_paused_at or "submit" in (conn_request.breaker_paused_jobs or ()):  # type: ignore[attr-defined]
        return _PAUSED
    until = ahead(conn_request.breaker_not_before)  # type: ignore[attr-defined]
    match conn_request.breaker_reason:  # type: ignore[attr-defined]
        case BreakerReason.RATE_LIMITED if until:
            return Waiting("Fivetran asked us to wait. The request goes on by itself", until)
        case BreakerReason.AUTH:
            return _KEY_REFUSED
        case BreakerReason.OPEN:
            return Waiting("Fivetran gives no clear answers at the moment. The portal asks again", until)
    return None


def ahead(moment: datetime | None) -> datetime | None:
    return moment if moment and moment > timezone.now() else None
