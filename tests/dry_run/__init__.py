"""Testing requests before they are sent: what is asked for here, and what came of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from connections import worker, workflow
from connections.models import ConnectionRequest, DryRun
from connections.spec.dry_run import Check, CheckState, Result
from connections.states import Owner
from tests import factories

PASSED, WARNING, FAILED = CheckState.PASSED, CheckState.WARNING, CheckState.FAILED
NOT_POSSIBLE = CheckState.NOT_POSSIBLE
FORBIDDEN = {"status": 403, "body": {"code": "Forbidden", "message": "No"}}
SLOW = {"headers": {"Retry-After": "60"}, "body": {"code": "RateLimit", "message": "Slow down"}}
AWAY = {"status": 404, "body": {"code": "NotFound", "message": "No"}}


def postgres(**changes: Any) -> dict[str, Any]:
    """A filled postgres form, for `factories`, with the credentials left to the source owner."""
    filled = {
        "service": "postgres",
        "group_id": "amber_harbor",
        "config__schema": None,
        "config__table": None,
        "config__schema_prefix": "orders_db",
        "config__host": "db.example.com",
        "config__port": 5432,
        "config__database": "orders",
        "config__user": "fivetran",
        "config__update_method": "QUERY_BASED",
        "use_connect_card": True,
        "connect_card_config.redirect_uri": "http://localhost/handover/return/",
    }
    return {**filled, **changes}


def dry_run_of(conn_request: ConnectionRequest, by: User | None = None) -> dict[Check, Result]:
    """What a dry run of the request tells now."""
    conn_request = ConnectionRequest.objects.get(pk=conn_request.pk)
    workflow.ask_for_dry_run(by=by or conn_request.requester, conn_request=conn_request)
    worker.run("dry_run", conn_request.pk)
    run = DryRun.objects.get(request=conn_request)
    assert not run.is_running and run.finished_at is not None
    return {one.check: one for one in run.results}


def states(found: dict[Check, Result]) -> dict[str, str]:
    """Without those that passed."""
    return {one.check.value: one.state.value for one in found.values() if one.state is not PASSED}


def draft(by: User | None = None, **changes: Any) -> ConnectionRequest:
    """A draft of the filled postgres form."""
    return factories.draft(by, **postgres(**changes))


@contextmanager
def working(conn_request: ConnectionRequest) -> Iterator[None]:
    """A worker makes the dry run beside the test, and has ended after it."""

    def work() -> None:
        try:
            worker.run("dry_run", conn_request.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(20)
        assert not thread.is_alive()


def answer(path: str, data: object = None, **more: Any) -> dict[str, Any]:
    """The next answers to a read of `path`, those to its repetitions too."""
    body = {"body": {"code": "Success", "message": "", "data": data}} if data is not None else {}
    return {"method": "GET", "path": path, "times": 3, "status": 200, **body, **more}


def told(found: Result, state: CheckState, *words: str, acts: Owner = Owner.NOBODY) -> None:
    """`found` is in this state, says these words, and leaves it to `acts`."""
    said = " ".join(found.sentences)
    assert (found.state, found.acts) == (state, acts), said
    for one in words:
        assert one in said, said
