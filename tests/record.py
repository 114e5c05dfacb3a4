"""The audit record for tests: rows of it, and a hand that writes behind the application's back."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from connections.models import Event, EventKind, EventSeal
from connections.models.verification import Verification


def write(count: int = 1, **columns: Any) -> list[Event]:
    """That many events in batches."""
    columns = {"kind": EventKind.LOGGED_IN, "address": "192.0.2.1", **columns}
    return Event.objects.bulk_create([Event(**columns) for _ in range(count)], batch_size=1000)


def findings() -> list[tuple[int | None, str]]:
    return [(finding.position, finding.words) for finding in Verification().findings()]


def chain() -> list[tuple[int, int]]:
    """Positions with their events."""
    return list(EventSeal.objects.order_by("position").values_list("position", "event_id"))


@contextmanager
def behind_the_back() -> Iterator[Any]:
    """A cursor of somebody whom no trigger stops."""
    triggers = import_module("connections.migrations.0038_seal")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
            yield cursor
            cursor.execute("SET session_replication_role = origin")
        else:
            triggers.drop_triggers(None, connection.schema_editor())
            yield cursor
            triggers.create_triggers(None, connection.schema_editor())


@pytest.fixture(name="cast")
def people_off_the_record(cast: dict[str, User]) -> dict[str, User]:
    """The cast, without the events that tell how it got its rights."""
    with behind_the_back() as cursor:
        cursor.execute("DELETE FROM connections_event")
    return cast
