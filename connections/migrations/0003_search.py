"""The index behind the search: trigrams, on PostgreSQL by pg_trgm, on SQLite by an FTS5 table that triggers fill.

A later migration that changes the table of requests makes SQLite build it anew and lose the triggers: it has to run
`create_index` again (tests/models/test_constraints.py fails otherwise).
"""

from django.db import migrations

POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX IF NOT EXISTS request_by_words ON connections_connectionrequest USING gin (search gin_trgm_ops)",
)
SQLITE = (
    """
    CREATE VIRTUAL TABLE IF NOT EXISTS connections_search USING fts5(
        search, content='connections_connectionrequest', content_rowid='id', tokenize='trigram'
    )
    """,
    """
    CREATE TRIGGER IF NOT EXISTS request_words_added AFTER INSERT ON connections_connectionrequest BEGIN
        INSERT INTO connections_search (rowid, search) VALUES (new.id, new.search);
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS request_words_changed AFTER UPDATE OF search ON connections_connectionrequest
    WHEN old.search <> new.search BEGIN
        INSERT INTO connections_search (connections_search, rowid, search) VALUES ('delete', old.id, old.search);
        INSERT INTO connections_search (rowid, search) VALUES (new.id, new.search);
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS request_words_removed AFTER DELETE ON connections_connectionrequest BEGIN
        INSERT INTO connections_search (connections_search, rowid, search) VALUES ('delete', old.id, old.search);
    END
    """,
    "INSERT INTO connections_search (connections_search) VALUES ('rebuild')",
)
SQLITE_REVERSE = (
    "DROP TRIGGER IF EXISTS request_words_added",
    "DROP TRIGGER IF EXISTS request_words_changed",
    "DROP TRIGGER IF EXISTS request_words_removed",
    "DROP TABLE IF EXISTS connections_search",
)


def create_index(apps, schema_editor):
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL:
        schema_editor.execute(statement)


def drop_index(apps, schema_editor):
    sqlite = schema_editor.connection.vendor == "sqlite"
    for statement in SQLITE_REVERSE if sqlite else ("DROP INDEX IF EXISTS request_by_words",):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("connections", "0002_groups")]

    operations = [migrations.RunPython(create_index, drop_index, elidable=False)]
