"""The triggers: migrations there and back keep them, and SQLite's new tables do too."""

import re
from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext

pytestmark = pytest.mark.sql
BEFORE_RIGHTS = ("connections", "0034_account_mails")
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL makes no table anew")


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
