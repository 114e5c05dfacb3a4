"""What exists is asked for one by one where something hints at a change, and Fivetran's answer is what is stored."""

from collections.abc import Callable
from typing import Any

from django.db.models.functions import Now

from connections import worker
from connections.models import Connection, ConnectionRequest, EventKind
from tests import statements
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]


def created(approve: Approve, schema: str = "seen", **changes: Any) -> ConnectionRequest:
    """A request whose connection exists at the stand-in."""
    conn_request = approve(schema, **changes)
    worker.run("submit", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.connection_id
    return conn_request


def hint(conn_request: ConnectionRequest) -> None:
    """Something hinted at a change."""
    Connection.objects.filter(request=conn_request).update(check_due_at=Now())


def kinds(conn_request: ConnectionRequest) -> list[str]:
    """The kinds of events, newest first."""
    return list(conn_request.events.values_list("kind", flat=True))


def test_without_a_hint_nothing_is_asked(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    asked = conn_request.attempts.count()
    worker.run("check", conn_request.pk)
    assert conn_request.attempts.count() == asked
    assert worker.sweep()["check"] == []


def test_an_answer_is_stored_by_a_later_try_where_the_database_was_away(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    Connection.objects.update(setup_state="incomplete")
    hint(conn_request)
    with statements.before('SET "check_due_at" = NULL', statements.away) as found:
        worker.run("check", conn_request.pk)
    connection = Connection.objects.get()
    assert len(found) == 2 and (connection.setup_state, connection.check_due_at) == ("connected", None)
    assert [attempt.ending for attempt in conn_request.attempts.filter(call="status")] == ["answered"]


def test_a_hint_is_followed_once_and_a_change_is_an_event(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    Connection.objects.update(setup_state="incomplete")
    hint(conn_request)
    assert worker.sweep()["check"] == [conn_request.pk]
    worker.run("check", conn_request.pk)
    worker.run("check", conn_request.pk)
    connection = Connection.objects.get()
    assert (connection.setup_state, connection.check_due_at) == ("connected", None)
    assert kinds(conn_request).count(EventKind.SETUP_STATE_CHANGED) == 1
    assert conn_request.attempts.filter(call="status").count() == 1


def test_a_connection_that_is_gone_is_marked_and_frees_its_name(fivetran: Fivetran, approve: Approve) -> None:
    conn_request = created(approve)
    fivetran.call("connections", method="DELETE")
    hint(conn_request)
    worker.run("check", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.deleted_at_fivetran_at and kinds(conn_request)[0] == EventKind.GONE
    assert not ConnectionRequest.objects.holding(conn_request.group_id, conn_request.schema).exists()
    assert len(fivetran.posts()) == 1  # and never made again


def test_without_an_answer_it_is_asked_again_later(fivetran: Fivetran, approve: Approve, settings: Any) -> None:
    conn_request = created(approve)
    settings.PROBE_SECONDS = 30
    fivetran.next({"method": "GET", "path": "/v1/connections/*", "status": 503, "body": "<html>", "times": 3})
    hint(conn_request)
    worker.run("check", conn_request.pk)
    connection = Connection.objects.get()
    assert connection.check_due_at is not None and connection.setup_state == "connected"
    conn_request.refresh_from_db()
    assert conn_request.deleted_at_fivetran_at is None


def test_a_hint_never_makes_a_connection_of_another_account_gone(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    conn_request = created(approve)
    ConnectionRequest.objects.update(approved_account="https://api.fivetran.com another_account")
    hint(conn_request)
    worker.run("check", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.deleted_at_fivetran_at is None and worker.sweep()["check"] == []
    assert not conn_request.attempts.filter(call="status").exists()
