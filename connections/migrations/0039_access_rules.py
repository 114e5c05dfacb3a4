"""Access rules. Approvers see what a rule lets them approve, and all without rules: no longer by a right to see all."""

import django.db.models.deletion
from django.db import migrations, models


def narrow_approvers(apps, schema_editor):
    """Whoever is to read everything is an auditor or an operator; what else the groups may do stays."""
    for group in _approvers(apps):
        group.permissions.remove(*_rights(apps, "view_all_requests"))


def widen_approvers(apps, schema_editor):
    for group in _approvers(apps):
        group.permissions.add(*_rights(apps, "view_all_requests"))


def _approvers(apps):
    """Whatever they are called: a company may have renamed the group, or made another one."""
    groups = apps.get_model("auth", "Group").objects.filter(permissions__in=_rights(apps, "approve_request"))
    return groups.exclude(permissions__in=_rights(apps, "operate_portal")).distinct()


def _rights(apps, codename):
    rights = apps.get_model("auth", "Permission").objects
    return rights.filter(content_type__app_label="connections", codename=codename)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("connections", "0038_seal"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccessRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="Such as “Finance warehouse”.", max_length=100, unique=True)),
                (
                    "active",
                    models.BooleanField(
                        default=True, help_text="Off: the rule counts for nothing, and can be switched on."
                    ),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.AddField(
            model_name="portalpolicy",
            name="closed_without_rule",
            field=models.BooleanField(
                default=False,
                help_text="Off: everybody may ask for a destination that no access rule names, and every approver decides. On: nobody asks for it, and nobody approves into it.",
                verbose_name="destinations without a rule are closed",
            ),
        ),
        migrations.CreateModel(
            name="AccessGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("may_request", models.BooleanField(default=False)),
                ("may_approve", models.BooleanField(default=False)),
                (
                    "group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="access", to="auth.group"
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="groups", to="connections.accessrule"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("rule", "group"), name="one_entry_per_group_in_rule")],
            },
        ),
        migrations.CreateModel(
            name="AccessDestination",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("group_id", models.CharField(max_length=100, verbose_name="destination")),
                ("name", models.CharField(blank=True, max_length=200)),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="destinations",
                        to="connections.accessrule",
                    ),
                ),
            ],
            options={
                "ordering": ["name", "group_id"],
                "indexes": [models.Index(fields=["group_id"], name="access_by_destination")],
                "constraints": [
                    models.UniqueConstraint(fields=("rule", "group_id"), name="one_entry_per_destination_in_rule")
                ],
            },
        ),
        migrations.CreateModel(
            name="AccessService",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("service", models.CharField(max_length=100)),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="services",
                        to="connections.accessrule",
                    ),
                ),
            ],
            options={
                "ordering": ["service"],
                "constraints": [
                    models.UniqueConstraint(fields=("rule", "service"), name="one_entry_per_service_in_rule")
                ],
            },
        ),
        migrations.RunPython(narrow_approvers, widen_approvers, elidable=False),
    ]
