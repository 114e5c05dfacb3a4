"""What `verify_audit` finds that was done behind the application's back, and what the database refuses."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from connections import worker
from connections.models import Event, EventKind, EventSeal
from connections.models.seal import digest_of
from tests import processes
from tests.record import behind_the_back, findings, people_off_the_record, write

__all__ = ["people_off_the_record"]  # the fixture
pytestmark = pytest.mark.sql
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")


CHANGES = {
    "by": ("by_id = NULL", "by"),
    "address": ("address = '192.0.2.66'", "address"),
    "reason": ("reason = 'better'", "reason"),
    "typed name": ("typed_name = 'eve'", "typed_name"),
    "who": ("""detail = '{"who": "eve"}'""", "detail"),
    "kind": ("kind = 'logged_out'", "or its seal was"),
    "detail": ("""detail = '{"digest": "0"}'""", "or its seal was"),
    "request": ("version = 7", "or its seal was"),
    "time": ("at = '2026-01-01 00:00:00+00:00'", "or its seal was"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_event_is_found_and_named(cast: dict[str, User], change: str) -> None:
    events = write(3, by=cast["requester"], reason="so")
    worker.run("seal")
    sql, words = CHANGES[change]
    with behind_the_back() as cursor:
        cursor.execute(f"UPDATE connections_event SET {sql} WHERE id = {events[1].pk}")  # noqa: S608
    first = findings()[0]
    assert first[0] == 2
    assert f"event {events[1].pk}: was changed" in first[1]
    assert words in first[1]
    assert len([one for one in findings() if "inserted later" not in one[1]]) == 1  # those after it are whole


@pytest.mark.django_db
def test_a_removed_event_is_found_and_named() -> None:
    events = write(3)
    worker.run("seal")
    with behind_the_back() as cursor:
        cursor.execute(f"DELETE FROM connections_event WHERE id = {events[1].pk}")  # noqa: S608
    assert findings() == [(2, f"event {events[1].pk}: was removed")]


@pytest.mark.django_db
def test_an_event_removed_with_its_seal_is_found() -> None:
    events = write(4)
    worker.run("seal")
    with behind_the_back() as cursor:
        cursor.execute(f"DELETE FROM connections_eventseal WHERE event_id = {events[1].pk}")  # noqa: S608
        cursor.execute(f"DELETE FROM connections_event WHERE id = {events[1].pk}")  # noqa: S608
    assert findings() == [(2, "the seals 2 to 2 were removed")]


@pytest.mark.django_db
def test_an_event_inserted_with_an_earlier_time_is_found_before_and_after_it_is_sealed() -> None:
    write(3)
    worker.run("seal")
    [forged] = write(at=datetime.now(UTC) - timedelta(hours=1))
    [(position, words)] = findings()
    assert (position, f"the first of which is event {forged.pk}" in words) == (None, True)
    worker.run("seal")
    [(position, words)] = findings()
    assert (position, f"event {forged.pk}: says " in words, "it was inserted later" in words) == (4, True, True)


@pytest.mark.django_db
def test_two_events_that_changed_places_are_found() -> None:
    events = write(3)
    worker.run("seal")
    one, two = events[0].pk, events[1].pk
    with behind_the_back() as cursor:
        for before, after in ((one, -1), (two, one), (-1, two)):
            cursor.execute(f"UPDATE connections_eventseal SET event_id = {after} WHERE event_id = {before}")  # noqa: S608
    assert [position for position, _words in findings()] == [1, 2]


@pytest.mark.django_db
def test_a_rewritten_seal_breaks_what_comes_after_it(cast: dict[str, User]) -> None:
    events = write(3)
    worker.run("seal")
    first, second = EventSeal.objects.order_by("position")[:2]
    event = Event.objects.get(pk=events[1].pk)
    event.kind = EventKind.EXPORTED
    with behind_the_back() as cursor:
        cursor.execute(f"UPDATE connections_event SET kind = 'exported' WHERE id = {event.pk}")  # noqa: S608
        digest = digest_of(event, second, first.digest)
        cursor.execute(f"UPDATE connections_eventseal SET digest = '{digest}' WHERE position = 2")  # noqa: S608
    assert [position for position, _words in findings()] == [3]


@pytest.mark.django_db
def test_unsealed_events_are_looked_for_range_by_range() -> None:
    write(2)
    worker.run("seal")
    old = datetime.now(UTC) - timedelta(minutes=5)
    [first] = write(pk=1_000_000, at=old)
    write(pk=5_000_000, at=old)
    write(pk=5_000_001)  # just now: its seal may come yet
    [(position, words)] = findings()
    assert position is None
    assert words.startswith(f"2 unsealed events older than two minutes, the first of which is event {first.pk} ")
    with CaptureQueriesContext(connection) as queries:
        findings()
    statements = [one["sql"] for one in queries if "EXISTS" in one["sql"]]
    assert statements and all('"id" <= ' in sql for sql in statements), "one over the whole table takes too long"


# --- the command ---
def verify(*arguments: str) -> str:
    out = StringIO()
    call_command("verify_audit", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_command_says_whole_and_the_head_from_which_one_goes_on() -> None:
    write(3)
    worker.run("seal")
    said = verify()
    assert said.startswith("The record is whole: 3 sealed events, 0 of them with personal fields erased. Head: 3:")
    head = said.rpartition(" ")[2].strip()
    write(2)
    worker.run("seal")
    assert verify("--since", head).startswith("The record is whole: 2 sealed events")
    with behind_the_back() as cursor:  # the end of the chain, and then all events of it anew
        cursor.execute("DELETE FROM connections_eventseal WHERE position > 2")
    worker.run("seal")
    assert "whole" in verify()
    with pytest.raises(CommandError, match="The record is broken, first at position 3"):
        verify("--since", head)
    with behind_the_back() as cursor:
        cursor.execute("DELETE FROM connections_eventseal WHERE position > 2")
        cursor.execute("DELETE FROM connections_event WHERE id NOT IN (SELECT event_id FROM connections_eventseal)")
    with pytest.raises(CommandError, match="first at position 3"):
        verify("--since", head)
    with pytest.raises(CommandError, match="a position and a digest"):
        verify("--since", "3")


def test_the_command_exits_with_status_1(database_url: str) -> None:
    events = write(30)
    worker.run("seal")
    env = {**os.environ, "DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "manage.py", "verify_audit"]
    run = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    with behind_the_back() as cursor:
        cursor.execute(f"UPDATE connections_event SET address = '' WHERE id > {events[3].pk}")  # noqa: S608
    run = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"position 5: event {events[4].pk}: was changed: address\n")
    assert "\nand 6 more\nCommandError: The record is broken, first at position 5. Read: 30 sealed" in run.stderr


def test_without_a_record_the_command_says_so(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "SECRET_KEY": "x" * 50, "DATABASE_URL": f"sqlite:///{tmp_path / 'none.sqlite3'}"}
    command = [sys.executable, "manage.py", "verify_audit"]
    run = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and run.stderr.startswith("CommandError: Nothing was verified: the database has no")
    del env["SECRET_KEY"]
    run = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and run.stderr.startswith("portal: SECRET_KEY is not set")


# --- the triggers ---
@pytest.mark.django_db
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE connections_event SET reason = 'another'",
        "UPDATE connections_event SET address = ''",  # a part of what is erased is a change
        "DELETE FROM connections_event",
        "UPDATE connections_eventseal SET digest = 'another'",
        "UPDATE connections_eventseal SET salt = ''",
        "DELETE FROM connections_eventseal",
        pytest.param("TRUNCATE connections_event CASCADE", marks=on_postgresql),
        pytest.param("TRUNCATE connections_eventseal", marks=on_postgresql),
    ],
)
def test_the_database_refuses_to_change_the_record(sql: str) -> None:
    write(2, at=datetime.now(UTC) - timedelta(days=40), reason="so")
    worker.run("seal")
    connection.check_constraints()  # or PostgreSQL refuses TRUNCATE for another reason
    with pytest.raises(DatabaseError, match="cannot be changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert findings() == []
