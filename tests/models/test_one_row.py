"""Statements about one row, compiled once for each shape."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import F, Q
from django.db.models.functions import Now

from connections.models import (
    Attempt,
    Connection,
    ConnectionRequest,
    Event,
    EventKind,
    SetupTest,
    SetupTestRun,
    one_row,
    read_one,
    update_one,
)
from connections.states import Actor, Status
from tests import factories

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.fixture
def row(cast: dict[str, User]) -> ConnectionRequest:
    return factories.request_in(Status.APPROVED, cast["requester"])


def event(row: ConnectionRequest, **columns: Any) -> Event:
    return Event(request=row, kind=EventKind.TESTS_STORED, actor=Actor.WORKER, **columns)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("token", uuid4()),
        ("token", None),
        ("lease_until", MOMENT),
        ("values", {"config.schema": 'a "b" \\ %s', "n": [1, None, True]}),
        ("payload", None),
        ("note", "100 % of it; it's here"),
        ("attempts_used", 3),
    ],
)
def test_what_is_written_comes_back_and_is_found(row: ConnectionRequest, column: str, value: object) -> None:
    written = update_one(ConnectionRequest, Q(pk=row.pk), columns={column: value})
    assert written is not None
    assert getattr(written, column) == value
    read = read_one(ConnectionRequest, Q(pk=row.pk))
    stored = ConnectionRequest.objects.get(pk=row.pk)
    assert read == written == stored
    for each in (read, written):
        of_each = {name: kept for name, kept in each.__dict__.items() if name != "_state"}
        assert of_each == {name: kept for name, kept in stored.__dict__.items() if name != "_state"}


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        (Q(status=Status.APPROVED), True),
        (Q(status=Status.PENDING), False),
        (Q(status__in=[Status.PENDING, Status.APPROVED]), True),
        (Q(status__in=[]), False),
        (~Q(status=Status.PENDING), True),
        (Q(status=Status.PENDING) | Q(token=None), True),
        (Q(token__isnull=False), False),
        (Q(next_try_at__lte=Now()) & ~(Q(version__gt=10**6) | Q(note="x")), True),
        (Q(schema__startswith="no such"), False),
        (Q(requester__username="requester"), True),
    ],
)
def test_it_fits_where_django_says_so(row: ConnectionRequest, condition: Q, fits: bool) -> None:
    mine = Q(pk=row.pk) & condition
    assert ConnectionRequest.objects.filter(mine).exists() is fits
    assert (update_one(ConnectionRequest, mine, columns={"note": "seen"}) is not None) is fits


def test_a_shape_is_compiled_once(row: ConnectionRequest) -> None:
    def write(seconds: int, note: str) -> None:
        columns = {"lease_until": Now() + timedelta(seconds=5), "attempts_used": F("attempts_used") + 1, "note": note}
        guard = Q(pk=row.pk, attempts_used__lt=100) & Q(status__in=[Status.APPROVED])
        assert update_one(ConnectionRequest, guard, columns=columns, insert=[event(row, version=F("version"))])

    write(1, "first")
    before = one_row._update.cache_info().misses
    for turn in range(5):
        write(turn, f"again {turn}")
    assert one_row._update.cache_info().misses == before
    row.refresh_from_db()
    assert (row.attempts_used, row.note) == (6, "again 4")


def test_rows_that_belong_to_it_come_with_it_or_not_at_all(row: ConnectionRequest) -> None:
    one, other = event(row, version=F("version"), reason="it's %s"), Attempt(request=row, call=Attempt.Call.CREATE)
    stale = Q(pk=row.pk, version=row.version + 1)
    assert update_one(ConnectionRequest, stale, columns={"note": "no"}, insert=[one, other]) is None
    assert not Event.objects.filter(reason="it's %s").exists()
    assert update_one(ConnectionRequest, Q(pk=row.pk), columns={"version": row.version + 1}, insert=[one, other])
    assert Event.objects.get(pk=one.pk).version == one.version == row.version + 1
    assert Attempt.objects.get(pk=other.pk).started_at == other.started_at
    with pytest.raises(IntegrityError):
        update_one(ConnectionRequest, Q(pk=row.pk), columns={"note": "x"}, insert=[Attempt(request_id=None)])  # type: ignore[misc]


def test_an_inserted_row_may_belong_to_one_before_it(row: ConnectionRequest) -> None:
    connection = Connection(request=row, setup_state="connected")
    run = SetupTestRun(connection=connection, setup_state="connected")
    tests = [SetupTest(run=run, position=at, title=f"Test {at}", status="PASSED") for at in range(3)]
    assert update_one(ConnectionRequest, Q(pk=row.pk), columns={"note": ""}, insert=[connection, run, *tests])
    assert row.connection == connection == run.connection == SetupTestRun.objects.get(pk=run.pk).connection
    assert [test.run_id for test in tests] == [run.pk] * 3
    assert list(run.setup_tests.all()) == tests


def test_another_row_is_written_with_it_or_not_at_all(row: ConnectionRequest) -> None:
    open_one, untouched = (Attempt.objects.create(request=row, call=Attempt.Call.CREATE) for _ in range(2))
    also, stale = [(open_one, {"code": "Success", "http_status": 201})], Q(pk=row.pk, version=row.version + 1)
    assert update_one(ConnectionRequest, stale, columns={"note": "no"}, also=also) is None
    open_one.refresh_from_db()
    assert (open_one.code, open_one.http_status) == ("", None)
    added = event(row, version=7)
    assert update_one(ConnectionRequest, Q(pk=row.pk), columns={"note": "yes"}, also=also, insert=[added])
    assert (open_one.code, open_one.http_status, added.version) == ("Success", 201, 7)
    open_one.refresh_from_db(), untouched.refresh_from_db()
    assert (open_one.code, untouched.code) == ("Success", "")


def test_what_is_not_stored_is_neither_read_nor_written(row: ConnectionRequest) -> None:
    assert read_one(ConnectionRequest, Q(status__in=[])) is None
    with pytest.raises(ValueError, match="not stored"):
        update_one(ConnectionRequest, Q(pk=row.pk), columns={"note": "x"}, also=[(Attempt(request=row), {"code": "x"})])


def test_into_a_row_comes_what_was_written_and_nothing_else(row: ConnectionRequest) -> None:
    row.reason = "typed and not stored"
    columns = {"note": "new", "decided_by": row.requester}
    assert update_one(ConnectionRequest, Q(pk=row.pk), columns=columns, into=row) is row
    assert (row.reason, row.note, row.decided_by) == ("typed and not stored", "new", row.requester)
