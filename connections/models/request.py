"""The request for one connection."""

import uuid
from collections.abc import Collection

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce, Lower, Now

from connections.states import DECIDED, LIVE, Owner, Status

_NAME_HELD = Q(status__in=sorted(LIVE)) | Q(status=Status.CREATED, deleted_at_fivetran_at__isnull=True)
# An order: what waits for a decision is on top, drafts are at the end. With its values in its text, not as parameters,
# SQLite too finds the index for it.
WAITING_FIRST = Func(
    F("status"),
    template=f"CASE %(expressions)s WHEN '{Status.PENDING}' THEN 0 WHEN '{Status.DRAFT}' THEN 2 ELSE 1 END",
    output_field=models.SmallIntegerField(),
)
LEFT_THE_QUEUE = (Status.CREATED, Status.FAILED, Status.WITHDRAWN, Status.ATTENTION)
_UNNAMED = sorted({Status.DRAFT, Status.WITHDRAWN})


class ConnectionRequestQuerySet(models.QuerySet["ConnectionRequest"]):
    def due(self) -> "ConnectionRequestQuerySet":
        """Approved requests that may be sent now by the database's clock, in the order of their approval."""
        return self.filter(status=Status.APPROVED, next_try_at__lte=Now()).order_by("approved_at", "id")

    def holding(self, group_id: str, schema: str) -> "ConnectionRequestQuerySet":
        """The request that holds the destination name `schema` in the group: at most one."""
        return self.holding_names().filter(group_id=group_id, schema=schema)

    def holding_names(self) -> "ConnectionRequestQuerySet":
        return self.filter(_NAME_HELD)

    def refused_for_operators(self) -> "ConnectionRequestQuerySet":
        """Refusals that operators mend, and of which nobody has submitted a copy since."""
        return self.filter(status=Status.FAILED, turn=Owner.OPERATOR, clones=None)

    def of_sources(self, source_keys: Collection[str]) -> "ConnectionRequestQuerySet":
        """The open requests and existing connections that read these sources; none for the empty key."""
        return self.filter(_NAME_HELD, source_key__in=set(source_keys) - {""})


class Approvable(models.Model):
    """What a request and a change of a connection have alike: a decision, and the claim of the worker who obeys it."""

    status_since = models.DateTimeField(db_default=Now(), editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True, editable=False)
    decision_reason = models.TextField(blank=True)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True, editable=False)
    approved_digest = models.CharField(max_length=64, blank=True, editable=False)
    # The Fivetran account (API root and id) for which it was approved; it is never sent to another one.
    approved_account = models.CharField(max_length=300, blank=True, editable=False)

    # The worker's own: a claim is a token with a lease; every time is the database's clock.
    token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    next_try_at = models.DateTimeField(null=True, editable=False)
    attempts_used = models.PositiveSmallIntegerField(default=0, editable=False)
    note = models.CharField(max_length=500, blank=True, editable=False)
    failure_code = models.CharField(max_length=100, blank=True, editable=False)
    failure_message = models.TextField(blank=True, editable=False)

    class Meta:
        abstract = True


class ConnectionRequest(Approvable):
    status = models.CharField(max_length=20, choices=Status.choices(), editable=False)
    # The owner of its `next_step`, as far as the rows tell: written by `transition` and `store_turn`.
    turn = models.CharField(
        max_length=20, choices=[(o.value, o.value) for o in Owner], default=Owner.NOBODY.value, editable=False
    )

    requester = models.ForeignKey(  # whose index others begin with
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="connection_requests", db_index=False
    )
    # Whose members see and continue it; a draft only from the moment it is shared.
    team = models.ForeignKey(
        "connections.Team", models.SET_NULL, null=True, blank=True, related_name="requests", db_index=False
    )
    shared_at = models.DateTimeField(null=True, editable=False)
    source_owner = models.CharField(max_length=254, blank=True)
    reason = models.TextField(blank=True)
    idempotency_key = models.UUIDField(default=uuid.uuid4, editable=False)
    preset = models.ForeignKey("connections.Preset", models.PROTECT, null=True, blank=True, related_name="requests")
    cloned_from = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="clones")
    saved_at = models.DateTimeField(null=True, editable=False)  # when its values were last written
    submitted_at = models.DateTimeField(null=True, editable=False)

    # What was typed (path -> value) and, from the submission on, the very body that will be sent.
    values = models.JSONField(default=dict, editable=False)
    payload = models.JSONField(null=True, editable=False)
    digest = models.CharField(max_length=64, blank=True, editable=False)

    # Written beside the body so that lists, filters and constraints need not open it.
    service = models.CharField(max_length=100, blank=True)
    service_name = models.CharField(max_length=200, blank=True)
    group_id = models.CharField(max_length=100, blank=True)
    group_name = models.CharField(max_length=200, blank=True)
    schema = models.CharField(max_length=200, blank=True)
    # The hash that two requests share which read the same source (`spec.source_key`); empty where none is known.
    source_key = models.CharField(max_length=64, blank=True, editable=False)
    search = models.TextField(blank=True, editable=False)

    first_sent_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    deadline_at = models.DateTimeField(null=True, editable=False)
    unknown_at = models.DateTimeField(null=True, editable=False)
    lookups = models.PositiveSmallIntegerField(default=0, editable=False)
    next_lookup_at = models.DateTimeField(null=True, editable=False)

    connection_id = models.CharField(  # noqa: DJ001  # NULL, not "": several rows without an id must not clash
        max_length=255, null=True, unique=True, editable=False
    )
    deleted_at_fivetran_at = models.DateTimeField("gone at", null=True, editable=False)

    objects = ConnectionRequestQuerySet.as_manager()

    class Meta:
        verbose_name = "connection request"
        permissions = [
            ("approve_request", "Can approve, reject and ask for changes"),
            ("view_all_requests", "Can see everybody's requests"),
            ("operate_portal", "Can settle requests that need a person, and pause sending"),
            ("read_record", "Can read and export the record of what everybody did"),
        ]
        indexes = [
            models.Index(F("requester"), F("id").desc(), name="request_by_requester"),
            models.Index(fields=["requester", "status"], name="request_by_requesters_status"),
            # Partial: the requests of people without a team pay nothing for it.
            models.Index(
                *(F("team"), F("id").desc(), F("submitted_at"), F("shared_at")),
                condition=Q(team__isnull=False),
                name="request_by_team",
            ),
            models.Index(
                *(F("team"), F("status"), F("id").desc(), F("deleted_at_fivetran_at")),
                condition=Q(team__isnull=False),
                name="request_by_teams_status",
            ),
            # The last columns, here and below, so that what exists for somebody is counted by the index alone.
            models.Index(F("status"), F("id").desc(), F("deleted_at_fivetran_at"), name="request_by_status"),
            models.Index(F("service"), F("id").desc(), name="request_by_service"),
            models.Index(F("group_id"), F("id").desc(), F("submitted_at"), name="request_by_group"),
            models.Index(
                *(F("group_id"), F("status"), F("id").desc(), F("deleted_at_fivetran_at")),
                name="request_by_groups_status",
            ),
            models.Index(fields=["submitted_at"], name="request_by_submission"),
            models.Index(fields=["source_key"], name="request_by_source"),
            models.Index(fields=["next_try_at"], condition=Q(status=Status.APPROVED), name="request_due"),
            # The other orders of the history.
            models.Index(Lower("service_name"), F("id").desc(), name="request_by_service_name"),
            models.Index(Lower("group_name"), F("id").desc(), name="request_by_group_name"),
            models.Index(Lower("schema"), F("id").desc(), name="request_by_schema"),
            models.Index(Coalesce("submitted_at", "created_at"), F("id").desc(), name="request_by_age"),
            models.Index(WAITING_FIRST, F("id").desc(), name="request_waiting_first"),  # the admin's
            models.Index(
                fields=["status_since"],
                name="request_by_last_move",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["requester", "idempotency_key"], name="one_request_per_form"),
            models.UniqueConstraint(fields=["group_id", "schema"], condition=_NAME_HELD, name="one_request_per_name"),
            models.CheckConstraint(condition=Q(status__in=[s.value for s in Status]), name="known_status"),
            models.CheckConstraint(condition=~Q(approved_by=F("requester")), name="four_eyes"),
            models.CheckConstraint(
                condition=~Q(status__in=sorted(DECIDED))
                | Q(approved_by__isnull=False, approved_at__isnull=False, approved_digest=F("digest")),
                name="approval_covers_the_body",
            ),
            models.CheckConstraint(
                condition=Q(status__in=_UNNAMED)
                | (~Q(service="") & ~Q(group_id="") & ~Q(schema="") & ~Q(digest="") & Q(submitted_at__isnull=False)),
                name="submitted_is_complete",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.CREATED, connection_id__isnull=False)
                | (~Q(status=Status.CREATED) & Q(connection_id__isnull=True)),
                name="connection_id_iff_created",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[Status.CLAIMED, Status.SENDING])
                | Q(token__isnull=False, lease_until__isnull=False),
                name="claim_has_token_and_lease",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.SENDING) | Q(sent_at__isnull=False, first_sent_at__isnull=False),
                name="sending_says_since_when",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.service or 'draft'} {self.schema}".strip()

    @property
    def state(self) -> Status:
        return Status(self.status)
