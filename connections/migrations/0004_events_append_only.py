"""Events are never changed, and on PostgreSQL never deleted either: the database refuses it.

SQLite keeps deletion, because Django empties tables there by DELETE between tests that use real transactions.
"""

from django.db import migrations

POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION connections_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the history of a request cannot be changed' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON connections_event
    FOR EACH ROW EXECUTE FUNCTION connections_refuse_change()
    """,
)
POSTGRESQL_REVERSE = (
    "DROP TRIGGER IF EXISTS events_append_only ON connections_event",
    "DROP FUNCTION IF EXISTS connections_refuse_change()",
)
SQLITE = (
    """
    CREATE TRIGGER IF NOT EXISTS events_append_only BEFORE UPDATE ON connections_event BEGIN
        SELECT RAISE(ABORT, 'the history of a request cannot be changed');
    END
    """,
)
SQLITE_REVERSE = ("DROP TRIGGER IF EXISTS events_append_only",)


def refuse_changes(apps, schema_editor):
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL:
        schema_editor.execute(statement)


def allow_changes(apps, schema_editor):
    for statement in SQLITE_REVERSE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL_REVERSE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("connections", "0003_search")]

    operations = [migrations.RunPython(refuse_changes, allow_changes, elidable=False)]
