"""A call to Fivetran that is written down: an attempt before it, and afterwards its ending with what follows."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, InternalError, OperationalError
from django.db import connection as database
from django.db.models import Q
from django.db.transaction import atomic

from connections.fivetran.client import Answer
from connections.fivetran.errors import FivetranError
from connections.models import Attempt, ConnectionRequest, IllegalTransition, ended, update_one
from connections.queue import circuit_breaker

log = logging.getLogger(__name__)
T = TypeVar("T")
UNKNOWN_MARGIN = 1.1  # of the deadline of a creation: after that no sender is left, whatever became of it
PERSIST_SECONDS = 60  # how long an answer is worth keeping while the database is away; then the look-up heals it
PERSIST_PAUSE = 0.5
# The database is away, full, locked or read-only (PostgreSQL's InternalError): nobody's row is wrong.
DATABASE_DOWN = (OperationalError, InterfaceError, InternalError)


def retry_while_database_down(conn_request: ConnectionRequest, write: Callable[[], T]) -> T | None:
    """Run `write`; while the database does not answer again on fresh connections, for PERSIST_SECONDS. Returns what
    `write` returns; None where the try before was committed after all.
    """
    end = time.monotonic() + PERSIST_SECONDS
    again = False
    while True:
        try:
            if again:  # the commit that seemed to fail may have come through: then `write` finds the row moved on
                conn_request.refresh_from_db()
            return write()
        except IllegalTransition:
            if not again:
                raise
            log.info("request %s was written down by the try before", conn_request.pk)
            return None
        except DATABASE_DOWN:
            if time.monotonic() > end:
                raise
            log.warning("the database does not take the result; trying again")
            again = True
            database.close()
            time.sleep(PERSIST_PAUSE)  # a fixed pause between tries of a bounded loop


def close(attempt: Attempt, result: Answer | FivetranError) -> None:
    """Complete the attempt that was stored before the call."""
    if attempt.pk:
        update_one(Attempt, Q(pk=attempt.pk), columns=ended(result), into=attempt)
        return
    for name, value in ended(result).items():
        setattr(attempt, name, value)
    attempt.save()


def recorded(
    conn_request: ConnectionRequest,
    call: Attempt.Call,
    ask: Callable[[], Answer],
    store: Callable[[Answer | FivetranError], T],
    *,
    read: bool = False,
) -> T | None:
    """Make the call `ask`, and `store` what came of it in one transaction with the attempt. `read`: the call changes
    nothing, so one that is lost leaves no trace. Returns what `store` returns; None where an earlier try had stored it.
    """
    attempt = Attempt(request=conn_request, call=call)
    if not read:
        attempt.save()
    result: Answer | FivetranError
    try:
        result = ask()
    except FivetranError as error:
        result = error

    def write() -> T:
        # A row of a try that was rolled back is none: what only reads gets a new one.
        made = Attempt(request=conn_request, call=call) if read else attempt
        with atomic():
            if isinstance(result, FivetranError):
                circuit_breaker.record_failure(result, read=read)
            close(made, result)
            stored = store(result)
        if isinstance(result, Answer) and not read:
            circuit_breaker.record_success()
        return stored

    return retry_while_database_down(conn_request, write)
