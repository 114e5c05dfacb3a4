"""Changes of connections that exist, each with its own approval, and connections that were made elsewhere."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import connections.states


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0013_live"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="made_elsewhere",
            field=models.BooleanField(default=False),
        ),
        migrations.AlterField(
            model_name="event",
            name="kind",
            field=models.CharField(
                choices=[
                    ("moved", "Moved"),
                    ("tests_requested", "Tests Requested"),
                    ("tests_stored", "Tests Stored"),
                    ("handover_sent", "Handover Sent"),
                    ("handover_opened", "Handover Opened"),
                    ("card_issued", "Card Issued"),
                    ("card_expired", "Card Expired"),
                    ("handover_returned", "Handover Returned"),
                    ("handover_passed_on", "Handover Passed On"),
                    ("handover_reminded", "Handover Reminded"),
                    ("handover_revoked", "Handover Revoked"),
                    ("handover_done", "Handover Done"),
                    ("trust_approved", "Trust Approved"),
                    ("trust_sent", "Trust Sent"),
                    ("trust_refused", "Trust Refused"),
                    ("setup_state_changed", "Setup State Changed"),
                    ("first_data", "First Data"),
                    ("drift_found", "Drift Found"),
                    ("gone", "Gone"),
                    ("change_asked", "Change Asked"),
                    ("change_approved", "Change Approved"),
                    ("change_started", "Change Started"),
                    ("change_waits", "Change Waits"),
                    ("change_rejected", "Change Rejected"),
                    ("change_withdrawn", "Change Withdrawn"),
                    ("change_expired", "Change Expired"),
                    ("change_applied", "Change Applied"),
                    ("change_failed", "Change Failed"),
                ],
                max_length=30,
            ),
        ),
        migrations.CreateModel(
            name="ConnectionChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("pause", "Pause"),
                            ("unpause", "Unpause"),
                            ("schedule", "Change schedule"),
                            ("delete", "Delete connection"),
                        ],
                        editable=False,
                        max_length=20,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting for approval"),
                            ("approved", "Approved, in the queue"),
                            ("running", "Telling Fivetran"),
                            ("done", "Done"),
                            ("failed", "Not made"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "Withdrawn"),
                            ("expired", "Expired"),
                        ],
                        editable=False,
                        max_length=20,
                    ),
                ),
                (
                    "status_since",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
                ("reason", models.TextField()),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("body", models.JSONField(default=dict, editable=False)),
                ("digest", models.CharField(editable=False, max_length=64)),
                ("before", models.JSONField(default=dict, editable=False)),
                ("decided_at", models.DateTimeField(editable=False, null=True)),
                ("decision_reason", models.TextField(blank=True)),
                ("approved_at", models.DateTimeField(editable=False, null=True)),
                ("approved_digest", models.CharField(blank=True, editable=False, max_length=64)),
                ("approved_account", models.CharField(blank=True, editable=False, max_length=300)),
                ("token", models.UUIDField(editable=False, null=True)),
                ("lease_until", models.DateTimeField(editable=False, null=True)),
                ("next_try_at", models.DateTimeField(editable=False, null=True)),
                ("attempts_used", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("note", models.CharField(blank=True, editable=False, max_length=500)),
                ("failure_code", models.CharField(blank=True, editable=False, max_length=100)),
                ("failure_message", models.TextField(blank=True, editable=False)),
                (
                    "approved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="connections.connectionrequest",
                    ),
                ),
                (
                    "requester",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="connection_changes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "change of a connection",
                "verbose_name_plural": "changes of connections",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        models.F("request"), models.OrderBy(models.F("id"), descending=True), name="change_by_request"
                    ),
                    models.Index(
                        condition=models.Q(("status", connections.states.ChangeStatus["APPROVED"])),
                        fields=["next_try_at"],
                        name="change_due",
                    ),
                    models.Index(
                        condition=models.Q(("status", connections.states.ChangeStatus["PENDING"])),
                        fields=["created_at"],
                        name="change_pending",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    connections.states.ChangeStatus["APPROVED"],
                                    connections.states.ChangeStatus["PENDING"],
                                    connections.states.ChangeStatus["RUNNING"],
                                ],
                            )
                        ),
                        fields=("request",),
                        name="one_open_change",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "pending",
                                    "approved",
                                    "running",
                                    "done",
                                    "failed",
                                    "rejected",
                                    "withdrawn",
                                    "expired",
                                ],
                            )
                        ),
                        name="change_known_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["pause", "unpause", "schedule", "delete"])),
                        name="change_known_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("approved_by", models.F("requester")), _negated=True),
                        name="change_four_eyes",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                (
                                    "status__in",
                                    [
                                        connections.states.ChangeStatus["APPROVED"],
                                        connections.states.ChangeStatus["DONE"],
                                        connections.states.ChangeStatus["FAILED"],
                                        connections.states.ChangeStatus["RUNNING"],
                                    ],
                                ),
                                _negated=True,
                            ),
                            models.Q(
                                ("approved_at__isnull", False),
                                ("approved_by__isnull", False),
                                ("approved_digest", models.F("digest")),
                            ),
                            _connector="OR",
                        ),
                        name="change_approval_covers_the_body",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("digest", ""), _negated=True), models.Q(("reason", ""), _negated=True)
                        ),
                        name="change_is_complete",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", connections.states.ChangeStatus["RUNNING"]), _negated=True),
                            models.Q(("lease_until__isnull", False), ("token__isnull", False)),
                            _connector="OR",
                        ),
                        name="change_claim_has_token_and_lease",
                    ),
                ],
            },
        ),
    ]
