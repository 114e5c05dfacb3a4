"""Where a request or a connection reads from, as a hash that can be looked up; connections become part of the catalog."""

from importlib import import_module

from django.db import migrations, models

KINDS = [
    ("account", "Account"),
    ("service", "Services"),
    ("group", "Groups"),
    ("destination", "Destinations"),
    ("private_link", "Private links"),
    ("proxy_agent", "Proxy agents"),
    ("hybrid_agent", "Hybrid deployment agents"),
    ("connection", "Connections"),
]


def create_search_index(apps, schema_editor):
    """SQLite made the table anew, and lost the triggers of the search with the old one."""
    import_module("connections.migrations.0003_search").create_index(apps, schema_editor)


class Migration(migrations.Migration):
    dependencies = [("connections", "0006_policy")]

    operations = [
        migrations.AlterField("catalogentry", "kind", models.CharField(choices=KINDS, max_length=20)),
        migrations.AlterField("catalogrefresh", "kind", models.CharField(choices=KINDS, max_length=20, unique=True)),
        migrations.AddField(
            "catalogentry", "source_key", models.CharField(blank=True, max_length=64, default=""), False
        ),
        migrations.AddIndex("catalogentry", models.Index(fields=["kind", "name"], name="entry_by_name")),
        migrations.AddIndex("catalogentry", models.Index(fields=["source_key"], name="entry_by_source")),
        migrations.AddField(
            "connectionrequest",
            "source_key",
            models.CharField(blank=True, max_length=64, default="", editable=False),
            False,
        ),
        migrations.AddIndex("connectionrequest", models.Index(fields=["source_key"], name="request_by_source")),
        migrations.RunPython(create_search_index, migrations.RunPython.noop, elidable=False),
    ]
