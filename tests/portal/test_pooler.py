"""Behind PgBouncer: a pooler in session mode takes nothing away, neither the limits nor any part of the database.

A run of its own within this one, since the tests' connections are those of one database.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.db import connection

from tests import processes
from tests.conftest import missing

pytestmark = [
    pytest.mark.sql,
    pytest.mark.slow,
    pytest.mark.workers,
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no pooler in front of it"),
]
LIMITS = {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "1min"}
# What rests on the database more than on anything else: constraints, claims, search, sessions, drafts.
PART = ("tests/models/test_constraints.py", "tests/portal/test_database_limits.py", "tests/views/test_drafts.py")


@pytest.fixture
def server() -> Iterator[str]:
    """A PostgreSQL of its own."""
    try:
        processes.pgbouncer_program()
        with processes.postgres() as url:
            yield url
    except processes.Missing as reason:
        missing(str(reason))


def limits_at(url: str) -> list[str]:
    """What the limits are on ten connections of the portal's at once, one after the other."""
    code = f"""
import django; django.setup()
from django.db import connection
for _ in range(10):
    with connection.cursor() as cursor:
        print(*(cursor.execute(f"SHOW {{name}}").fetchone()[0] for name in {tuple(LIMITS)!r}))
    connection.close()
"""
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "portal.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=processes.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_limits_are_in_force_behind_a_pooler(server: str) -> None:
    with processes.pgbouncer(server) as url:
        assert set(limits_at(url)) == {" ".join(LIMITS.values())}
    assert set(limits_at(server)) == {" ".join(LIMITS.values())}


def test_the_database_part_of_the_suite_passes_behind_a_pooler(server: str) -> None:
    with processes.pgbouncer(server) as url:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-m",
            "database and not slow",
            "--reuse-db",
            *PART,
        ]  # the pooler keeps sessions open
        environment = {**os.environ, "DATABASE_URL": url}
        done = subprocess.run(command, env=environment, cwd=processes.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
