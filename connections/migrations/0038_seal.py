"""The record's hash chain, and triggers that let exactly one change pass: the erasure of personal fields.

Events of before are sealed by the job. `drop_triggers` and `create_triggers` are for later migrations: where SQLite
makes a table anew, it loses its triggers.
"""

from importlib import import_module

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

asks_own_tables = import_module("connections.migrations.0035_teams").asks_own_tables

# To be erased an event must be older than 30 days and sealed. Nothing changes then but the personal fields, which get
# empty, those of `about` only where it is a person. A seal loses its salt after that, and nothing else ever.
POSTGRESQL = (
    """
    CREATE FUNCTION connections_only_erase_event() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        personal CONSTANT text[] :=
            ARRAY['by_id', 'address', 'typed_name', 'reason', 'about_id', 'about_name', 'detail'];
        about_person CONSTANT boolean := OLD.about_kind = 'user';
    BEGIN
        IF to_jsonb(NEW) - personal = to_jsonb(OLD) - personal
            AND NEW.by_id IS NULL AND NEW.address = '' AND NEW.typed_name = '' AND NEW.reason = ''
            AND NEW.about_id = (CASE WHEN about_person THEN '' ELSE OLD.about_id END)
            AND NEW.about_name = (CASE WHEN about_person THEN '' ELSE OLD.about_name END)
            AND NEW.detail = (CASE WHEN jsonb_typeof(OLD.detail) = 'object'
                THEN OLD.detail - ARRAY['who', 'why', 'changed', 'filters'] ELSE OLD.detail END)
            AND OLD.at < now() - INTERVAL '30 days'
            AND EXISTS (SELECT 1 FROM connections_eventseal WHERE event_id = OLD.id)
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'the record cannot be changed' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE FUNCTION connections_only_erase_salt() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF to_jsonb(NEW) - 'salt' = to_jsonb(OLD) - 'salt' AND NEW.salt = '' AND EXISTS (
            SELECT 1 FROM connections_event WHERE id = OLD.event_id AND at < now() - INTERVAL '30 days'
            AND by_id IS NULL AND address = '' AND typed_name = '' AND reason = ''
        ) THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'the record cannot be changed' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    asks_own_tables("connections_only_erase_event"),
    asks_own_tables("connections_only_erase_salt"),
    "DROP TRIGGER IF EXISTS events_append_only ON connections_event",
    """
    CREATE TRIGGER events_append_only BEFORE DELETE ON connections_event
    FOR EACH ROW EXECUTE FUNCTION connections_refuse_change()
    """,
    """
    CREATE TRIGGER events_only_erased BEFORE UPDATE ON connections_event
    FOR EACH ROW EXECUTE FUNCTION connections_only_erase_event()
    """,
    """
    CREATE TRIGGER events_never_emptied BEFORE TRUNCATE ON connections_event
    FOR EACH STATEMENT EXECUTE FUNCTION connections_refuse_change()
    """,
    """
    CREATE TRIGGER seals_append_only BEFORE DELETE ON connections_eventseal
    FOR EACH ROW EXECUTE FUNCTION connections_refuse_change()
    """,
    """
    CREATE TRIGGER seals_only_erased BEFORE UPDATE ON connections_eventseal
    FOR EACH ROW EXECUTE FUNCTION connections_only_erase_salt()
    """,
    """
    CREATE TRIGGER seals_never_emptied BEFORE TRUNCATE ON connections_eventseal
    FOR EACH STATEMENT EXECUTE FUNCTION connections_refuse_change()
    """,
)
POSTGRESQL_REVERSE = (
    "DROP TRIGGER IF EXISTS events_only_erased ON connections_event",
    "DROP TRIGGER IF EXISTS events_never_emptied ON connections_event",
    "DROP TRIGGER IF EXISTS events_append_only ON connections_event",
    "DROP TRIGGER IF EXISTS seals_append_only ON connections_eventseal",
    "DROP TRIGGER IF EXISTS seals_only_erased ON connections_eventseal",
    "DROP TRIGGER IF EXISTS seals_never_emptied ON connections_eventseal",
    "DROP FUNCTION IF EXISTS connections_only_erase_event()",
    "DROP FUNCTION IF EXISTS connections_only_erase_salt()",
)
# INSERT OR REPLACE takes rows away without a trigger for DELETE.
REFUSE = "BEGIN SELECT RAISE(ABORT, 'the record cannot be changed'); END"
SQLITE = (
    "DROP TRIGGER IF EXISTS events_append_only",
    f"CREATE TRIGGER events_append_only BEFORE DELETE ON connections_event {REFUSE}",
    f"""
    CREATE TRIGGER events_only_erased BEFORE UPDATE ON connections_event
    WHEN NOT (
        NEW.id = OLD.id AND NEW.request_id IS OLD.request_id AND NEW.at = OLD.at AND NEW.kind = OLD.kind
        AND NEW.source = OLD.source AND NEW.target = OLD.target AND NEW.actor = OLD.actor AND NEW.version = OLD.version
        AND NEW.about_kind = OLD.about_kind
        AND NEW.by_id IS NULL AND NEW.address = '' AND NEW.typed_name = '' AND NEW.reason = ''
        AND NEW.about_id = CASE WHEN OLD.about_kind = 'user' THEN '' ELSE OLD.about_id END
        AND NEW.about_name = CASE WHEN OLD.about_kind = 'user' THEN '' ELSE OLD.about_name END
        AND json(NEW.detail) = json_remove(OLD.detail, '$.who', '$.why', '$.changed', '$.filters')
        AND julianday(OLD.at) < julianday('now', '-30 days')
        AND EXISTS (SELECT 1 FROM connections_eventseal WHERE event_id = OLD.id)
    ) {REFUSE}
    """,  # noqa: S608
    f"""
    CREATE TRIGGER events_never_replaced BEFORE INSERT ON connections_event
    WHEN EXISTS (SELECT 1 FROM connections_event WHERE id = NEW.id) OR (NEW.kind = 'moved' AND EXISTS (
        SELECT 1 FROM connections_event
        WHERE kind = 'moved' AND request_id = NEW.request_id AND version = NEW.version
    )) {REFUSE}
    """,  # noqa: S608
    f"CREATE TRIGGER seals_append_only BEFORE DELETE ON connections_eventseal {REFUSE}",
    f"""
    CREATE TRIGGER seals_never_replaced BEFORE INSERT ON connections_eventseal
    WHEN EXISTS (SELECT 1 FROM connections_eventseal WHERE position = NEW.position OR event_id = NEW.event_id) {REFUSE}
    """,  # noqa: S608
    f"""
    CREATE TRIGGER seals_only_erased BEFORE UPDATE ON connections_eventseal
    WHEN NOT (
        NEW.position = OLD.position AND NEW.event_id = OLD.event_id AND NEW.sealed_at = OLD.sealed_at
        AND NEW.hashes = OLD.hashes AND NEW.digest = OLD.digest AND NEW.salt = ''
        AND EXISTS (
            SELECT 1 FROM connections_event WHERE id = OLD.event_id AND julianday(at) < julianday('now', '-30 days')
            AND by_id IS NULL AND address = '' AND typed_name = '' AND reason = ''
        )
    ) {REFUSE}
    """,  # noqa: S608
)
SQLITE_REVERSE = tuple(
    f"DROP TRIGGER IF EXISTS {name}"
    for name in (
        "events_append_only",
        "events_only_erased",
        "events_never_replaced",
        "seals_append_only",
        "seals_only_erased",
        "seals_never_replaced",
    )
)


def create_triggers(apps, schema_editor):
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL:
        schema_editor.execute(statement)


def drop_triggers(apps, schema_editor):
    for statement in SQLITE_REVERSE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL_REVERSE:
        schema_editor.execute(statement)


def restore_former(apps, schema_editor):
    drop_triggers(apps, schema_editor)
    former = import_module("connections.migrations.0004_events_append_only")
    former.refuse_changes(apps, schema_editor)


class Migration(migrations.Migration):
    dependencies = [("connections", "0037_reassigned")]

    operations = [
        migrations.AddField(
            "portalpolicy",
            "erase_after_days",
            models.PositiveSmallIntegerField(
                blank=True,
                help_text="Days, at least 30. Older events then no longer say who, from which address and in which "
                "words; requests under way keep theirs. The record can still be verified. Empty: never.",
                null=True,
                validators=[django.core.validators.MinValueValidator(30)],
                verbose_name="erase personal fields after",
            ),
        ),
        migrations.CreateModel(
            "EventSeal",
            [
                ("position", models.PositiveBigIntegerField(primary_key=True, serialize=False)),
                ("sealed_at", models.DateTimeField()),
                ("salt", models.CharField(blank=True, max_length=32)),
                ("hashes", models.JSONField(default=dict)),
                ("digest", models.CharField(max_length=64)),
                (
                    "event",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="seal",
                        to="connections.event",
                    ),
                ),
            ],
            options={
                "verbose_name": "seal of an event",
                "verbose_name_plural": "seals of events",
                "ordering": ["-position"],
            },
        ),
        migrations.RunPython(create_triggers, restore_former, elidable=False),
    ]
