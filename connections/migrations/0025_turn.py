"""Whose turn each request is, in a column of its own, so that lists need not derive it."""

from importlib import import_module
from typing import Any

from django.db import migrations, models
from django.db.models import Exists, OuterRef, Q, Subquery

TURNS = {
    "requester": ["draft", "changes_requested", "failed"],
    "approver": ["pending"],
    "portal": ["approved", "claimed", "sending", "unknown"],
    "operator": ["attention"],
}
OPERATORS_CODES = ["Forbidden", "AuthFailed", "MethodNotAllowed", "NotAcceptable", "UnsupportedMediaType"]


def store_turns(apps: Any, _schema_editor: Any) -> None:
    """Of every request: what stands further down outweighs what stands above it."""
    requests = apps.get_model("connections", "ConnectionRequest").objects
    for turn, statuses in TURNS.items():
        requests.filter(status__in=statuses).update(turn=turn)
    mended_by_operators = Q(failure_code__in=OPERATORS_CODES) | Q(failure_code__startswith="NotFound")
    requests.filter(mended_by_operators, status="failed").update(turn="operator")

    created = requests.filter(status="created", gone_at=None)
    created.filter(changes__status="pending").update(turn="approver")
    created.filter(changes__status__in=["approved", "running"]).update(turn="portal")
    unfinished = created.filter(connection__setup_state__in=["incomplete", "broken"])
    unfinished.update(turn="source owner")
    unfinished.filter(handover__state__in=["done", "revoked"]).update(turn="requester")
    approved = apps.get_model("connections", "Trust").objects.filter(request=OuterRef("pk"))
    runs = apps.get_model("connections", "SetupTestRun").objects.filter(connection__request=OuterRef("request"))
    sent = approved.filter(state="sent", ended_at__gte=Subquery(runs.order_by("-pk").values("finished_at")[:1]))
    unfinished.filter(Exists(sent), connection__tests__in=["due", "running"]).update(turn="portal")
    unfinished.filter(Exists(approved.filter(state__in=["due", "running"]))).update(turn="portal")
    created.filter(connection__trust_waiting__gt=0).update(turn="approver")


def create_search_index(apps: Any, schema_editor: Any) -> None:
    """SQLite made the table anew, and lost the triggers of the search with the old one.

    PostgreSQL has its index still, and makes none on a table whose rows were written twice in the same transaction.
    """
    if schema_editor.connection.vendor == "sqlite":
        import_module("connections.migrations.0003_search").create_index(apps, schema_editor)


class Migration(migrations.Migration):
    dependencies = [("connections", "0024_circuit_breaker")]
    operations = [
        migrations.AlterModelOptions("CircuitBreaker", options={"verbose_name": "API breaker"}),
        migrations.AddField(
            "ConnectionRequest",
            "turn",
            models.CharField(
                choices=[(turn, turn) for turn in (*TURNS, "source owner", "nobody")],
                default="nobody",
                editable=False,
                max_length=20,
            ),
        ),
        migrations.RunPython(store_turns, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(create_search_index, migrations.RunPython.noop, elidable=False),
    ]
