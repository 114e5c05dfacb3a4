"""What the database itself refuses, whoever writes and by whatever route: plain UPDATEs past all code of ours."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from connections.models import ConnectionRequest, Event, EventKind, transition
from connections.spec import payloads
from connections.states import DECIDED, LIVE, Actor, Status
from tests import factories

pytestmark = pytest.mark.django_db


def refused(constraint: str, conn_request: ConnectionRequest, **columns: Any) -> None:
    """Assert that an UPDATE of the row is refused by the constraint of that name, or on its columns."""
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        ConnectionRequest.objects.filter(pk=conn_request.pk).update(**columns)
    assert constraint in str(refusal.value)


def test_nobody_approves_their_own_request_not_even_by_sql() -> None:
    conn_request = factories.approved()
    with pytest.raises(IntegrityError, match="four_eyes"), transaction.atomic(), connection.cursor() as cursor:
        table = ConnectionRequest._meta.db_table
        cursor.execute(f"UPDATE {table} SET approved_by_id = requester_id WHERE id = %s", [conn_request.pk])  # noqa: S608


def test_an_approved_request_cannot_be_handed_to_its_approver() -> None:
    conn_request = factories.approved()
    refused("four_eyes", conn_request, requester=F("approved_by"))


@pytest.mark.parametrize("status", sorted(DECIDED))
def test_nothing_stands_behind_the_approval_without_one(status: Status) -> None:
    conn_request = factories.request_in(status)
    refused("approval_covers_the_body", conn_request, approved_by=None)
    refused("approval_covers_the_body", conn_request, approved_at=None)


@pytest.mark.parametrize("status", sorted(DECIDED))
def test_the_body_behind_an_approval_is_the_approved_one(status: Status) -> None:
    conn_request = factories.request_in(status)
    other = payloads.digest({"service": "something_else"})
    refused("approval_covers_the_body", conn_request, digest=other)
    refused("approval_covers_the_body", conn_request, approved_digest=other)


def test_a_pending_request_cannot_be_approved_by_writing_its_status() -> None:
    refused("approval_covers_the_body", factories.submitted(), status=Status.APPROVED)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.CREATED}))
def test_a_connection_id_means_created(status: Status) -> None:
    refused("connection_id_iff_created", factories.request_in(status), connection_id="conn_x")


def test_created_means_a_connection_id() -> None:
    refused("connection_id_iff_created", factories.request_in(Status.CREATED), connection_id=None)
    refused("connection_id_iff_created", factories.request_in(Status.SENDING), status=Status.CREATED)


def test_two_requests_cannot_have_come_to_one_connection() -> None:
    first, second = factories.request_in(Status.CREATED), factories.request_in(Status.CREATED)
    refused("connection_id", second, connection_id=first.connection_id)


HOLDING = sorted(LIVE | {Status.CREATED})


@pytest.mark.parametrize("status", HOLDING)
def test_a_destination_name_is_held_by_one_live_request(status: Status) -> None:
    holder = factories.request_in(status)
    other = factories.submitted()
    constraint = "one_request_per_name" if connection.vendor == "postgresql" else "schema"
    refused(constraint, other, schema=holder.schema)
    assert list(ConnectionRequest.objects.holding(holder.group_id, holder.schema)) == [holder]


@pytest.mark.parametrize("status", sorted(set(Status) - set(HOLDING)))
def test_a_destination_name_is_free_after_the_end_and_before_the_beginning(status: Status) -> None:
    earlier = factories.request_in(status)
    other = factories.submitted()
    ConnectionRequest.objects.filter(pk=other.pk).update(schema=earlier.schema)
    assert ConnectionRequest.objects.holding(earlier.group_id, earlier.schema).get() == other


def test_a_destination_name_is_free_in_another_group_and_once_the_connection_is_gone() -> None:
    holder = factories.request_in(Status.CREATED)
    other = factories.submitted(group_id="another_group")
    ConnectionRequest.objects.filter(pk=other.pk).update(schema=holder.schema)
    ConnectionRequest.objects.filter(pk=holder.pk).update(deleted_at_fivetran_at=Now())
    ConnectionRequest.objects.filter(pk=other.pk).update(group_id=holder.group_id)


def test_one_form_is_one_request() -> None:
    person = factories.person()
    first, second = factories.submitted(person), factories.submitted(person)
    constraint = "one_request_per_form" if connection.vendor == "postgresql" else "idempotency_key"
    refused(constraint, second, idempotency_key=first.idempotency_key)


def test_forms_of_different_people_may_have_the_same_token() -> None:
    first, second = factories.submitted(), factories.submitted()
    ConnectionRequest.objects.filter(pk=second.pk).update(idempotency_key=first.idempotency_key)


@pytest.mark.parametrize("column", ["service", "group_id", "schema", "digest"])
def test_a_submitted_request_is_complete(column: str) -> None:
    refused("submitted_is_complete", factories.submitted(), **{column: ""})


def test_a_submitted_request_says_since_when() -> None:
    refused("submitted_is_complete", factories.submitted(), submitted_at=None)


@pytest.mark.parametrize("status", [Status.CLAIMED, Status.SENDING])
def test_a_claim_has_a_token_and_a_lease(status: Status) -> None:
    conn_request = factories.request_in(status)
    refused("claim_has_token_and_lease", conn_request, token=None)
    refused("claim_has_token_and_lease", conn_request, lease_until=None)


def test_sending_says_since_when() -> None:
    refused("sending_says_since_when", factories.request_in(Status.CLAIMED), status=Status.SENDING)
    refused("sending_says_since_when", factories.request_in(Status.SENDING), first_sent_at=None)


def test_a_status_outside_the_table_is_refused() -> None:
    refused("known_status", factories.submitted(), status="done")


def test_a_move_leaves_one_event_and_no_second_one_for_its_version() -> None:
    conn_request = factories.submitted()
    with pytest.raises(IntegrityError), transaction.atomic():
        Event.objects.create(
            request=conn_request, kind=EventKind.MOVED, actor=Actor.WORKER, version=conn_request.version
        )


def test_a_refused_move_leaves_neither_row_nor_event() -> None:
    conn_request = factories.submitted()
    with pytest.raises(IntegrityError, match="four_eyes|approval"), transaction.atomic():
        transition(
            conn_request,
            Status.APPROVED,
            actor=Actor.APPROVER,
            approved_by=conn_request.requester,
            approved_digest=conn_request.digest,
        )
    stored = ConnectionRequest.objects.get(pk=conn_request.pk)
    assert (stored.status, stored.version, stored.token) == (Status.PENDING, 1, None)
    assert stored.events.count() == 1


def test_an_event_cannot_be_changed() -> None:
    conn_request = factories.submitted()
    with pytest.raises(IntegrityError), transaction.atomic():
        Event.objects.filter(request=conn_request).update(reason="something else")
    if connection.vendor == "postgresql":
        with pytest.raises(IntegrityError), transaction.atomic():
            Event.objects.filter(request=conn_request)._raw_delete("default")
    assert Event.objects.get(request=conn_request).reason == ""


def test_the_search_index_and_the_triggers_survived_every_migration() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' OR name = 'connections_search'")
            wanted = {"request_words_added", "request_words_changed", "request_words_removed", "connections_search"}
        else:
            cursor.execute("SELECT indexname FROM pg_indexes UNION SELECT tgname FROM pg_trigger")
            wanted = {"request_by_words"}
        found = {name for (name,) in cursor.fetchall()}
    assert wanted | {"events_append_only"} <= found
