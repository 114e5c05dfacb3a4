"""The triggers: migrations there and back keep them, SQLite's new tables too, and nobody feeds them other tables."""

import re
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, migrations, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connections import worker
from connections.models import EventKind, EventSeal, Writer
from tests import factories
from tests.record import findings, write

pytestmark = pytest.mark.sql
BEFORE_RIGHTS = ("connections", "0034_account_mails")
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL makes no table anew")
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's triggers see no other database")


def triggers() -> dict[str, str]:
    """Every trigger of the portal, and on PostgreSQL every function of one, as the database keeps it."""
    if connection.vendor == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = """
            SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
            UNION ALL
            SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'connections_%'
        """
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())


# --- there and back --------------------------------------------------------------------------------------------------
def test_the_way_back_leaves_the_triggers_of_before_and_the_way_there_makes_them_again(restored: str) -> None:
    before = triggers()
    call_command("migrate", verbosity=0)
    after = triggers()
    assert {"writers_never_approve", "events_only_erased"} <= after.keys() - before.keys()
    call_command("migrate", *BEFORE_RIGHTS, verbosity=0)
    assert triggers() == before
    call_command("migrate", verbosity=0)
    assert triggers() == after


# --- where SQLite makes a table anew ---------------------------------------------------------------------------------
# As CONTRIBUTING.md says it: the table, and the migration whose functions are called before and after.
RECIPE = {
    "connectionrequest": "0035_teams",
    "writer": "0035_teams",
    "trust": "0035_teams",
    "event": "0038_seal",
    "eventseal": "0038_seal",
}


def tables_with_triggers() -> set[str]:
    """Those that have triggers, and those that triggers ask."""
    tables = {model._meta.db_table: str(model._meta.model_name) for model in apps.get_models()}
    named = {word for text in triggers().values() for word in re.findall(r"\w+", text)}
    return {model for table, model in tables.items() if table in named}


def later_migration(table: str) -> migrations.Migration:
    """A column with a default, for which SQLite makes the table anew."""
    module = import_module(f"connections.migrations.{RECIPE[table]}")
    drop, create = module.drop_triggers, module.create_triggers

    class Later(migrations.Migration):
        operations = [
            migrations.RunPython(drop, create),
            migrations.AddField(table, "later", models.IntegerField(default=0)),
            migrations.RunPython(create, drop),
        ]

    return Later("later", "connections")


@on_sqlite
def test_a_table_that_is_made_anew_by_the_recipe_keeps_its_triggers(upgraded: str) -> None:
    before = triggers()
    assert tables_with_triggers() == set(RECIPE)
    for table in RECIPE:
        migration = later_migration(table)
        for there in (True, False):
            state = MigrationExecutor(connection).loader.project_state()
            with connection.schema_editor() as editor, CaptureQueriesContext(connection) as queries:
                (migration.apply if there else migration.unapply)(state, editor)
            made = any(f'CREATE TABLE "new__connections_{table}"' in query["sql"] for query in queries)
            assert (made, triggers()) == (there, before), table


# --- PostgreSQL looks for tables among the temporary ones first ------------------------------------------------------
def refused(words: str, statement: str, *values: int) -> None:
    with pytest.raises(IntegrityError, match=words), transaction.atomic():
        run(statement, *values)


def run(statement: str, *values: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@on_postgresql
@pytest.mark.django_db
def test_no_temporary_table_makes_an_event_look_old_or_sealed() -> None:
    # Where it is sealed, the triggers let this pass: nothing personal is left, and it is old enough.
    at = timezone.now() - timedelta(days=40)
    [young], [old] = write(), write(at=at, address="")
    worker.run("seal")
    [unsealed] = write(at=at, address="")
    run("CREATE TEMPORARY TABLE connections_event AS SELECT * FROM connections_event WHERE id = %s", old.pk)
    run("UPDATE pg_temp.connections_event SET id = %s", young.pk)
    run("CREATE TEMPORARY TABLE connections_eventseal AS SELECT %s::bigint AS event_id", unsealed.pk)
    change = "UPDATE public.connections_event SET address = '' WHERE id = %s"
    run(change, old.pk)
    refused("cannot be changed", change, unsealed.pk)
    salt = "UPDATE public.connections_eventseal SET salt = '' WHERE event_id = %s"
    run(salt, old.pk)
    refused("cannot be changed", salt, young.pk)


@on_postgresql
@pytest.mark.django_db
def test_no_temporary_table_hides_who_wrote_a_request_or_approved_it() -> None:
    conn_request, approver = factories.approved(), factories.person("approver", "other")
    former = conn_request.approved_by_id
    assert former is not None
    Writer.objects.create(request=conn_request, person=approver)
    run("CREATE TEMPORARY TABLE connections_writer (request_id bigint, person_id int)")
    run("CREATE TEMPORARY TABLE connections_connectionrequest (id bigint, approved_by_id int)")
    approve = "UPDATE public.connections_connectionrequest SET approved_by_id = %s WHERE id = %s"
    refused("writers_never_approve", approve, approver.pk, conn_request.pk)
    writer = "INSERT INTO public.connections_writer (request_id, person_id) VALUES (%s, %s)"
    refused("approvers_never_write", writer, conn_request.pk, former)
    trust = """
        INSERT INTO public.connections_trust
            (request_id, approved_by_id, requester_id, kind, hash, proof, shown, state, attempts, message)
        VALUES (%s, %s, %s, 'certificate', 'h', '', '', 'due', 0, '')
    """
    refused("writers_never_trust", trust, conn_request.pk, approver.pk, conn_request.requester_id)


# --- another way of SQLite to change a row ---------------------------------------------------------------------------
@on_sqlite
@pytest.mark.django_db
@pytest.mark.parametrize("of", ["id", "move", "seal by position", "seal by event"])
def test_nothing_on_record_is_replaced(of: str) -> None:
    moved = factories.submitted().events.get(kind=EventKind.MOVED)
    worker.run("seal")
    seal = EventSeal.objects.get(event=moved)
    moved.reason = "Something else"
    if of == "move":
        moved.pk = None
    elif of == "seal by event":
        seal.position += 1000
    elif of == "seal by position":
        seal.event_id += 1000
    row: models.Model = seal if "seal" in of else moved
    fields = [field for field in row._meta.concrete_fields if not (field.primary_key and row.pk is None)]
    values = [field.get_db_prep_save(field.value_from_object(row), connection) for field in fields]
    names, marks = ", ".join(str(field.column) for field in fields), ", ".join(["%s"] * len(fields))
    statement = f"INSERT OR REPLACE INTO {row._meta.db_table} ({names}) VALUES ({marks})"  # noqa: S608
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
        cursor.execute(statement, values)
    assert findings() == []
