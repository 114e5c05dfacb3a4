"""The limits of time that every connection to PostgreSQL has, whatever stands between."""

import pytest
from django.db import OperationalError, connection, transaction

pytestmark = [
    pytest.mark.sql,
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has a time-out of its own"),
]


def test_a_statement_that_takes_too_long_ends() -> None:
    with (
        pytest.raises(OperationalError, match="statement timeout"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SET LOCAL statement_timeout = '100ms'; SELECT pg_sleep(5)")


def test_every_limit_is_set() -> None:
    shown = []
    with connection.cursor() as cursor:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SHOW {name}")
            shown.append(cursor.fetchone()[0])
    assert shown == ["5s", "2s", "1min"]
