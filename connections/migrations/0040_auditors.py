"""The right to read the whole record, for auditors."""

from django.db import migrations

RIGHT = ("read_record", "Can read and export the record of what everybody did")
GROUPS = ("Auditors",)
OTHERS = [
    ("approve_request", "Can approve, reject and ask for changes"),
    ("view_all_requests", "Can see everybody's requests"),
    ("operate_portal", "Can settle requests that need a person, and pause sending"),
]


def give_right(apps, schema_editor):
    """Add the right to the group, where it exists; what else an administrator gave it stays."""
    codename, name = RIGHT
    # Django makes permissions after the last migration only, so this one is made here.
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="connections", model="connectionrequest"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename=codename, defaults={"name": name}
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=GROUPS):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("connections", "0039_access_rules")]

    operations = [
        migrations.AlterModelOptions(
            name="connectionrequest",
            options={"permissions": [*OTHERS, RIGHT], "verbose_name": "connection request"},
        ),
        migrations.RunPython(give_right, migrations.RunPython.noop, elidable=False),
    ]
