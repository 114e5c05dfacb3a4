"""The portal's one record: a row for every transition of a request, and for every other thing that somebody did."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now

from connections.models.request import ConnectionRequest
from connections.states import Actor, Status
from portal.caller import address_of_caller

LENGTHS = {"typed_name": 254, "about_kind": 30, "about_id": 200, "about_name": 300}
_AT_ONCE = 1000  # rows in one statement
PERSON = "user"  # `about_kind` of an event about a person


class EventKind(StrEnum):
    MOVED = "moved"
    TESTS_REQUESTED = "tests_requested"
    TESTS_STORED = "tests_stored"
    DRY_RUN_ASKED = "dry_run_asked"
    # The hand-over of the credentials to the source owner.
    HANDOVER_SENT = "handover_sent"
    HANDOVER_OPENED = "handover_opened"
    CARD_ISSUED = "card_issued"
    CARD_EXPIRED = "card_expired"
    HANDOVER_RETURNED = "handover_returned"
    HANDOVER_PASSED_ON = "handover_passed_on"
    HANDOVER_REMINDED = "handover_reminded"
    HANDOVER_REVOKED = "handover_revoked"
    HANDOVER_DONE = "handover_done"
    # Certificates and SSH fingerprints that a person approved.
    TRUST_APPROVED = "trust_approved"
    TRUST_SENT = "trust_sent"
    TRUST_REFUSED = "trust_refused"
    # What was seen at Fivetran after the creation.
    SETUP_STATE_CHANGED = "setup_state_changed"
    FIRST_DATA = "first_data"
    DRIFT_FOUND = "drift_found"
    GONE = "gone"
    # Changes of a connection that exists, each with its own approval.
    CHANGE_ASKED = "change_asked"
    CHANGE_APPROVED = "change_approved"
    CHANGE_STARTED = "change_started"
    CHANGE_WAITS = "change_waits"
    CHANGE_REJECTED = "change_rejected"
    CHANGE_WITHDRAWN = "change_withdrawn"
    CHANGE_EXPIRED = "change_expired"
    CHANGE_APPLIED = "change_applied"
    CHANGE_FAILED = "change_failed"
    # An operator did what was to be done after a refusal.
    REFUSAL_MENDED = "refusal_mended"
    # What was done to a request beside its way; `detail` of an edit: {"changed": [{"field", "before", "after"}, ...]}.
    EDITED = "edited"
    REASSIGNED = "reassigned"
    SHARED = "draft_shared"
    UNSHARED = "draft_unshared"
    MAIL_TRIED_AGAIN = "mail_tried_again"
    # What concerns no request, or many.
    LOGGED_IN = "logged_in"
    LOG_IN_REFUSED = "log_in_refused"
    LOGGED_OUT = "logged_out"
    SECOND_FACTOR_CHANGED = "second_factor_changed"
    ACCOUNT_CHANGED = "account_changed"  # its name, its addresses, its password, and by whom it is let in
    SENDING_PAUSED = "sending_paused"
    SENDING_RESUMED = "sending_resumed"
    WORK_PAUSED = "work_paused"  # of one kind
    WORK_RESUMED = "work_resumed"
    CATALOG_ASKED_FOR = "catalog_asked_for"
    EXPORTED = "exported"
    RULE_CHANGED = "rule_changed"
    POLICY_CHANGED = "policy_changed"
    RIGHTS_CHANGED = "rights_changed"  # groups, permissions, staff, superuser, active; `about` is whose
    ERASED = "erased"  # personal fields, by the retention rule


class About(NamedTuple):
    """What an event concerns, where that is no row: ("page", "/history/", "Requests")."""

    kind: str
    id: str = ""
    name: str = ""


class EventManager(models.Manager["Event"]):
    def note(
        self,
        request: Any,
        kind: EventKind,
        *,
        actor: Actor,
        by: Any = None,
        reason: str = "",
        detail: dict[str, Any] | None = None,
    ) -> "Event":
        """Write an event that is no transition, in the caller's transaction. Of `detail` the timeline shows `why`, and
        `who` for somebody without an account.
        """
        version = type(request).objects.values_list("version", flat=True).get(pk=request.pk)
        return self.create(
            request=request, kind=kind, actor=actor, by=by, reason=reason, detail=detail or {}, version=version
        )

    def record(
        self,
        kind: EventKind,
        *,
        by: Any,
        about: models.Model | About | None = None,
        detail: dict[str, Any] | None = None,
        reason: str = "",
        typed_name: str = "",
        actor: Actor | None = None,
    ) -> "Event":
        """Write an event about a request, another row, something else or nothing, in the caller's transaction.

        `by` may be nobody (None, AnonymousUser), then `typed_name` is who somebody said to be. The address is that of
        the HTTP request that is being answered.
        """
        return self.create(
            kind=kind,
            by=by if by is not None and by.pk else None,
            typed_name=_storable(typed_name, "typed_name"),
            detail=detail or {},
            reason=reason.strip(),
            actor=actor or "",
            **_columns_about(about),
        )

    def record_each(self, kind: EventKind, *, by: Any, about: Iterable[models.Model], detail: dict[str, Any]) -> None:
        """As `record`, the same of many rows."""
        person = by if by is not None and by.pk else None
        rows = (self.model(kind=kind, by=person, detail=detail, **_columns_about(one)) for one in about)
        self.bulk_create(rows, batch_size=_AT_ONCE)


def _columns_about(about: models.Model | About | None) -> dict[str, Any]:
    if about is None:
        return {}
    if isinstance(about, ConnectionRequest):
        return {"request": about, "version": about.version}
    if isinstance(about, models.Model):
        about = About(str(about._meta.model_name), str(about.pk), str(about))
    return {f"about_{name}": _storable(text, f"about_{name}") for name, text in about._asdict().items()}


def _storable(text: str, column: str) -> str:
    """What strangers typed may be longer than the column, and hold what PostgreSQL stores in no text."""
    plain = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return plain[: LENGTHS[column]]


class Event(models.Model):
    """Rows are never changed; the database refuses it too."""

    request = models.ForeignKey("connections.ConnectionRequest", models.PROTECT, null=True, related_name="events")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=30, choices=[(k.value, k.name.title().replace("_", " ")) for k in EventKind])
    source = models.CharField(max_length=20, blank=True, choices=Status.choices())
    target = models.CharField(max_length=20, blank=True, choices=Status.choices())
    actor = models.CharField(max_length=20, blank=True, choices=[(a.value, a.value) for a in Actor])
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, db_index=False, related_name="+")
    # Defaults of the database too: processes of the version before write rows while a new one is rolled out.
    address = models.CharField(max_length=39, blank=True, default=address_of_caller, db_default=Value(""))
    typed_name = models.CharField(max_length=LENGTHS["typed_name"], blank=True, default="", db_default=Value(""))
    # What it concerns beside a request: a row by the name of its model, or another thing (`About`).
    about_kind = models.CharField(max_length=LENGTHS["about_kind"], blank=True, default="", db_default=Value(""))
    about_id = models.CharField(max_length=LENGTHS["about_id"], blank=True, default="", db_default=Value(""))
    about_name = models.CharField(max_length=LENGTHS["about_name"], blank=True, default="", db_default=Value(""))
    reason = models.TextField(blank=True)
    detail = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0)  # of the request, after what happened

    objects = EventManager()

    class Meta:
        verbose_name = "event"
        verbose_name_plural = "events"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["by", "at"], name="event_by_person"),
            # For the record's filters. The many moves of requests are in as few of them as can be.
            models.Index(fields=["address", "-id"], condition=~models.Q(address=""), name="event_by_address"),
            models.Index(fields=["kind", "-id"], condition=~models.Q(kind=EventKind.MOVED), name="event_by_kind"),
            models.Index(fields=["about_id"], condition=models.Q(about_kind=PERSON), name="event_about_person"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "version"], condition=models.Q(kind=EventKind.MOVED), name="one_event_per_move"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source}→{self.target}" if self.target else str(self.kind)
