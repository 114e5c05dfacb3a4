"""How often an open page asks for news, and what counts as news."""

from hashlib import blake2s
from typing import Any

from django.utils import timezone

from connections.models import Connection, ConnectionRequest
from connections.next_step import change_step, next_step
from connections.states import LIVE, TESTS_OPEN, Owner
from connections.views.request_page.queries import connection_of, handover_of, is_paused
from connections.views.request_page.waiting import Waiting

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


def fingerprint(conn_request: ConnectionRequest, waiting: Waiting | None) -> str:
    """A text that changes when a live part of the page would look different, ages aside."""
    connection = connection_of(conn_request)
    marks: list[Any] = [conn_request.version, conn_request.status, conn_request.note]
    marks += [conn_request.deleted_at_fivetran_at, waiting]
    marks += [conn_request.latest_event, conn_request.latest_attempt]  # type: ignore[attr-defined]  # annotated by find()
    if connection is not None:
        marks.append(conn_request.group_told_at)  # type: ignore[attr-defined]  # annotated by find()
        marks += [connection.tests, connection.tests_next_try_at, connection.tests_note, connection.setup_state]
        marks += [connection.fivetran_status, connection.succeeded_at, connection.failed_at, connection.drift]
        marks.append(connection.syncs)
        marks += [connection.first_data_at, is_paused(connection), connection.trust_waiting]
        marks.append(poll_seconds(conn_request))  # a longer pause reaches the page as a new look does
    if (handover := handover_of(conn_request)) is not None:
        marks += [handover.state, handover.nonce, handover.card_expires_at, handover.card_expired_at]
    return blake2s(repr(marks).encode(), digest_size=9).hexdigest()
