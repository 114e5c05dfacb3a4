"""Mails about a forgotten password belong to no request; and what the log-in's throttle kept of typed names goes."""

from django.db import migrations, models
from django.db.models.functions import Now


def forget_typed_names(apps, schema_editor):
    """Wrong tries of the last quarter of an hour, under the text that was typed as a name."""
    apps.get_model("axes", "AccessAttempt").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0020_secrets_out_of_drafts"),
        ("axes", "0010_accessattemptexpiration"),
    ]

    operations = [
        migrations.CreateModel(
            name="ResetCount",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("since", models.DateTimeField(db_default=Now(), db_index=True)),
                ("tries", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.AlterField(
            model_name="notice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("submitted", "A request waits for approval"),
                    ("approved", "Approved"),
                    ("rejected", "Rejected"),
                    ("changes_requested", "Changes requested"),
                    ("expired", "Expired"),
                    ("created", "Created"),
                    ("failed", "Refused by Fivetran"),
                    ("attention", "Needs an operator"),
                    ("handover", "Your credentials are needed"),
                    ("handover_code", "Your code"),
                    ("handover_reminder", "Your credentials are still needed"),
                    ("connected", "Connected"),
                    ("change_submitted", "A change waits for approval"),
                    ("change_decided", "A change was decided"),
                    ("change_ended", "A change was made, or not"),
                    ("trust_needed", "Something to trust waits for approval"),
                    ("password_reset", "Reset your password"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="notice",
            name="request",
            field=models.ForeignKey(
                null=True,
                on_delete=models.PROTECT,
                related_name="notices",
                to="connections.connectionrequest",
            ),
        ),
        migrations.AlterField(
            model_name="notice",
            name="version",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("request__isnull", False),
                    models.Q(("kind", "password_reset"), ("recipient__isnull", False)),
                    _connector="OR",
                ),
                name="notice_has_a_subject",
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("kind", "password_reset")),
                fields=["created_at"],
                name="notice_password_reset",
            ),
        ),
        migrations.RunPython(forget_typed_names, migrations.RunPython.noop),
    ]
