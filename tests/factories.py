"""The cast, and requests that stand where a test needs them: each has walked the real path, verb by verb."""

import itertools
import uuid
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db.models import Q
from django.db.models.functions import Now

from connections import permissions, workflow
from connections.models import AccessRule, ConnectionRequest, step_of, transition, with_step
from connections.states import Actor, Status
from connections.worker import outcome
from connections.workflow import Filing

GROUPS = {"approver": "Approvers", "operator": "Operators", "auditor": "Auditors"}
_number = itertools.count(1)


def person(role: str = "requester", username: str = "", **columns: Any) -> User:
    """A new user in `role`: requester, approver, operator, auditor, staff (without any right) or superuser."""
    username = username or f"{role}{next(_number)}"
    columns.setdefault("email", f"{username}@example.com")
    user = User.objects.create(
        username=username,
        is_staff=role in {"approver", "staff", "superuser"},
        is_superuser=role == "superuser",
        **columns,
    )
    user.set_unusable_password()
    user.save(update_fields=["password"])
    if role in GROUPS:
        user.groups.add(group(GROUPS[role]))
    return user


def group(name: str) -> Group:
    """The group as the migration made it, made anew where a test with real transactions has emptied the database."""
    if not Group.objects.filter(name=name).exists():
        import_module("connections.migrations.0002_groups").create_groups(apps, None)
        import_module("connections.migrations.0015_trust").give_right(apps, None)
        import_module("connections.migrations.0039_access_rules").narrow_approvers(apps, None)
        import_module("connections.migrations.0040_auditors").give_right(apps, None)
    return Group.objects.get(name=name)


def rule(
    destination: str = "projected_sickle",
    *,
    ask: Iterable[User] = (),
    approve: Iterable[User] = (),
    services: Iterable[str] = (),
    **columns: Any,
) -> AccessRule:
    """An access rule for one destination, with a group of its own for each of the two rights."""
    made = AccessRule.objects.create(name=f"Rule {next(_number)}", **columns)
    made.destinations.create(group_id=destination, name=destination.title())
    for service in services:
        made.services.create(service=service)
    for right, people in (("may_request", ask), ("may_approve", approve)):
        members = Group.objects.create(name=f"{made.name} {right}")
        members.user_set.add(*people)
        made.groups.create(group=members, **{right: True})
    return made


def values(**changes: Any) -> dict[str, Any]:
    """What a filled form holds, under a destination name of its own; `__` in a key of `changes` stands for a dot."""
    filled: dict[str, Any] = {
        "service": "google_sheets",
        "group_id": "projected_sickle",
        "config.schema": f"sheet_{next(_number)}",
        "config.table": "orders",
        "reason": "Weekly sales report",
        "source_owner": "",
    }
    return filled | {key.replace("__", "."): value for key, value in changes.items()}


def filing(**changes: Any) -> Filing:
    """A filled form, sent once."""
    return Filing(
        values=values(**changes), service_name="Google Sheets", group_name="Warehouse", idempotency_key=uuid.uuid4()
    )


def draft(by: User | None = None, **changes: Any) -> ConnectionRequest:
    """A stored draft."""
    return workflow.save_draft(by=by or person(), filing=filing(**changes))


def submitted(by: User | None = None, **changes: Any) -> ConnectionRequest:
    """A request that waits for approval; makes an approver where nobody else could decide it."""
    by = by or person()
    if not permissions.approvers_for(by).exists():
        person("approver")
    return workflow.submit(by=by, filing=filing(**changes))


def approved(by: User | None = None, approver: User | None = None, **changes: Any) -> ConnectionRequest:
    """An approved request, due to be sent."""
    conn_request = submitted(by, **changes)
    workflow.approve(by=approver or person("approver"), conn_request=conn_request, digest=conn_request.digest)
    return conn_request


def request_in(
    status: Status, by: User | None = None, approver: User | None = None, **changes: Any
) -> ConnectionRequest:
    """A request in `status`. What a worker does on the way is done with the worker's own moves, without a call."""
    by, approver = by or person(), approver or person("approver")
    match status:
        case Status.DRAFT:
            return draft(by, **changes)
        case Status.PENDING | Status.EXPIRED | Status.WITHDRAWN | Status.REJECTED | Status.CHANGES_REQUESTED:
            conn_request = submitted(by, **changes)
            _decide(conn_request, status, by, approver)
        case _:
            conn_request = approved(by, approver, **changes)
            _work(conn_request, status)
    return conn_request


def stored_turn(pk: int) -> str:
    """Whose turn it is by the stored column, which holds what its facts say."""
    conn_request = with_step(ConnectionRequest.objects.filter(pk=pk)).get()
    assert conn_request.turn == step_of(conn_request).owner.value
    return conn_request.turn


def _decide(conn_request: ConnectionRequest, status: Status, by: User, approver: User) -> None:
    match status:
        case Status.EXPIRED:
            transition(conn_request, Status.EXPIRED, actor=Actor.SWEEPER)
        case Status.WITHDRAWN:
            workflow.withdraw(by=by, conn_request=conn_request)
        case Status.REJECTED:
            workflow.reject(by=approver, conn_request=conn_request, reason="No budget")
        case Status.CHANGES_REQUESTED:
            workflow.request_changes(by=approver, conn_request=conn_request, reason="Use the other destination")


def _work(conn_request: ConnectionRequest, status: Status) -> None:
    """From approved to `status`, the way the worker goes."""
    if status is Status.APPROVED:
        return
    lease: dict[str, Any] = {"token": uuid.uuid4(), "lease_until": Now()}
    transition(conn_request, Status.CLAIMED, actor=Actor.WORKER, **lease)
    if status is Status.CLAIMED:
        return
    transition(conn_request, Status.SENDING, actor=Actor.WORKER, sent_at=Now(), first_sent_at=Now(), deadline_at=Now())
    match status:
        case Status.CREATED:
            outcome.to_created(conn_request, Actor.WORKER, created_data(conn_request))
        case Status.FAILED:
            outcome.to_failed(conn_request, "InvalidInput", "Invalid value for 'config.schema'", Q())
        case Status.UNKNOWN:
            outcome.to_unknown(conn_request, Actor.WORKER, "No answer in time")
        case Status.ATTENTION:
            outcome.to_unknown(conn_request, Actor.WORKER, "No answer in time")
            outcome.to_attention(conn_request, Actor.RECONCILER, "Two connections of this name")


def created_data(conn_request: ConnectionRequest, **changes: Any) -> dict[str, Any]:
    """`data` of Fivetran's answer to the creation (Fivetran's API reference, "Create a connection")."""
    answer: dict[str, Any] = {
        "id": f"conn_{conn_request.pk}",
        "service": conn_request.service,
        "schema": conn_request.schema,
        "group_id": conn_request.group_id,
        "created_at": "2026-11-23T07:00:00.000000Z",
        "status": {"setup_state": "connected", "sync_state": "scheduled", "update_state": "on_schedule"},
        "setup_tests": [
            {"title": "Connecting to Google Sheets", "status": "PASSED", "message": "", "details": None},
            {"title": "Reading the named range", "status": "WARNING", "message": "The range is empty", "details": {}},
        ],
    }
    return answer | changes
