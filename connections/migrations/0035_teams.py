"""Teams, and who wrote a request: whoever did can never approve it, whichever program writes the row.

`drop_triggers` and `create_triggers` are for later migrations: where SQLite makes one of these tables anew, it loses
the table's triggers, and stops at those of other tables that name it.
"""

from importlib import import_module

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


def asks_own_tables(function):
    """Otherwise a temporary table of the same name answers the function: it comes before all others."""
    return f"""
    DO $$ BEGIN
        EXECUTE 'ALTER FUNCTION {function}() SET search_path = pg_catalog, '
            || quote_ident(current_schema()) || ', pg_temp';
    END $$
    """


POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION connections_refuse_writer() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM connections_writer WHERE request_id = NEW.id AND person_id = NEW.approved_by_id) THEN
            RAISE EXCEPTION 'writers_never_approve: this person wrote the request'
            USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER writers_never_approve BEFORE INSERT OR UPDATE OF approved_by_id ON connections_connectionrequest
    FOR EACH ROW WHEN (NEW.approved_by_id IS NOT NULL) EXECUTE FUNCTION connections_refuse_writer()
    """,
    """
    CREATE OR REPLACE FUNCTION connections_refuse_trust() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT 1 FROM connections_writer WHERE request_id = NEW.request_id AND person_id = NEW.approved_by_id
        ) THEN
            RAISE EXCEPTION 'writers_never_trust: this person wrote the request'
            USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER writers_never_trust BEFORE INSERT OR UPDATE OF approved_by_id ON connections_trust
    FOR EACH ROW EXECUTE FUNCTION connections_refuse_trust()
    """,
    """
    CREATE OR REPLACE FUNCTION connections_refuse_approver() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT 1 FROM connections_connectionrequest WHERE id = NEW.request_id AND approved_by_id = NEW.person_id
        ) THEN
            RAISE EXCEPTION 'approvers_never_write: this person approved the request'
            USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER approvers_never_write BEFORE INSERT OR UPDATE ON connections_writer
    FOR EACH ROW EXECUTE FUNCTION connections_refuse_approver()
    """,
    *map(asks_own_tables, ("connections_refuse_writer", "connections_refuse_trust", "connections_refuse_approver")),
)
POSTGRESQL_REVERSE = (
    "DROP TRIGGER IF EXISTS writers_never_approve ON connections_connectionrequest",
    "DROP TRIGGER IF EXISTS writers_never_trust ON connections_trust",
    "DROP TRIGGER IF EXISTS approvers_never_write ON connections_writer",
    "DROP FUNCTION IF EXISTS connections_refuse_writer()",
    "DROP FUNCTION IF EXISTS connections_refuse_trust()",
    "DROP FUNCTION IF EXISTS connections_refuse_approver()",
)
SQLITE = (
    """
    CREATE TRIGGER IF NOT EXISTS writers_never_approve BEFORE UPDATE OF approved_by_id ON connections_connectionrequest
    WHEN NEW.approved_by_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM connections_writer WHERE request_id = NEW.id AND person_id = NEW.approved_by_id
    ) BEGIN
        SELECT RAISE(ABORT, 'writers_never_approve: this person wrote the request');
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS writers_never_trust BEFORE INSERT ON connections_trust
    WHEN EXISTS (
        SELECT 1 FROM connections_writer WHERE request_id = NEW.request_id AND person_id = NEW.approved_by_id
    ) BEGIN
        SELECT RAISE(ABORT, 'writers_never_trust: this person wrote the request');
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS approvers_never_write BEFORE INSERT ON connections_writer
    WHEN EXISTS (
        SELECT 1 FROM connections_connectionrequest WHERE id = NEW.request_id AND approved_by_id = NEW.person_id
    ) BEGIN
        SELECT RAISE(ABORT, 'approvers_never_write: this person approved the request');
    END
    """,
)
SQLITE_REVERSE = tuple(
    f"DROP TRIGGER IF EXISTS {name}"
    for name in ("writers_never_approve", "writers_never_trust", "approvers_never_write")
)


def create_search_index(apps, schema_editor):
    """Where SQLite made the table of requests anew, it lost the triggers of the search with the old one."""
    import_module("connections.migrations.0025_turn").create_search_index(apps, schema_editor)


def create_triggers(apps, schema_editor):
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL:
        schema_editor.execute(statement)
    create_search_index(apps, schema_editor)


def drop_triggers(apps, schema_editor):
    for statement in SQLITE_REVERSE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL_REVERSE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("connections", "0034_account_mails"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # The way back, of which this is the last step, takes a column from the table of requests.
        migrations.RunPython(migrations.RunPython.noop, create_search_index, elidable=False),
        migrations.CreateModel(
            name="Writer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="connectionrequest",
            name="shared_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name="Team",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "group",
                    models.OneToOneField(
                        help_text="Its members see and continue each other's requests, and the drafts that they share.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="team",
                        to="auth.group",
                    ),
                ),
            ],
            options={
                "permissions": [("work_in_team", "Can see and continue the requests of their teams")],
            },
        ),
        migrations.AddField(
            model_name="connectionrequest",
            name="team",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="requests",
                to="connections.team",
            ),
        ),
        migrations.AddIndex(
            model_name="connectionrequest",
            index=models.Index(
                models.F("team"),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("team__isnull", False)),
                name="request_by_team",
            ),
        ),
        migrations.AddField(
            model_name="writer",
            name="person",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="writer",
            name="request",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="writers", to="connections.connectionrequest"
            ),
        ),
        migrations.AddConstraint(
            model_name="writer",
            constraint=models.UniqueConstraint(fields=("request", "person"), name="one_writer_per_request"),
        ),
        migrations.RunPython(create_triggers, drop_triggers, elidable=False),
    ]
