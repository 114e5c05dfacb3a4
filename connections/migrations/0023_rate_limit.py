"""What Fivetran says of its rate limit, on the gate's row."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0022_refusals_and_baseline"),
    ]

    operations = [
        migrations.AddField(model_name="apigate", name="rate_limit", field=models.PositiveIntegerField(null=True)),
        migrations.AddField(model_name="apigate", name="rate_remaining", field=models.PositiveIntegerField(null=True)),
        migrations.AddField(model_name="apigate", name="rate_read_at", field=models.DateTimeField(null=True)),
    ]
