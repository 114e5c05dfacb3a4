"""Looking at connections that exist: what Fivetran says of them is the truth, whatever anybody hinted."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from connections.fivetran import configured
from connections.fivetran.client import Answer
from connections.fivetran.errors import FivetranError, Refused
from connections.models import (
    Attempt,
    Connection,
    ConnectionRequest,
    Event,
    EventKind,
    SetupTestsState,
    status_columns,
)
from connections.provisioning import gate, handovers, outcome
from connections.states import Actor, Status

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=120)  # longer than a GET with its repetitions; a check that died is then due again


def due() -> QuerySet[Connection]:
    """The connections that Fivetran is to be asked for now, those that wait longest first."""
    existing = Connection.objects.filter(request__status=Status.CREATED, request__gone_at=None)
    return existing.filter(check_due_at__lte=Now()).order_by("check_due_at")


def check(request_id: int) -> bool:
    """Ask Fivetran for the connection of this request if that is due and nobody else is asking (GET, repeatable).

    Returns whether its setup tests are due now, which the answer may have led to.
    """
    if not isinstance(request_id, int) or not gate.is_open():
        return False
    connection = due().filter(request_id=request_id).select_related("request").first()
    if connection is None:
        return False
    mine = Connection.objects.filter(pk=connection.pk, check_due_at__lte=Now())
    if mine.update(check_due_at=Now() + LEASE) != 1:
        return False
    request = connection.request
    attempt = Attempt(request=request, call=Attempt.Call.STATUS)
    try:
        answer = configured.client().get_connection(str(request.connection_id))
    except FivetranError as error:
        outcome.persist(request, partial(_unanswered, connection, attempt, error))
    else:
        outcome.persist(request, partial(_answered, connection, attempt, answer))
    return Connection.objects.filter(pk=connection.pk, tests=SetupTestsState.DUE, tests_next_try_at__lte=Now()).exists()


def seen(connection: Connection, data: Mapping[str, Any]) -> None:
    """Store what Fivetran says of the connection, with an event where its setup state changed; in a transaction."""
    before = Connection.objects.values_list("setup_state", flat=True).get(pk=connection.pk)
    columns = status_columns(data)
    Connection.objects.filter(pk=connection.pk).update(seen_at=Now(), **columns)
    now = columns["setup_state"]
    if now != before:
        why = f"{before or 'not known'} → {now or 'not known'}"
        Event.objects.note(
            connection.request, EventKind.SETUP_STATE_CHANGED, actor=Actor.RECONCILER, detail={"why": why}
        )
    handovers.conclude(connection, now)


def gone(request: ConnectionRequest) -> None:
    """Fivetran knows the connection no longer: mark it; its history stays and its name is free. In a transaction."""
    if ConnectionRequest.objects.filter(pk=request.pk, gone_at=None).update(gone_at=Now()) == 1:
        Event.objects.note(request, EventKind.GONE, actor=Actor.RECONCILER)


def _claimed(connection: Connection) -> QuerySet[Connection]:
    """The row while it is as the claim left it: a hint that came meanwhile made it due at once, and it stays so."""
    return Connection.objects.filter(pk=connection.pk, check_due_at__gt=Now())


def _answered(connection: Connection, attempt: Attempt, answer: Answer) -> None:
    with outcome.atomic():
        outcome.close(attempt, answer)
        _claimed(connection).update(check_due_at=None)
        seen(connection, answer.data)
    gate.note_answer()


def _unanswered(connection: Connection, attempt: Attempt, error: FivetranError) -> None:
    """Gone where Fivetran says so; else ask again later, but after a refusal, which stays one."""
    gate.note_error(error)
    refused = isinstance(error, Refused)
    with outcome.atomic():
        outcome.close(attempt, error)
        _claimed(connection).update(check_due_at=None if refused else Now() + timedelta(seconds=settings.PROBE_SECONDS))
        if refused and error.status == 404 and error.code.startswith("NotFound"):
            gone(connection.request)
