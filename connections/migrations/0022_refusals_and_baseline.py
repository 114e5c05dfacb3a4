"""What Fivetran said of a connection when it was created; an event and a notice of a refusal that was mended."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0021_password_reset"),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="baseline",
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict),
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
                    ("refusal_mended", "Refusal Mended"),
                ],
                max_length=30,
            ),
        ),
        migrations.AlterField(
            model_name="notice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("submitted", "A request waits for approval"),
                    ("approved", "Approved"),
                    ("rejected", "Rejected"),
                    ("changes_requested", "Changes requested"),
                    ("expired", "Expired"),
                    ("created", "Created"),
                    ("failed", "Refused by Fivetran"),
                    ("attention", "Needs an operator"),
                    ("mended", "Can be submitted again"),
                    ("handover", "Your credentials are needed"),
                    ("handover_code", "Your code"),
                    ("handover_reminder", "Your credentials are still needed"),
                    ("connected", "Connected"),
                    ("change_submitted", "A change waits for approval"),
                    ("change_decided", "A change was decided"),
                    ("change_ended", "A change was made, or not"),
                    ("trust_needed", "Something to trust waits for approval"),
                    ("password_reset", "Reset your password"),
                ],
                max_length=20,
            ),
        ),
    ]
