"""Indexes for what is counted of one person, and for whether somebody was mailed a moment ago."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("connections", "0017_inbox"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["by", "at"], name="event_by_person"),
        ),
        migrations.AddIndex(
            model_name="connectionrequest",
            index=models.Index(fields=["requester", "status"], name="request_by_requesters_status"),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("sent_at__isnull", False)),
                fields=["recipient", "kind", "sent_at"],
                name="notice_told",
            ),
        ),
    ]
