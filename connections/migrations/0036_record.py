"""The history of requests becomes the portal's one record: of log-ins, exports and rules too, with the address.

PostgreSQL adds these columns without writing the rows anew.

The way back removes the events that the version before cannot read: those about no request, and those of a kind that it
does not know. Export the record before you take it.
"""

from importlib import import_module

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import portal.caller

NEW_KINDS = (
    *("edited", "reassigned", "draft_shared", "draft_unshared"),
    *("logged_in", "log_in_refused", "logged_out", "second_factor_changed", "account_changed"),
    *("sending_paused", "sending_resumed", "work_paused", "work_resumed", "catalog_asked_for", "mail_tried_again"),
    *("exported", "rule_changed", "policy_changed", "rights_changed", "erased"),
)


def remove_unreadable(apps, schema_editor):
    triggers = import_module("connections.migrations.0004_events_append_only")
    triggers.allow_changes(apps, schema_editor)
    unreadable = models.Q(request=None) | models.Q(kind__in=NEW_KINDS)
    apps.get_model("connections", "Event").objects.filter(unreadable).delete()
    triggers.refuse_changes(apps, schema_editor)


def refuse_changes(apps, schema_editor):
    # SQLite makes the table anew, and loses its triggers.
    if schema_editor.connection.vendor == "sqlite":
        import_module("connections.migrations.0004_events_append_only").refuse_changes(apps, schema_editor)


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0035_teams"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, refuse_changes, elidable=False),
        migrations.AlterModelOptions(
            name="event",
            options={"ordering": ["-id"], "verbose_name": "event", "verbose_name_plural": "events"},
        ),
        migrations.AddField(
            model_name="event",
            name="about_id",
            field=models.CharField(blank=True, db_default=models.Value(""), default="", max_length=200),
        ),
        migrations.AddField(
            model_name="event",
            name="about_kind",
            field=models.CharField(blank=True, db_default=models.Value(""), default="", max_length=30),
        ),
        migrations.AddField(
            model_name="event",
            name="about_name",
            field=models.CharField(blank=True, db_default=models.Value(""), default="", max_length=300),
        ),
        migrations.AddField(
            model_name="event",
            name="address",
            field=models.CharField(
                blank=True,
                db_default=models.Value(""),
                default=portal.caller.address_of_caller,
                max_length=39,
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="typed_name",
            field=models.CharField(blank=True, db_default=models.Value(""), default="", max_length=254),
        ),
        migrations.AlterField(
            model_name="event",
            name="actor",
            field=models.CharField(
                blank=True,
                choices=[
                    ("requester", "requester"),
                    ("approver", "approver"),
                    ("operator", "operator"),
                    ("source owner", "source owner"),
                    ("worker", "worker"),
                    ("sweeper", "sweeper"),
                    ("reconciler", "reconciler"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="kind",
            field=models.CharField(
                choices=[
                    ("moved", "Moved"),
                    ("tests_requested", "Tests Requested"),
                    ("tests_stored", "Tests Stored"),
                    ("dry_run_asked", "Dry Run Asked"),
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
                    ("refusal_mended", "Refusal Mended"),
                    ("edited", "Edited"),
                    ("reassigned", "Reassigned"),
                    ("draft_shared", "Shared"),
                    ("draft_unshared", "Unshared"),
                    ("mail_tried_again", "Mail Tried Again"),
                    ("logged_in", "Logged In"),
                    ("log_in_refused", "Log In Refused"),
                    ("logged_out", "Logged Out"),
                    ("second_factor_changed", "Second Factor Changed"),
                    ("account_changed", "Account Changed"),
                    ("sending_paused", "Sending Paused"),
                    ("sending_resumed", "Sending Resumed"),
                    ("work_paused", "Work Paused"),
                    ("work_resumed", "Work Resumed"),
                    ("catalog_asked_for", "Catalog Asked For"),
                    ("exported", "Exported"),
                    ("rule_changed", "Rule Changed"),
                    ("policy_changed", "Policy Changed"),
                    ("rights_changed", "Rights Changed"),
                    ("erased", "Erased"),
                ],
                max_length=30,
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="request",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="events",
                to="connections.connectionrequest",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="version",
            field=models.PositiveIntegerField(default=0),
        ),
        # The index of person and time finds the person too: there are as many to write as before.
        migrations.AlterField(
            model_name="event",
            name="by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(condition=~models.Q(address=""), fields=["address", "-id"], name="event_by_address"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(condition=~models.Q(kind="moved"), fields=["kind", "-id"], name="event_by_kind"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(condition=models.Q(about_kind="user"), fields=["about_id"], name="event_about_person"),
        ),
        migrations.RunPython(refuse_changes, remove_unreadable, elidable=False),
    ]
