"""The admin's list of requests begins with those that wait for a decision."""

from django.db import migrations, models
from django.db.models import F, Func

WAITING_FIRST = Func(
    F("status"),
    template="CASE %(expressions)s WHEN 'pending' THEN 0 WHEN 'draft' THEN 2 ELSE 1 END",
    output_field=models.SmallIntegerField(),
)


class Migration(migrations.Migration):
    dependencies = [("connections", "0028_lists")]
    operations = [
        migrations.AddIndex(
            "ConnectionRequest", models.Index(WAITING_FIRST, F("id").desc(), name="request_waiting_first")
        )
    ]
