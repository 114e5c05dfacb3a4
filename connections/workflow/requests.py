"""Drafts, submissions, edits, withdrawals, and what a copy begins with."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from connections import interactive, limits, notifications, permissions, tasks
from connections.models import (
    ConnectionRequest,
    Event,
    EventKind,
    NoticeKind,
    Preset,
    StaleRow,
    Writer,
    filed_for,
    open_request,
    transition,
)
from connections.spec import payloads, source_key
from connections.spec.differences import changed_fields
from connections.states import Actor, Status

Unreachable = interactive.Unreachable  # pages know the verbs and not who asks Fivetran for them


class Unknown(Exception):
    """Fivetran knows no such connection."""


class NameTaken(Exception):
    """Another open request or connection, `holder`, has this destination name in the group."""

    def __init__(self, holder: ConnectionRequest) -> None:
        super().__init__("The destination name is taken.")
        self.holder = holder


@dataclass(frozen=True)
class Filing:
    """A filled form: its values, the names of its ids, and the token that makes it count once."""

    values: Mapping[str, Any]
    service_name: str = ""
    group_name: str = ""
    idempotency_key: uuid.UUID | None = None
    cloned_from: ConnectionRequest | None = None
    preset: Preset | None = None
    team: int | None = None  # its id, where the requester is in several; 0 for none of them

    @property
    def into(self) -> permissions.Into:
        group_id, service = (str(self.values.get(path) or "") for path in ("group_id", "service"))
        return permissions.Into(group_id, service, self.group_name)

    @cached_property
    def asked(self) -> payloads.Asked:
        return payloads.Asked(self.values)


def _columns(filing: Filing, requester: User) -> dict[str, Any]:
    """The columns that hold what was typed, and those that lists and filters read."""
    values = dict(filing.values)
    limits.check_size(payloads.canonical(values))
    service, group_id = str(values.get("service") or ""), str(values.get("group_id") or "")
    schema = filing.asked.name
    words = (schema, service, filing.service_name, group_id, filing.group_name, requester.get_username())
    texts = {
        "reason": str(values.get("reason") or ""),
        "source_owner": str(values.get("source_owner") or ""),
        "service": service,
        "service_name": filing.service_name or service,
        "group_id": group_id,
        "group_name": filing.group_name or group_id,
        "schema": schema,
        "search": " ".join(word for word in words if word).lower(),
    }
    # Cut to what a column holds: a draft may have longer texts, which the form refuses at the submission.
    longest = {name: getattr(ConnectionRequest._meta.get_field(name), "max_length", None) for name in texts}
    return {"values": values, "saved_at": Now(), **{name: text[: longest[name]] for name, text in texts.items()}}


def _body_columns(filing: Filing) -> dict[str, Any]:
    asked, body = filing.asked, filing.asked.body
    limits.check_size(asked.spelled)
    source = source_key.source_key(str(body.get("service", "")), body.get("config", {}))
    return {"payload": body, "digest": asked.digest, "source_key": source, "submitted_at": Now()}


def save_draft(*, by: User, filing: Filing, conn_request: ConnectionRequest | None = None) -> ConnectionRequest:
    """Keep what was typed, complete or not. Raises LimitReached for a draft too many, or too much text."""
    permissions.check_writes(by)
    if conn_request is None:
        try:
            if stored := _existing(by, filing):
                return stored
            with transaction.atomic():
                limits.check_new_draft(by)
                return _open(Status.DRAFT, by, filing)
        except IntegrityError:  # the same form was sent twice at the same moment
            first = _existing(by, filing)
            if first is None:
                raise
            return first
    permissions.check_can_edit(by, conn_request)
    if conn_request.state is not Status.DRAFT:
        raise permissions.Denied("It was submitted already: submit the changes, or leave it as it is.")
    columns = _columns(filing, conn_request.requester) | _team_column(filing, by, conn_request)
    changed = changed_fields(conn_request.values, filing.values)
    if columns["values"] != conn_request.values:  # else it is the same draft, and what was tested is what it holds
        columns["version"] = F("version") + 1
    drafts = ConnectionRequest.objects.filter(_still_open_to(by, conn_request), status=Status.DRAFT)
    with transaction.atomic():
        if drafts.filter(pk=conn_request.pk, version=conn_request.version).update(**columns) != 1:
            raise StaleRow("The draft was changed in another window.")
        _record_writer(by, conn_request)
        if changed and conn_request.shared_at:  # what somebody types for nobody else is nobody else's to read
            detail = {"changed": changed}
            Event.objects.note(conn_request, EventKind.EDITED, actor=Actor.REQUESTER, by=by, detail=detail)
    conn_request.refresh_from_db()
    return conn_request


def _existing(by: User, filing: Filing) -> ConnectionRequest | None:
    if filing.idempotency_key is None:
        return None
    return ConnectionRequest.objects.filter(requester_id=by.pk, idempotency_key=filing.idempotency_key).first()


def _open(status: Status, by: User, filing: Filing, **more: Any) -> ConnectionRequest:
    return open_request(
        status=status,
        requester=by,
        idempotency_key=filing.idempotency_key or uuid.uuid4(),
        cloned_from=filing.cloned_from,
        team_id=filing.team,
        preset=filing.preset,  # for good: an edit cannot get rid of what it fixes and of who approves
        **_columns(filing, by),
        **more,
    )


def submit(
    *, by: User, filing: Filing, conn_request: ConnectionRequest | None = None, announce: bool = True
) -> ConnectionRequest:
    """Ask for the approval of a new request, a draft, one sent back, or an edited pending one.

    The same form sent twice is one request. Without `announce` the caller tells and counts. Raises LimitReached,
    NameTaken.
    """
    stored = conn_request or _existing(by, filing)
    preset = stored.preset if stored else filing.preset
    approvers = permissions.approvers_for(by, preset, stored, filing.into)
    permissions.check_can_file(by, preset, approvers, filing.into)
    if conn_request is None:
        conn_request = stored
        if conn_request is not None and conn_request.state is not Status.DRAFT:
            return conn_request
    if conn_request is not None:
        permissions.check_can_edit(by, conn_request)
    try:
        with transaction.atomic():
            if announce:
                limits.check_submission(by, opens=conn_request is None or conn_request.state is Status.DRAFT)
            conn_request = _to_pending(by, filing, conn_request)
            if announce:
                notifications.notify(conn_request, NoticeKind.SUBMITTED, *approvers)
                tasks.enqueue_on_commit("notify")
    except (IntegrityError, limits.TooMany) as error:
        first = _existing(by, filing) if conn_request is None else None
        if first is not None:
            # The same form, a moment ago: submitted, or saved as a draft, which is then what is submitted.
            is_draft = first.state is Status.DRAFT
            return submit(by=by, filing=filing, conn_request=first, announce=announce) if is_draft else first
        if isinstance(error, limits.TooMany):
            raise
        columns = _columns(filing, by)
        holder = ConnectionRequest.objects.holding(columns["group_id"], columns["schema"]).first()
        if holder is None:
            raise
        raise NameTaken(holder) from None
    return conn_request


def _to_pending(by: User, filing: Filing, conn_request: ConnectionRequest | None) -> ConnectionRequest:
    if conn_request is None:
        return _open(Status.PENDING, by, filing, **_body_columns(filing))
    _take_latest_draft(conn_request)
    others_read = conn_request.state is not Status.DRAFT or conn_request.shared_at is not None
    # A new version and digest: an approver who looked at the old ones cannot approve it any more.
    transition(
        conn_request,
        Status.PENDING,
        actor=Actor.REQUESTER,
        by=by,
        guard=_still_open_to(by, conn_request),
        detail={"changed": changed_fields(conn_request.values, filing.values)} if others_read else None,
        columns={
            **_columns(filing, conn_request.requester),
            **_body_columns(filing),
            **_team_column(filing, by, conn_request),
        },
        decided_by=None,
        decided_at=None,
        decision_reason="",
    )
    _record_writer(by, conn_request)
    return conn_request


def _team_column(filing: Filing, by: User, conn_request: ConnectionRequest) -> dict[str, Any]:
    """The team of a draft. It cannot be changed once others have read of it, and is another one once its requester has
    left it.
    """
    if conn_request.state is not Status.DRAFT or by.pk != conn_request.requester_id:
        return {}
    if conn_request.shared_at is not None and conn_request.team_id in permissions.team_ids(by):
        return {}
    if filing.team and filing.team not in permissions.team_ids(by):
        raise permissions.Denied("You are not in this team.")
    if filing.team is not None:
        return {"team_id": filing.team or None, "shared_at": None}
    if conn_request.team_id is None:
        return {}
    kept = Coalesce(filed_for(by.pk, conn_request.team_id), filed_for(by.pk))
    return {"team_id": kept, "shared_at": None}


def _record_writer(by: User, conn_request: ConnectionRequest) -> None:
    """A colleague who wrote a version can never decide on the request."""
    if by.pk != conn_request.requester_id:
        Writer.objects.get_or_create(request=conn_request, person=by)


def _still_open_to(by: User, conn_request: ConnectionRequest) -> Q:
    """For the write itself: a draft may have become private again since a colleague read it."""
    is_draft = conn_request.state is Status.DRAFT
    return Q(shared_at__isnull=False) if is_draft and by.pk != conn_request.requester_id else Q()


def _take_latest_draft(conn_request: ConnectionRequest) -> None:
    # What happens to a draft counts for what was saved a moment ago, perhaps by its form in another window; what was
    # saved in one that is shared may be a colleague's.
    if conn_request.state is Status.DRAFT and conn_request.shared_at is None:
        drafts = ConnectionRequest.objects.select_for_update()
        conn_request.refresh_from_db(fields=["version"], from_queryset=drafts)


def withdraw(*, by: User, conn_request: ConnectionRequest, reason: str = "") -> None:
    """Take back a request that no worker has claimed."""
    permissions.check_can_withdraw(by, conn_request)
    with transaction.atomic():
        _take_latest_draft(conn_request)
        transition(conn_request, Status.WITHDRAWN, actor=Actor.REQUESTER, by=by, reason=reason, next_try_at=None)


def clone_values(*, by: User, conn_request: ConnectionRequest) -> dict[str, Any]:
    """The values with which a form for a copy of `conn_request` begins; nothing is stored."""
    permissions.check_can_clone(by, conn_request)
    # Destination names are permanent and unique: a copy needs its own, unless the original's was never used.
    keep_names = conn_request.state in (Status.FAILED, Status.REJECTED, Status.WITHDRAWN, Status.EXPIRED)
    return payloads.copied(conn_request.values, keep_names=keep_names)


def live_values(*, by: User, connection_id: str) -> dict[str, Any]:
    """The values of a copy of a connection, as Fivetran has it now. Raises Denied, Unknown, Unreachable (after 5
    seconds at most).
    """
    permissions.check_can_copy_live(by, connection_id)
    data = interactive.existing(connection_id)
    into = permissions.Into(str((data or {}).get("group_id")), str((data or {}).get("service")))
    # Whoever may not read it does not learn that it is there.
    if data is None or not permissions.may_copy_from(by, connection_id, into):
        raise Unknown("Fivetran knows no connection with this id.")
    return payloads.described(data)
