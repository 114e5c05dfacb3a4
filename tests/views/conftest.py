"""Requests by the dozen and by the thousand, for the lists."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Max

from connections.models import ConnectionRequest
from tests import factories


@pytest.fixture
def crowd(cast: dict[str, Any]) -> list[ConnectionRequest]:
    """120 requests of one person, oldest first."""
    first = factories.submitted(cast["requester"])
    rows = []
    for number in range(119):
        conn_request = ConnectionRequest.objects.get(pk=first.pk)
        conn_request.pk, conn_request.idempotency_key = None, uuid.uuid4()
        conn_request.schema, conn_request.search = (
            f"mass_{number:03d}.t",
            f"mass_{number:03d}.t google_sheets requester",
        )
        rows.append(conn_request)
    ConnectionRequest.objects.bulk_create(rows)
    return list(ConnectionRequest.objects.order_by("id"))


PEOPLE = 200


def _many_people() -> int:
    """The first id of PEOPLE new users in a row."""
    start = (User.objects.aggregate(last=Max("id"))["last"] or 0) + 1
    User.objects.bulk_create(User(id=start + n, username=f"crowd{n}", password="!") for n in range(PEOPLE))
    return start


BULK = 20_000


@pytest.fixture
def ample(crowd: list[ConnectionRequest]) -> list[ConnectionRequest]:
    """The crowd with BULK newer rows of many people on top and fresh statistics, as a planner walks small tables."""
    columns = [f'"{f.column}"' for f in ConnectionRequest._meta.local_concrete_fields if f.column != "id"]
    changed = {'"status"': "'withdrawn'", '"schema"': "'bulk.' || n", '"search"': "'bulk.' || n"}
    changed['"service"'] = changed['"group_id"'] = "'bulk' || (n % 50)"
    changed['"idempotency_key"'] = (
        "printf('%032x', n)" if connection.vendor == "sqlite" else "lpad(to_hex(n), 32, '0')::uuid"
    )
    changed['"requester_id"'] = f"{_many_people()} + n % {PEOPLE}"
    names, values = ", ".join(columns), ", ".join(str(changed.get(column, f"one.{column}")) for column in columns)
    numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {BULK})"  # noqa: S608
    one = "(SELECT * FROM connections_connectionrequest ORDER BY id LIMIT 1) one"
    insert = f"INSERT INTO connections_connectionrequest ({names}) SELECT {values} FROM numbers, {one}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"{numbers} {insert}")
        cursor.execute("ANALYZE")
    return crowd
