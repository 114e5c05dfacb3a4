"""The history sorts by more than the number, and shows how the newest setup tests ended."""

from typing import Any

from django.db import migrations, models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Lower

FINE = ["PASSED", "SKIPPED"]


def count_tests(apps: Any, _schema_editor: Any) -> None:
    """Of the newest run of every connection."""
    connections = apps.get_model("connections", "Connection").objects
    runs = apps.get_model("connections", "SetupTestRun").objects.filter(connection=OuterRef("pk")).order_by("-pk")
    tests = apps.get_model("connections", "SetupTest").objects.order_by().values("run")
    tests = tests.filter(run=OuterRef("newest")).annotate(
        count=Count("pk"), open=Count("pk", filter=~Q(status__in=FINE))
    )
    with_runs = connections.annotate(newest=Subquery(runs.values("pk")[:1])).exclude(newest=None)
    with_runs.update(
        tests_count=Coalesce(Subquery(tests.values("count")), 0),
        tests_open=Coalesce(Subquery(tests.values("open")), 0),
    )


def index(name: str, *expressions: Any) -> migrations.AddIndex:
    return migrations.AddIndex("ConnectionRequest", models.Index(*expressions, F("id").desc(), name=name))


class Migration(migrations.Migration):
    dependencies = [("connections", "0027_admin_names")]
    operations = [
        migrations.AddField("Connection", "tests_count", models.PositiveSmallIntegerField(db_default=0)),
        migrations.AddField("Connection", "tests_open", models.PositiveSmallIntegerField(db_default=0)),
        migrations.RunPython(count_tests, migrations.RunPython.noop, elidable=True),
        migrations.RemoveIndex("ConnectionRequest", "request_by_status"),
        migrations.AddIndex(
            "ConnectionRequest",
            models.Index(F("status"), F("id").desc(), F("deleted_at_fivetran_at"), name="request_by_status"),
        ),
        index("request_by_service_name", Lower("service_name")),
        index("request_by_group_name", Lower("group_name")),
        index("request_by_schema", Lower("schema")),
        index("request_by_age", Coalesce("submitted_at", "created_at")),
    ]
