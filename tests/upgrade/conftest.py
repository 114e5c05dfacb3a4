"""A database of an earlier version, restored beside the one of the run, and migrated."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection

from tests.sandbox_client import Fivetran
from tests.upgrade.dumps import FIVETRAN, HERE
from tests.worker.conftest import fivetran

__all__ = ["fivetran"]  # the fixture
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d")


@pytest.fixture
def restored(fivetran: Fivetran, tmp_path: Path) -> Iterator[str]:
    """Until the end of the test this process has the earlier database, as if it was dumped just now; the dump."""
    dump = _as_of_now((HERE / f"before_rights.{connection.vendor}.sql").read_text().replace(FIVETRAN, fivetran.url))
    with own_database(tmp_path / "restored.sqlite3"):
        _load(dump)
        yield dump


@pytest.fixture
def upgraded(restored: str) -> str:
    """The same, migrated; the dump from before."""
    call_command("migrate", verbosity=0)
    return restored


def _as_of_now(dump: str) -> str:
    """With the moments of the life in it that much later; those of the catalog are years older, and stay."""
    found = re.search(r"Made (\S+ \S+)", dump)
    assert found is not None
    made = datetime.fromisoformat(found[1])
    later = timedelta(seconds=round((datetime.now(UTC).replace(tzinfo=None) - made).total_seconds()))

    def moved(match: re.Match[str]) -> str:
        moment = datetime.fromisoformat(match[0])
        return (moment + later).isoformat(match[1]) if abs(moment - made) < timedelta(days=1) else match[0]

    return _MOMENT.sub(moved, dump)


@contextmanager
def own_database(file: Path) -> Iterator[None]:
    """This process, its threads too, has another database, which is empty."""
    database: Any = connection
    before = database.settings_dict["NAME"]
    here = str(file) if database.vendor == "sqlite" else f"{before}_restored"

    def move(name: str) -> None:
        _end_sessions()
        database.settings_dict["NAME"] = name
        ContentType.objects.clear_cache()

    def on_server(statement: str) -> None:
        if database.vendor == "postgresql":
            with database._nodb_cursor() as cursor:
                cursor.execute(statement)

    on_server(f'CREATE DATABASE "{here}"')
    move(here)
    try:
        yield
    finally:
        move(before)
        on_server(f'DROP DATABASE "{here}" WITH (FORCE)')


def _load(dump: str) -> None:
    connection.ensure_connection()
    session: Any = connection.connection
    if connection.vendor == "sqlite":
        session.executescript(dump)
    else:
        session.execute(dump)
    _end_sessions()  # with what the dump sets for its own


def _end_sessions() -> None:
    database: Any = connection
    database.close()
    if database.vendor == "postgresql":
        database.close_pool()
