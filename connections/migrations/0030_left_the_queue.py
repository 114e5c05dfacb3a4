"""The operators' page shows the last day: requests by the moment at which they left the queue."""

from django.db import migrations, models
from django.db.models import Q

LEFT_THE_QUEUE = ("created", "failed", "withdrawn", "attention")


class Migration(migrations.Migration):
    dependencies = [("connections", "0029_waiting_first")]
    operations = [
        migrations.AddIndex(
            "ConnectionRequest",
            models.Index(
                fields=["status_since"],
                condition=Q(status__in=LEFT_THE_QUEUE, approved_at__isnull=False),
                name="request_left_the_queue",
            ),
        )
    ]
