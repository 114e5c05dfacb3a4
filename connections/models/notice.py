"""Mails to people: rows that are written with the event that caused them, and sent once by the worker."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class NoticeKind(models.TextChoices):
    SUBMITTED = "submitted", "A request waits for approval"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    CHANGES_REQUESTED = "changes_requested", "Changes requested"
    EXPIRED = "expired", "Expired"
    CREATED = "created", "Created"
    FAILED = "failed", "Refused by Fivetran"
    ATTENTION = "attention", "Needs an operator"
    MENDED = "mended", "Can be submitted again"
    REASSIGNED = "reassigned", "Has another requester"
    HANDOVER = "handover", "Your credentials are needed"
    HANDOVER_CODE = "handover_code", "Your code"
    HANDOVER_REMINDER = "handover_reminder", "Your credentials are still needed"
    CONNECTED = "connected", "Connected"
    CHANGE_SUBMITTED = "change_submitted", "A change waits for approval"
    CHANGE_DECIDED = "change_decided", "A change was decided"
    CHANGE_ENDED = "change_ended", "A change was made, or not"
    TRUST_NEEDED = "trust_needed", "Something to trust waits for approval"
    PASSWORD_RESET = "password_reset", "Reset your password"
    SECOND_FACTOR = "second_factor", "Your second factor was changed or used"
    LOCAL_LOG_IN = "local_log_in", "Somebody logged in by a local password"


ABOUT_ACCOUNTS = (NoticeKind.PASSWORD_RESET, NoticeKind.SECOND_FACTOR, NoticeKind.LOCAL_LOG_IN)


class Notice(models.Model):
    """One mail to one person about one version of a request; with a batch about the whole batch."""

    request = models.ForeignKey("connections.ConnectionRequest", models.PROTECT, null=True, related_name="notices")
    batch = models.ForeignKey("connections.Batch", models.PROTECT, null=True, related_name="notices")
    kind = models.CharField(max_length=20, choices=NoticeKind.choices)
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    address = models.EmailField(blank=True)  # of somebody without an account
    version = models.PositiveIntegerField(default=0)
    dedup_key = models.PositiveIntegerField(default=0)  # tells notices of one kind about one version apart
    created_at = models.DateTimeField(db_default=Now())
    next_try_at = models.DateTimeField(db_default=Now())
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "mail"
        constraints = [
            models.UniqueConstraint(
                fields=["request", "kind", "recipient", "version", "dedup_key"], name="one_notice_per_person"
            ),
            models.UniqueConstraint(
                fields=["request", "kind", "address", "version", "dedup_key"],
                condition=models.Q(recipient=None),
                name="one_notice_per_address",
            ),
            models.CheckConstraint(
                condition=models.Q(recipient__isnull=False) | ~models.Q(address=""), name="notice_reaches_somebody"
            ),
            models.CheckConstraint(
                condition=models.Q(request__isnull=False) | models.Q(kind__in=ABOUT_ACCOUNTS, recipient__isnull=False),
                name="notice_has_a_subject",
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=models.Q(sent_at__isnull=True), name="notice_unsent"),
            models.Index(
                fields=["recipient", "kind", "sent_at"],
                condition=models.Q(sent_at__isnull=False),
                name="notice_told",
            ),
            models.Index(
                fields=["created_at"], condition=models.Q(kind=NoticeKind.PASSWORD_RESET), name="notice_password_reset"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of request {self.request_id}" if self.request_id else str(self.kind)
