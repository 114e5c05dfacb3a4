from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0023_rate_limit")]
    operations = [
        migrations.RenameModel("ApiGate", "CircuitBreaker"),
        migrations.RenameField("CircuitBreaker", "closed_since", "open_since"),
        migrations.AlterField(
            "CircuitBreaker", "open_since", models.DateTimeField(null=True, verbose_name="closed since")
        ),
    ]
