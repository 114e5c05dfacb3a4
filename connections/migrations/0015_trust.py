"""Approvals of certificates and SSH fingerprints, and the right to give them."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

RIGHT = ("approve_trust", "Can approve certificates and fingerprints")
GROUPS = ("Approvers", "Operators")


def give_right(apps, schema_editor):
    """Add the right to the two groups, where they exist; what else an administrator gave them stays."""
    codename, name = RIGHT
    # Django makes permissions after the last migration only, so this one is made here.
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="connections", model="trust"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename=codename, defaults={"name": name}
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=GROUPS):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0014_changes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Trust",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("certificate", "Certificate"), ("fingerprint", "Fingerprint")], max_length=20
                    ),
                ),
                ("hash", models.CharField(max_length=500)),
                ("proof", models.TextField()),
                ("shown", models.CharField(max_length=64)),
                ("approved_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("due", "Waiting to be sent"),
                            ("running", "Being sent"),
                            ("sent", "Fivetran knows"),
                            ("refused", "Refused by Fivetran"),
                            ("lapsed", "Fivetran asked again"),
                        ],
                        default="due",
                        max_length=10,
                    ),
                ),
                ("token", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("next_try_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("ended_at", models.DateTimeField(null=True)),
                ("message", models.CharField(blank=True, max_length=500)),
                (
                    "approved_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trusts",
                        to="connections.connectionrequest",
                    ),
                ),
                (
                    "requester",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [("approve_trust", "Can approve certificates and fingerprints")],
                "default_permissions": (),
                "indexes": [
                    models.Index(condition=models.Q(("state", "due")), fields=["next_try_at"], name="trust_due")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["refused", "lapsed"]), _negated=True),
                        fields=("request", "kind", "hash"),
                        name="one_trust_per_hash",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("approved_by", models.F("requester")), _negated=True),
                        name="trust_four_eyes",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["due", "running", "sent", "refused", "lapsed"])),
                        name="known_trust_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "running"), _negated=True),
                            models.Q(("lease_until__isnull", False), ("token__isnull", False)),
                            _connector="OR",
                        ),
                        name="sent_trust_has_a_lease",
                    ),
                ],
            },
        ),
        migrations.RunPython(give_right, migrations.RunPython.noop, elidable=False),
    ]
