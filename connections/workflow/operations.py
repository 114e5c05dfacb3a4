"""What operators do: settle a request that needs a person, pause or resume sending, refresh the catalog."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from connections import catalog, interactive, limits, notifications, permissions, tasks
from connections.models import (
    CatalogEntry,
    CatalogRefresh,
    CircuitBreaker,
    Connection,
    ConnectionRequest,
    Event,
    EventKind,
    IllegalTransition,
    Kind,
    NoticeKind,
    SetupTestsState,
    StaleRow,
    known_account,
    open_request,
    store_turn,
    transition,
)
from connections.next_step import MENDED, next_step
from connections.spec import payloads
from connections.states import Actor, Status

REFRESH_AGAIN = timedelta(seconds=60)  # between two by a button: each is up to 20 calls of the budget
Unreachable = interactive.Unreachable  # pages know the verbs and not who asks Fivetran for them


class DoesNotFit(Exception):
    """The connection that an operator named is not what was asked for; the message says why."""


class NoOwner(Exception):
    """The person named cannot be the owner of a connection; the message says why."""


def _reason(text: str) -> str:
    if not text.strip():
        raise IllegalTransition("Enter the reason.")
    return text.strip()


def _existing(connection_id: str) -> dict[str, Any]:
    data = interactive.existing(connection_id.strip())
    if data is None:
        raise DoesNotFit("Fivetran knows no connection with this id.")
    return data


def adopt(*, by: User, conn_request: ConnectionRequest, connection_id: str, reason: str) -> None:
    """Make the existing connection with this id the request's own. Raises DoesNotFit, Unreachable (after 5 seconds at
    most).
    """
    permissions.check_can_settle(by, conn_request)
    reason = _reason(reason)
    data = _existing(connection_id)
    for key in ("service", "group_id", "schema"):
        expected = getattr(conn_request, key)
        if data.get(key) != expected:
            raise DoesNotFit(f"Its {key} is {str(data.get(key))[:100]}, and {expected} was asked for.")
    asked_for_tests = bool((conn_request.payload or {}).get("run_setup_tests"))
    tests = SetupTestsState.DUE if asked_for_tests else SetupTestsState.NONE
    connection = Connection.objects.described(
        conn_request,
        data,
        actor=Actor.OPERATOR,
        adopted=True,
        tests=tests,
    )
    settled: dict[str, Any] = {"connection_id": data["id"], "note": ""}
    settled["insert"] = [connection, *notifications.of_creation(conn_request, connection.setup_state)]
    try:
        with transaction.atomic():
            transition(conn_request, Status.CREATED, actor=Actor.OPERATOR, by=by, reason=reason, **settled)
            store_turn(conn_request.pk)
            tasks.enqueue_on_commit("run_tests", conn_request.pk)
    except IntegrityError:
        raise DoesNotFit("This connection belongs to another request already.") from None


def adopt_foreign(*, by: User, connection_id: str, owner: User, reason: str) -> ConnectionRequest:
    """Bring a connection that was made elsewhere into the portal, as a created request of `owner`, who is told. Raises
    NoOwner, DoesNotFit, Unreachable (after 5 seconds at most).
    """
    permissions.check_can_operate(by)
    reason = _reason(reason)
    if owner.pk == by.pk:  # the operator stands for the approval
        raise NoOwner("Name somebody else: adopting stands for the approval, and nobody approves their own connection.")
    if not owner.is_active:
        raise NoOwner(f"The account of {owner} is not active.")
    if permissions.reads_only(owner):
        raise NoOwner(f"{owner} is an auditor, who changes nothing: name somebody else.")
    data = _existing(connection_id)
    columns = _adopted_columns(data, owner)
    into = permissions.Into(columns["group_id"], columns["service"], columns["group_name"])
    if not permissions.may_ask_into(owner, into):  # who may not ask for it gets it by no other way
        raise NoOwner(f"The access rules do not let {owner} ask for {into.words}: name somebody whom they let in.")
    try:
        with transaction.atomic():
            conn_request = open_request(
                status=Status.CREATED,
                requester=owner,
                actor=Actor.OPERATOR,
                by=by,
                why=reason,
                detail={"adopted": True},
                reason=reason,
                decided_by=by,
                decided_at=Now(),
                approved_by=by,
                approved_at=Now(),
                approved_account=known_account(),
                submitted_at=Now(),
                saved_at=Now(),
                **columns,
            )
            Connection.objects.described(
                conn_request,
                data,
                actor=Actor.OPERATOR,
                adopted=True,
                made_elsewhere=True,
            ).save()
            store_turn(conn_request.pk)
            notifications.notify(conn_request, NoticeKind.CREATED, owner)
            tasks.enqueue_on_commit("notify")
    except IntegrityError:
        raise DoesNotFit(_held(columns)) from None
    return conn_request


def _adopted_columns(data: dict[str, Any], owner: User) -> dict[str, Any]:
    """The columns from Fivetran's description. Raises DoesNotFit where it lacks what every connection has."""
    values = catalog.without_secrets(str(data.get("service")), payloads.adopted(data))
    found = {key: data.get(key) for key in ("service", "group_id", "schema")}
    for key, text in found.items():
        longest = getattr(ConnectionRequest._meta.get_field(key), "max_length", 0)
        if not isinstance(text, str) or not 0 < len(text) <= longest:
            raise DoesNotFit(f"Fivetran does not say its {key} in a way that the portal can keep.")
    entries = CatalogEntry.objects.filter(
        Q(kind=Kind.SERVICE, fivetran_id=found["service"])
        | Q(kind=Kind.GROUP, fivetran_id=found["group_id"])
        | Q(kind=Kind.CONNECTION, fivetran_id=data["id"])
    )
    known = {entry.kind: entry for entry in entries.defer("detail")}
    names = {
        "service_name": known[Kind.SERVICE].name[:200] if Kind.SERVICE in known else found["service"],
        "group_name": known[Kind.GROUP].name[:200] if Kind.GROUP in known else found["group_id"],
    }
    body = payloads.nested(values)
    try:
        limits.check_size(payloads.canonical(body))
    except limits.TooLarge:  # a large one has some 10,000 bytes
        raise DoesNotFit("Fivetran describes it at a length that the portal does not keep.") from None
    digest = payloads.digest(body)
    words = (found["schema"], found["service"], names["service_name"], found["group_id"], names["group_name"])
    return {
        **found,
        **names,
        "connection_id": data["id"],
        "values": values,
        "payload": body,
        "digest": digest,
        "approved_digest": digest,
        "source_key": known[Kind.CONNECTION].source_key if Kind.CONNECTION in known else "",
        "search": " ".join([*map(str, words), owner.get_username()]).lower(),
    }


def _held(columns: dict[str, Any]) -> str:
    holder = ConnectionRequest.objects.filter(connection_id=columns["connection_id"]).first()
    if holder is not None:
        return f"This connection belongs to request #{holder.pk} already."
    named = ConnectionRequest.objects.holding(columns["group_id"], columns["schema"]).first()
    number = f"#{named.pk}" if named else "of somebody else"
    return f"Request {number} holds the name {columns['schema']} in this destination: settle or withdraw it first."


def send_again(*, by: User, conn_request: ConnectionRequest, reason: str) -> None:
    """Back into the queue with all its attempts, after somebody looked and found that it does not exist."""
    permissions.check_can_settle(by, conn_request)
    with transaction.atomic():
        queued: dict[str, Any] = {"next_try_at": Now(), "attempts_used": 0, "note": ""}
        transition(conn_request, Status.APPROVED, actor=Actor.OPERATOR, by=by, reason=_reason(reason), **queued)
        tasks.enqueue_on_commit("submit", conn_request.pk)


def close(*, by: User, conn_request: ConnectionRequest, reason: str) -> None:
    """End it without a connection; the requester reads the reason."""
    permissions.check_can_settle(by, conn_request)
    with transaction.atomic():
        failure: dict[str, Any] = {"failure_code": "closed_by_operator", "failure_message": _reason(reason)}
        transition(conn_request, Status.FAILED, actor=Actor.OPERATOR, by=by, reason=reason, **failure)
        notifications.notify(conn_request, NoticeKind.FAILED, *notifications.askers(conn_request))


def hand_back(*, by: User, conn_request: ConnectionRequest, reason: str) -> None:
    """The cause of Fivetran's refusal is mended: the requester can submit a copy. Raises StaleRow."""
    permissions.check_can_hand_back(by, conn_request)
    reason = _reason(reason)
    refused = ConnectionRequest.objects.filter(
        pk=conn_request.pk, status=Status.FAILED, failure_code=conn_request.failure_code
    )
    with transaction.atomic():
        turn = next_step(Status.FAILED, failure_code=MENDED).owner.value
        if refused.update(failure_code=MENDED, failure_message=reason, turn=turn) != 1:
            raise StaleRow("Somebody else handed it back a moment ago.")
        said: dict[str, Any] = {"reason": reason, "detail": {"why": f"It was {conn_request.failure_code}."}}
        Event.objects.note(conn_request, EventKind.REFUSAL_MENDED, actor=Actor.OPERATOR, by=by, **said)
        notifications.notify(conn_request, NoticeKind.MENDED, *notifications.askers(conn_request))
        tasks.enqueue_on_commit("notify")


def pause(*, by: User, reason: str) -> bool:
    """Send nothing more to Fivetran until somebody resumes; False where it was paused already."""
    permissions.check_can_operate(by)
    CircuitBreaker.objects.get_or_create(pk=1)
    not_paused = CircuitBreaker.objects.filter(pk=1, paused_at=None)
    with transaction.atomic():
        if not_paused.update(paused_at=Now(), paused_by=by, paused_reason=reason.strip()) != 1:
            return False
        Event.objects.record(EventKind.SENDING_PAUSED, by=by, reason=reason, actor=Actor.OPERATOR)
    return True


def resume(*, by: User) -> bool:
    """False where it was not paused."""
    permissions.check_can_operate(by)
    paused = CircuitBreaker.objects.filter(pk=1, paused_at__isnull=False)
    with transaction.atomic():
        resumed = paused.update(paused_at=None, paused_by=None, paused_reason="") == 1
        if resumed:
            Event.objects.record(EventKind.SENDING_RESUMED, by=by, actor=Actor.OPERATOR)
    tasks.enqueue_on_commit("sweep", True)
    return resumed


def refresh_catalog(*, by: User) -> bool:
    """Enqueue a refresh; False where the broker cannot be reached. Raises StaleRow within a minute of the last one."""
    permissions.check_can_refresh(by)
    row, _ = CatalogRefresh.objects.get_or_create(kind=Kind.SERVICE)
    mine = CatalogRefresh.objects.filter(pk=row.pk)
    recently = Q(asked_at__gt=Now() - REFRESH_AGAIN, asked_at__lte=Now())
    if not mine.exclude(recently).update(asked_at=Now()):
        raise StaleRow("Fivetran was asked less than a minute ago. Wait a moment before you ask again.")
    if tasks.enqueue("refresh_catalog"):
        Event.objects.record(EventKind.CATALOG_ASKED_FOR, by=by)
        return True
    mine.update(asked_at=row.asked_at)
    return False
