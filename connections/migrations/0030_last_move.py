"""The operators' page shows the last day: requests by the moment of their last move."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0029_waiting_first")]
    operations = [
        migrations.AddIndex("ConnectionRequest", models.Index(fields=["status_since"], name="request_by_last_move"))
    ]
