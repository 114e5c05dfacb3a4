"""Emptying the tables that a test wrote to: Django's own command empties all sixty and describes every model again."""

from importlib import import_module
from typing import Any

from django.core.management.commands import flush
from django.db import connections, transaction

record = import_module("connections.migrations.0038_seal")
# What `post_migrate` makes of the models, which no test changes.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}


class Command(flush.Command):
    """Takes what Django's own takes, and heeds the database alone."""

    def handle(self, **options: Any) -> None:
        """On PostgreSQL without its triggers, as TRUNCATE is, which makes new files for every table and index."""
        database = options["database"]
        connection = connections[database]
        with connection.constraint_checks_disabled(), transaction.atomic(database), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL session_replication_role = replica")
            else:
                record.drop_triggers(None, connection.schema_editor())
            tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - KEPT)
            filled = (f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})" for table in tables)  # noqa: S608
            cursor.execute(" UNION ALL ".join(filled))
            for (table,) in cursor.fetchall():
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608
            if connection.vendor == "sqlite":
                record.create_triggers(None, connection.schema_editor())
