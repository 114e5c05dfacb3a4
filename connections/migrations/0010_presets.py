import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("connections", "0009_batch"),
    ]

    operations = [
        migrations.AddField(
            model_name="connectionrequest",
            name="saved_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name="Preset",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="Such as “Postgres, hourly, EU warehouse”.", max_length=100, unique=True
                    ),
                ),
                (
                    "description",
                    models.CharField(blank=True, help_text="For whom it is, and what for.", max_length=300),
                ),
                (
                    "service",
                    models.CharField(blank=True, help_text="Fivetran's id of the service. Empty: any.", max_length=100),
                ),
                (
                    "group_id",
                    models.CharField(
                        blank=True,
                        help_text="Fivetran's id of the destination's group. Empty: any.",
                        max_length=100,
                        verbose_name="destination",
                    ),
                ),
                (
                    "values",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='The other values, as a JSON object of API paths: {"sync_frequency": 60, "config.host": "db"}.',
                    ),
                ),
                (
                    "fixed",
                    models.JSONField(blank=True, default=list, help_text="Paths that are shown and cannot be changed."),
                ),
                (
                    "hidden",
                    models.JSONField(
                        blank=True, default=list, help_text="Paths that are not shown; they keep these values."
                    ),
                ),
                (
                    "position",
                    models.PositiveSmallIntegerField(
                        default=100, help_text="Presets stand in this order, then by name."
                    ),
                ),
                (
                    "active",
                    models.BooleanField(
                        default=True, help_text="Off: no longer offered. Its requests keep what it says."
                    ),
                ),
                (
                    "approvers",
                    models.ForeignKey(
                        blank=True,
                        help_text="Only members of this group who may approve decide on its requests. Empty: every approver.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="presets",
                        to="auth.group",
                    ),
                ),
            ],
            options={
                "ordering": ["position", "name"],
            },
        ),
        migrations.AddField(
            model_name="connectionrequest",
            name="preset",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="requests",
                to="connections.preset",
            ),
        ),
    ]
