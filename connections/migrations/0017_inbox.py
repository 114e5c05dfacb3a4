"""How much of what Fivetran asks to trust waits for a person, on the connection's row; and a notice of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0016_handover"),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="trust_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="connection",
            name="trust_waiting",
            field=models.PositiveSmallIntegerField(db_default=0),
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
                ],
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="connection",
            index=models.Index(
                condition=models.Q(("trust_since__isnull", False)),
                fields=["trust_since"],
                name="trust_waiting_for_people",
            ),
        ),
    ]
