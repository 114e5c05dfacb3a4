"""The request: one row a connection that somebody asked for, and `transition`, the only writer of its status."""

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from connections.models.event import Event, EventKind
from connections.next_step import NOT_FOUND, OPERATORS_CODES
from connections.states import DECIDED, LIVE, Actor, Status, find_transition

_NAME_HELD = Q(status__in=sorted(LIVE)) | Q(status=Status.CREATED, gone_at__isnull=True)
_UNNAMED = sorted({Status.DRAFT, Status.WITHDRAWN})


class IllegalTransition(Exception):
    """The table of `connections.states` has no such move, or not for this actor, or it needs a reason."""


class StaleRow(Exception):
    """The row no longer is where the caller saw it: somebody or something else moved first. Nothing was changed."""


class ConnectionRequestQuerySet(models.QuerySet["ConnectionRequest"]):
    """The questions that are asked about requests."""

    def waiting_for_approval(self) -> "ConnectionRequestQuerySet":
        """What an approver has to decide, oldest first."""
        return self.filter(status=Status.PENDING).order_by("submitted_at", "id")

    def due(self) -> "ConnectionRequestQuerySet":
        """Approved requests that may be sent now by the database's clock, in the order of their approval."""
        return self.filter(status=Status.APPROVED, next_try_at__lte=Now()).order_by("approved_at", "id")

    def holding(self, group_id: str, schema: str) -> "ConnectionRequestQuerySet":
        """The request that holds the destination name `schema` in the group, if any (at most one)."""
        return self.holding_names().filter(group_id=group_id, schema=schema)

    def holding_names(self) -> "ConnectionRequestQuerySet":
        """Every request that holds its destination name."""
        return self.filter(_NAME_HELD)

    def refused_for_operators(self) -> "ConnectionRequestQuerySet":
        """What Fivetran refused for a reason that operators mend, and nobody has submitted a copy of since."""
        codes = Q(failure_code__in=OPERATORS_CODES) | Q(failure_code__startswith=NOT_FOUND)
        return self.filter(codes, status=Status.FAILED, clones=None)

    def of_sources(self, source_keys: Collection[str]) -> "ConnectionRequestQuerySet":
        """The open requests and existing connections that read the sources of these keys; none for the empty key."""
        return self.filter(_NAME_HELD, source_key__in=set(source_keys) - {""})


class ConnectionRequest(models.Model):
    """A colleague's request for one connection, from draft to its end, with everything that was decided and sent."""

    status = models.CharField(max_length=20, choices=Status.choices(), editable=False)
    status_since = models.DateTimeField(db_default=Now(), editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="connection_requests")
    source_owner = models.CharField(max_length=254, blank=True)
    reason = models.TextField(blank=True)
    form_token = models.UUIDField(default=uuid.uuid4, editable=False)
    preset = models.ForeignKey("connections.Preset", models.PROTECT, null=True, blank=True, related_name="requests")
    cloned_from = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="clones")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
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
    first_sent_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    deadline_at = models.DateTimeField(null=True, editable=False)
    unknown_at = models.DateTimeField(null=True, editable=False)
    lookups = models.PositiveSmallIntegerField(default=0, editable=False)
    next_lookup_at = models.DateTimeField(null=True, editable=False)
    note = models.CharField(max_length=500, blank=True, editable=False)

    connection_id = models.CharField(  # noqa: DJ001  # NULL, not "": several rows without an id must not clash
        max_length=255, null=True, unique=True, editable=False
    )
    gone_at = models.DateTimeField(null=True, editable=False)
    failure_code = models.CharField(max_length=100, blank=True, editable=False)
    failure_message = models.TextField(blank=True, editable=False)

    objects = ConnectionRequestQuerySet.as_manager()

    class Meta:
        """Indexes for the lists, constraints that refuse impossible rows, and the portal's own permissions."""

        verbose_name = "connection request"
        permissions = [
            ("approve_request", "Can approve, reject and ask for changes"),
            ("view_all_requests", "Can see everybody's requests"),
            ("operate_portal", "Can settle requests that need a person, and pause sending"),
        ]
        indexes = [
            models.Index(F("requester"), F("id").desc(), name="request_by_requester"),
            models.Index(fields=["requester", "status"], name="request_by_requesters_status"),
            models.Index(F("status"), F("id").desc(), name="request_by_status"),
            models.Index(F("service"), F("id").desc(), name="request_by_service"),
            models.Index(F("group_id"), F("id").desc(), name="request_by_group"),
            models.Index(fields=["submitted_at"], name="request_by_submission"),
            models.Index(fields=["source_key"], name="request_by_source"),
            models.Index(fields=["next_try_at"], condition=Q(status=Status.APPROVED), name="request_due"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["requester", "form_token"], name="one_request_per_form"),
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
        """A short name for the admin and logs, without anything that was typed but the destination name."""
        return f"#{self.pk} {self.service or 'draft'} {self.schema}".strip()

    @property
    def state(self) -> Status:
        """The status as a member of the table, with its label."""
        return Status(self.status)


def open_request(
    *,
    status: Status,
    requester: User,
    actor: Actor = Actor.REQUESTER,
    by: User | None = None,
    why: str = "",
    detail: dict[str, Any] | None = None,
    **columns: Any,
) -> ConnectionRequest:
    """Insert a new request with its first event; runs in one transaction.

    It begins as a draft or pending, or, by an operator (`by`) who says `why`, as created: then the connection was made
    elsewhere. Raises IllegalTransition for another status, actor or without a needed reason, IntegrityError where a
    constraint refuses the row.
    """
    move = find_transition(None, status)
    if move is None or actor not in move.actors:
        raise IllegalTransition(f"A request cannot begin as {status}, or not by the {actor}.")
    if move.needs_reason and not why.strip():
        raise IllegalTransition(f"A request that begins as {status} needs a reason.")
    with transaction.atomic():
        request = ConnectionRequest.objects.create(status=status, requester=requester, **columns)
        Event.objects.create(
            request=request,
            kind=EventKind.MOVED,
            target=status,
            actor=actor,
            by=by or requester,
            reason=why.strip(),
            detail=detail or {},
            version=1,
        )
    request.refresh_from_db()
    return request


def transition(
    request: ConnectionRequest,
    target: Status,
    *,
    actor: Actor,
    by: User | None = None,
    reason: str = "",
    guard: Q | None = None,
    detail: dict[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Move `request` from the status it was read with to `target`: one conditional UPDATE and one event row.

    The row must be as it was read: in the same version. `guard` narrows the UPDATE further (a token, a digest, a lease
    by `Now()`); `changes` are columns written by the same statement and may be expressions (`columns` too, for names
    that are parameters here); `reason` and `detail` go to the event. Afterwards `request` has what was written; what
    the database computed is read when it is asked for.
    Raises IllegalTransition (no such move, wrong actor, reason missing), StaleRow (not exactly one row matched),
    IntegrityError (a constraint refused: the caller's transaction, if any, is lost with it). In each of these cases
    nothing was written.
    """
    source = request.state
    move = find_transition(source, target)
    if move is None or actor not in move.actors:
        raise IllegalTransition(f"{actor} cannot move a request from {source} to {target}.")
    if move.needs_reason and not reason.strip():
        raise IllegalTransition(f"Moving a request from {source} to {target} needs a reason.")
    written = {"status_since": Now(), **changes, **(columns or {})}
    version = request.version + 1
    seen = ConnectionRequest.objects.filter(guard or Q(), pk=request.pk, status=source, version=request.version)
    with transaction.atomic(savepoint=False):
        changed = seen.update(status=target, version=version, **written)
        if changed == 1:
            Event.objects.create(
                request=request,
                kind=EventKind.MOVED,
                source=source,
                target=target,
                actor=actor,
                by=by,
                reason=reason.strip(),
                detail=detail or {},
                version=version,
            )
    if changed != 1:
        raise StaleRow(f"Request {request.pk} is no longer {source}, or no longer as it was seen.")
    for name, value in {"status": target.value, "version": version, **written}.items():
        _take_over(request, name, value)


def _take_over(request: ConnectionRequest, name: str, value: Any) -> None:
    """Give `request` a column as it was written, or have Django read it when it is asked for."""
    column: Any = ConnectionRequest._meta.get_field(name)
    if hasattr(value, "resolve_expression") or isinstance(column, models.JSONField):
        request.__dict__.pop(column.attname, None)
    else:
        setattr(request, name, value)
