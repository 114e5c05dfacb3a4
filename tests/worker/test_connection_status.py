"""What exists is asked for one by one where something hints at a change, and Fivetran's answer is what is stored."""

from collections.abc import Callable
from typing import Any

from django.db.models.functions import Now

from connections import worker
from connections.models import Connection, ConnectionRequest, EventKind
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]


def created(approve: Approve, schema: str = "seen", **changes: Any) -> ConnectionRequest:
    """A request whose connection exists at the stand-in."""
    request = approve(schema, **changes)
    worker.submit(request.pk)
    request.refresh_from_db()
    assert request.connection_id
    return request


def hint(request: ConnectionRequest) -> None:
    """Something hinted at a change."""
    Connection.objects.filter(request=request).update(check_due_at=Now())


def kinds(request: ConnectionRequest) -> list[str]:
    """The kinds of events, newest first."""
    return list(request.events.values_list("kind", flat=True))


def test_without_a_hint_nothing_is_asked(fivetran: Fivetran, approve: Approve) -> None:
    request = created(approve)
    asked = request.attempts.count()
    worker.check(request.pk)
    assert request.attempts.count() == asked
    assert worker.sweep().check == []


def test_a_hint_is_followed_once_and_a_change_is_an_event(fivetran: Fivetran, approve: Approve) -> None:
    request = created(approve)
    Connection.objects.update(setup_state="incomplete")
    hint(request)
    assert worker.sweep().check == [request.pk]
    worker.check(request.pk)
    worker.check(request.pk)
    connection = Connection.objects.get()
    assert (connection.setup_state, connection.check_due_at) == ("connected", None)
    assert kinds(request).count(EventKind.SETUP_STATE_CHANGED) == 1
    assert request.attempts.filter(call="status").count() == 1


def test_a_connection_that_is_gone_is_marked_and_frees_its_name(fivetran: Fivetran, approve: Approve) -> None:
    request = created(approve)
    fivetran.call("connections", method="DELETE")
    hint(request)
    worker.check(request.pk)
    request.refresh_from_db()
    assert request.deleted_at_fivetran_at and kinds(request)[0] == EventKind.GONE
    assert not ConnectionRequest.objects.holding(request.group_id, request.schema).exists()
    assert len(fivetran.posts()) == 1  # and never made again


def test_without_an_answer_it_is_asked_again_later(fivetran: Fivetran, approve: Approve, settings: Any) -> None:
    request = created(approve)
    settings.PROBE_SECONDS = 30
    fivetran.next({"method": "GET", "path": "/v1/connections/*", "status": 503, "body": "<html>", "times": 3})
    hint(request)
    worker.check(request.pk)
    connection = Connection.objects.get()
    assert connection.check_due_at is not None and connection.setup_state == "connected"
    request.refresh_from_db()
    assert request.deleted_at_fivetran_at is None


def test_a_hint_never_makes_a_connection_of_another_account_gone(
    fivetran: Fivetran, approve: Approve, settings: Any
) -> None:
    request = created(approve)
    ConnectionRequest.objects.update(approved_account="https://api.fivetran.com another_account")
    hint(request)
    worker.check(request.pk)
    request.refresh_from_db()
    assert request.deleted_at_fivetran_at is None and worker.sweep().check == []
    assert not request.attempts.filter(call="status").exists()
