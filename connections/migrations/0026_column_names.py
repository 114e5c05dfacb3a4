"""Four columns are named by what they hold.

The database renames them inside its indexes and constraints by itself: those change in Django's state alone.
SQLite renames in place, so that the table of requests keeps the triggers of the search.
"""

from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.models import Q

REQUEST, BATCH, NOTICE, HANDOVER = "connectionrequest", "batch", "notice", "handover"
LIVE = ["approved", "attention", "changes_requested", "claimed", "pending", "sending", "unknown"]
NAME_HELD = Q(status__in=LIVE) | Q(status="created", deleted_at_fivetran_at__isnull=True)
UNIQUE = {
    (REQUEST, "one_request_per_form"): {"fields": ["requester", "idempotency_key"]},
    (REQUEST, "one_request_per_name"): {"fields": ["group_id", "schema"], "condition": NAME_HELD},
    (BATCH, "one_batch_per_form"): {"fields": ["requester", "idempotency_key"]},
    (NOTICE, "one_notice_per_person"): {"fields": ["request", "kind", "recipient", "version", "dedup_key"]},
    (NOTICE, "one_notice_per_address"): {
        "fields": ["request", "kind", "address", "version", "dedup_key"],
        "condition": Q(recipient=None),
    },
}
TOLD_LIVE = models.Index(
    fields=["last_notified_at"], condition=Q(state__in=["waiting", "open", "returned"]), name="told_live"
)


def renamed_by_the_database() -> list[Operation]:
    operations: list[Operation] = [
        migrations.RemoveIndex(HANDOVER, "told_live"),
        migrations.AddIndex(HANDOVER, TOLD_LIVE),
    ]
    for (model, name), columns in UNIQUE.items():
        operations += [
            migrations.RemoveConstraint(model, name),
            migrations.AddConstraint(model, models.UniqueConstraint(name=name, **columns)),
        ]
    return operations


class Migration(migrations.Migration):
    dependencies = [("connections", "0025_turn")]
    operations = [
        migrations.RenameField(HANDOVER, "told_at", "last_notified_at"),
        migrations.RenameField(NOTICE, "occasion", "dedup_key"),
        migrations.RenameField(REQUEST, "gone_at", "deleted_at_fivetran_at"),
        migrations.AlterField(
            REQUEST,
            "deleted_at_fivetran_at",
            models.DateTimeField(editable=False, null=True, verbose_name="gone at"),
        ),
        migrations.RenameField(REQUEST, "form_token", "idempotency_key"),
        migrations.RenameField(BATCH, "form_token", "idempotency_key"),
        migrations.SeparateDatabaseAndState(state_operations=renamed_by_the_database()),
    ]
