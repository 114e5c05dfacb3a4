"""The three groups of the portal, with their rights."""

from django.db import migrations

PERMISSIONS = {
    "approve_request": "Can approve, reject and ask for changes",
    "view_all_requests": "Can see everybody's requests",
    "operate_portal": "Can settle requests that need a person, and pause sending",
}
GROUPS = {
    "Approvers": ("approve_request", "view_all_requests"),
    "Operators": ("operate_portal", "view_all_requests"),
    "Auditors": ("view_all_requests",),
}


def create_groups(apps, schema_editor):
    """Create each missing group with its rights; a group that is there keeps what an administrator gave it."""
    content_type_model = apps.get_model("contenttypes", "ContentType")
    permission_model = apps.get_model("auth", "Permission")
    group_model = apps.get_model("auth", "Group")
    # Django makes permissions after the last migration only, so they are made here.
    content_type, _ = content_type_model.objects.get_or_create(app_label="connections", model="connectionrequest")
    permissions = {
        codename: permission_model.objects.get_or_create(
            content_type=content_type, codename=codename, defaults={"name": name}
        )[0]
        for codename, name in PERMISSIONS.items()
    }
    for name, rights in GROUPS.items():
        group, new = group_model.objects.get_or_create(name=name)
        if new:
            group.permissions.set([permissions[right] for right in rights])


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_groups, migrations.RunPython.noop, elidable=False)]
