"""Every verb on a change by every role in every status; what the database refuses; who is told; two at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from connections import notifications, permissions, worker, workflow
from connections.models import (
    ChangeKind,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    EventKind,
    IllegalTransition,
    Notice,
    StaleRow,
    open_change,
    transition_change,
)
from connections.permissions import Denied
from connections.states import (
    CHANGE,
    CHANGE_DECIDED,
    CHANGE_FINAL,
    CHANGE_OPEN,
    Actor,
    ChangeStatus,
    Status,
)
from tests import factories

pytestmark = pytest.mark.django_db

# source, target, who may, and whether a reason is asked for. "-" is a new change.
SPECIFICATION = """
-        pending   requester,approver,operator reason
pending  approved  approver
pending  rejected  approver                    reason
pending  withdrawn requester,approver,operator
pending  expired   sweeper
approved withdrawn requester,approver,operator
approved running   worker
running  approved  worker,sweeper
running  done      worker
running  failed    worker
"""
CLAIM: dict[str, Any] = {"token": "9f0c2b4e-5d0e-4a43-9b0a-111111111111", "lease_until": Now()}


def created(by: User | None = None, **changes: Any) -> ConnectionRequest:
    return factories.request_in(Status.CREATED, by, **changes)


def asked(by: User | None = None, kind: ChangeKind = ChangeKind.PAUSE, **more: Any) -> ConnectionChange:
    """A change that waits for approval, asked for by the connection's requester."""
    by = by or factories.person()
    return workflow.ask_for_change(by=by, conn_request=created(by), kind=kind, reason="Month's end", **more)


def change_in(status: ChangeStatus, by: User | None = None) -> ConnectionChange:
    """A change in `status`; what a worker does on the way is done with the worker's own moves, without a call."""
    change = asked(by)
    match status:
        case ChangeStatus.PENDING:
            return change
        case ChangeStatus.REJECTED:
            workflow.reject_change(by=factories.person("approver"), change=change, reason="No")
            return change
        case ChangeStatus.EXPIRED:
            transition_change(change, status, actor=Actor.SWEEPER)
            return change
        case ChangeStatus.WITHDRAWN:
            workflow.withdraw_change(by=change.requester, change=change)
            return change
    workflow.approve_change(by=factories.person("approver"), change=change, digest=change.digest)
    if status is not ChangeStatus.APPROVED:
        transition_change(change, ChangeStatus.RUNNING, actor=Actor.WORKER, **CLAIM)
    if status in CHANGE_FINAL:
        transition_change(change, status, actor=Actor.WORKER)
    return change


# --- the table -------------------------------------------------------------------------------------------------------
def test_the_table_is_the_specification() -> None:
    rows = [line.split() for line in SPECIFICATION.strip().splitlines()]
    wanted = {(row[0], row[1], frozenset(row[2].split(",")), "reason" in row[3:]) for row in rows}
    assert {(m.source or "-", m.target.value, m.actors, m.needs_reason) for m in CHANGE.moves} == wanted
    assert {"pending", "approved", "running"} == CHANGE_OPEN
    assert {"done", "failed", "rejected", "withdrawn", "expired"} == CHANGE_FINAL


@pytest.mark.parametrize("source", list(ChangeStatus))
@pytest.mark.parametrize("target", list(ChangeStatus))
def test_only_the_moves_of_the_table_exist(source: ChangeStatus, target: ChangeStatus) -> None:
    change = change_in(source)
    events = change.request.events.count()
    for actor in Actor:
        move = CHANGE.find(source, target)
        if move is not None and actor in move.actors:
            continue
        with pytest.raises(IllegalTransition):
            transition_change(change, target, actor=actor, reason="Because")
    change.refresh_from_db()
    assert (change.state, change.request.events.count()) == (source, events)


def test_every_move_writes_exactly_one_event() -> None:
    change = change_in(ChangeStatus.DONE)
    kinds = [kind for kind in change.request.events.values_list("kind", flat=True) if kind.startswith("change_")]
    assert kinds == ["change_applied", "change_started", "change_approved", "change_asked"]
    assert change.version == 4


# --- verb by role by status ------------------------------------------------------------------------------------------
OTHERS = ("other", "approver", "operator", "auditor", "superuser", "inactive_approver", "staff")
# verb | statuses in which it is possible | roles that may | status afterwards
TABLE = """
approve  | pending          | approver superuser     | approved
reject   | pending          | approver superuser     | rejected
withdraw | pending approved | asker approver_asker   | withdrawn
"""
ALLOWED = {
    verb: (set(statuses.split()), set(roles.split()), after)
    for verb, statuses, roles, after in (
        [cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()
    )
}
VERBS: dict[str, Callable[[User, ConnectionChange], None]] = {
    "approve": lambda by, change: workflow.approve_change(by=by, change=change, digest=change.digest),
    "reject": lambda by, change: workflow.reject_change(by=by, change=change, reason="No"),
    "withdraw": lambda by, change: workflow.withdraw_change(by=by, change=change),
}


@pytest.mark.parametrize("status", list(ChangeStatus))
def test_every_verb_by_every_role(status: ChangeStatus) -> None:
    asker, approver_asker = factories.person(), factories.person("approver")
    tries = {
        "asker": (asker, change_in(status, asker)),
        "approver_asker": (approver_asker, change_in(status, approver_asker)),
    }
    for role in OTHERS:
        kind = {"other": "requester", "inactive_approver": "approver"}.get(role, role)
        tries[role] = (factories.person(kind, is_active=role != "inactive_approver"), tries["asker"][1])
    for verb, (statuses, roles, after) in ALLOWED.items():
        for role, (user, change) in tries.items():
            fresh = ConnectionChange.objects.get(pk=change.pk)
            may = status in statuses and role in roles
            with transaction.atomic():
                try:
                    VERBS[verb](user, fresh)
                    assert may, (verb, role)
                except Denied as denied:
                    assert denied.reason and not may, (verb, role, denied.reason)
                fresh.refresh_from_db()
                assert fresh.status == (after if may else status)
                transaction.set_rollback(True)


@pytest.mark.parametrize("role", ["requester", *OTHERS])
@pytest.mark.parametrize("status", list(Status))
def test_who_may_ask_and_of_what(status: Status, role: str) -> None:
    requester = factories.person()
    conn_request = factories.request_in(status, requester)
    kind = {"other": "requester", "inactive_approver": "approver"}.get(role, role)
    user = requester if role == "requester" else factories.person(kind, is_active=role != "inactive_approver")
    may = status is Status.CREATED and role in {"requester", "approver", "operator", "superuser"}
    factories.person("approver")
    try:
        workflow.ask_for_change(by=user, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month's end")
    except Denied as denied:
        assert denied.reason and not may
    else:
        assert may
    assert conn_request.changes.count() == may


@pytest.mark.parametrize("status", [s for s in ChangeStatus if s is not ChangeStatus.PENDING])
def test_a_denial_names_a_person_for_the_decision_alone(status: ChangeStatus) -> None:
    change = change_in(status)
    decided = status in (ChangeStatus.APPROVED, ChangeStatus.REJECTED)
    by = f" by {change.decided_by}" if decided else ""
    words = f"the change is already “{status.label}”{by}."
    with pytest.raises(Denied) as denied:
        permissions.check_can_decide_change(factories.person("approver"), change)
    assert denied.value.reason == f"There is nothing to decide: {words}"
    if status is not ChangeStatus.APPROVED:
        with pytest.raises(Denied) as denied:
            permissions.check_can_withdraw_change(change.requester, change)
        assert denied.value.reason == f"There is nothing to withdraw: {words}"


def test_a_gone_connection_cannot_be_changed() -> None:
    conn_request = created()
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(deleted_at_fivetran_at=Now())
    conn_request.refresh_from_db()
    with pytest.raises(Denied, match="no longer at Fivetran"):
        workflow.ask_for_change(by=conn_request.requester, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")


def test_one_change_at_a_time() -> None:
    change = asked()
    with pytest.raises(Denied, match=f"Change #{change.pk}"):
        workflow.ask_for_change(by=change.requester, conn_request=change.request, kind=ChangeKind.DELETE, reason="x")
    # Who read the row before the other one asked meets the database's own rule.
    stale = ConnectionRequest.objects.get(pk=change.request_id)
    stale.open_change = None  # type: ignore[attr-defined]
    with pytest.raises(StaleRow):
        workflow.ask_for_change(by=change.requester, conn_request=stale, kind=ChangeKind.DELETE, reason="x")
    workflow.withdraw_change(by=change.requester, change=change)
    workflow.ask_for_change(by=change.requester, conn_request=change.request, kind=ChangeKind.DELETE, reason="x")


def test_a_change_needs_a_reason_and_something_to_change() -> None:
    conn_request = created()
    same = {"sync_frequency": 360, "schedule_type": "auto"}
    with pytest.raises(IllegalTransition, match="its schedule already"):
        workflow.ask_for_change(
            by=conn_request.requester, conn_request=conn_request, kind=ChangeKind.SCHEDULE, reason="x", values=same
        )
    with pytest.raises(IllegalTransition, match="reason"):
        workflow.ask_for_change(by=conn_request.requester, conn_request=conn_request, kind=ChangeKind.PAUSE, reason=" ")
    with pytest.raises(IllegalTransition, match="not paused"):
        workflow.ask_for_change(
            by=conn_request.requester, conn_request=conn_request, kind=ChangeKind.UNPAUSE, reason="x"
        )
    # As Fivetran has it, though the last sync is still running.
    Connection.objects.update(sync_state="syncing", live={"paused": True})
    with pytest.raises(IllegalTransition, match="paused already"):
        workflow.ask_for_change(by=conn_request.requester, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")
    assert not ConnectionChange.objects.exists()


def test_the_approved_schedule_can_be_asked_for_where_fivetran_has_another() -> None:
    conn_request = created()
    Connection.objects.update(live={"sync_frequency": 60, "schedule_type": "auto", "daily_sync_time": None})
    approved = {"sync_frequency": 360, "schedule_type": "auto"}
    assert workflow.present_values(conn_request)["sync_frequency"] == 60
    change = workflow.ask_for_change(
        by=conn_request.requester,
        conn_request=conn_request,
        kind=ChangeKind.SCHEDULE,
        reason="As approved",
        values=approved,
    )
    assert (change.before["sync_frequency"], change.body["sync_frequency"]) == (60, 360)


def test_a_daily_schedule_does_not_lose_its_time_by_leaving_it_out() -> None:
    conn_request = created()
    Connection.objects.update(live={"sync_frequency": 1440, "schedule_type": "auto", "daily_sync_time": "05:00"})
    for values in ({"sync_frequency": 1440}, {"sync_frequency": 1440, "schedule_type": "auto"}):
        with pytest.raises(IllegalTransition, match="Fivetran keeps 05:00"):
            workflow.ask_for_change(
                by=conn_request.requester,
                conn_request=conn_request,
                kind=ChangeKind.SCHEDULE,
                reason="x",
                values=values,
            )
    other = {"sync_frequency": 360, "schedule_type": "auto"}
    assert workflow.ask_for_change(
        by=conn_request.requester, conn_request=conn_request, kind=ChangeKind.SCHEDULE, reason="x", values=other
    )


def test_nobody_asks_where_nobody_can_decide() -> None:
    conn_request = created()
    User.objects.exclude(pk=conn_request.requester_id).update(is_active=False)
    with pytest.raises(Denied, match="Nobody can approve"):
        workflow.ask_for_change(by=conn_request.requester, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")


# --- the approval ----------------------------------------------------------------------------------------------------
def test_only_what_was_shown_is_approved() -> None:
    change = asked()
    with pytest.raises(StaleRow):
        workflow.approve_change(by=factories.person("approver"), change=change, digest="0" * 64)
    change.refresh_from_db()
    assert change.state is ChangeStatus.PENDING


def test_of_two_approvers_one_decides() -> None:
    change = asked()
    first, second = (ConnectionChange.objects.get(pk=change.pk) for _ in range(2))
    workflow.approve_change(by=factories.person("approver"), change=first, digest=first.digest)
    with pytest.raises(StaleRow):
        workflow.reject_change(by=factories.person("approver"), change=second, reason="No")
    with pytest.raises(StaleRow):
        workflow.approve_change(by=factories.person("approver"), change=second, digest=second.digest)
    assert change.request.events.filter(kind=EventKind.CHANGE_APPROVED).count() == 1


def test_a_group_of_approvers_counts_for_changes_too() -> None:
    from django.contrib.auth.models import Group

    from connections.models import Preset

    change = asked()
    group = Group.objects.create(name="Finance approvers")
    preset = Preset.objects.create(name="Finance", approvers=group)
    ConnectionRequest.objects.filter(pk=change.request_id).update(preset=preset)
    change = ConnectionChange.objects.get(pk=change.pk)
    outsider, member = factories.person("approver"), factories.person("approver")
    member.groups.add(group)
    assert not permissions.changes_waiting_for(outsider).exists()
    assert permissions.changes_waiting_for(member).get() == change
    with pytest.raises(Denied, match="Finance approvers"):
        workflow.approve_change(by=outsider, change=change, digest=change.digest)
    workflow.approve_change(by=member, change=change, digest=change.digest)


def test_nobody_finds_their_own_change_in_the_inbox() -> None:
    approver = factories.person("approver")
    change = asked(approver)
    assert not permissions.changes_waiting_for(approver).exists()
    assert permissions.changes_waiting_for(factories.person("approver")).get() == change
    assert not permissions.changes_waiting_for(factories.person()).exists()


def test_what_nobody_decides_expires(settings: Any) -> None:
    change = asked()
    ConnectionChange.objects.update(created_at="2020-01-01T00:00:00Z")
    worker.sweep()
    change.refresh_from_db()
    assert change.state is ChangeStatus.EXPIRED
    assert str(settings.EXPIRE_DAYS) in change.request.events.first().reason  # type: ignore[union-attr]


# --- who is told -----------------------------------------------------------------------------------------------------
def test_mails_name_the_change_and_link_to_it() -> None:
    operator = factories.person("operator")
    conn_request = created()
    Notice.objects.all().delete()
    change = workflow.ask_for_change(
        by=operator, conn_request=conn_request, kind=ChangeKind.DELETE, reason="Contract ended"
    )
    approver = User.objects.filter(groups__name="Approvers").first()
    assert approver is not None
    notifications.send_due()
    asking = next(message for message in mail.outbox if message.to == [approver.email])
    assert "Delete connection" in asking.subject and "Contract ended" in asking.body
    assert f"http://localhost/changes/{change.pk}/" in asking.body.split()
    mail.outbox.clear()
    workflow.reject_change(by=approver, change=change, reason="Still needed")
    notifications.send_due()
    [answer] = mail.outbox
    assert answer.to == [operator.email] and "Still needed" in answer.body


def test_the_requester_is_told_when_somebody_elses_change_is_approved() -> None:
    conn_request = created()
    change = workflow.ask_for_change(
        by=factories.person("operator"), conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Too many rows"
    )
    workflow.approve_change(by=factories.person("approver"), change=change, digest=change.digest)
    assert Notice.objects.filter(kind="change_decided", recipient=conn_request.requester, dedup_key=change.pk).exists()


# --- the database's own rules, past every line of Python -------------------------------------------------------------
def sql(assignment: str, *values: Any, pk: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE connections_connectionchange SET {assignment} WHERE id = %s", [*values, pk])  # noqa: S608


@pytest.mark.parametrize(
    ("status", "assignment"),
    [
        (ChangeStatus.PENDING, "approved_by_id = requester_id"),
        (ChangeStatus.APPROVED, "approved_by_id = requester_id"),
        (ChangeStatus.PENDING, "status = 'approved'"),
        (ChangeStatus.PENDING, "status = 'done'"),
        (ChangeStatus.PENDING, "status = 'odd'"),
        (ChangeStatus.PENDING, "kind = 'odd'"),
        (ChangeStatus.PENDING, "reason = ''"),
        (ChangeStatus.PENDING, "digest = ''"),
        (ChangeStatus.APPROVED, "digest = 'another'"),
        (ChangeStatus.APPROVED, "approved_by_id = NULL"),
        (ChangeStatus.DONE, "approved_digest = ''"),
        (ChangeStatus.APPROVED, "status = 'running'"),
        (ChangeStatus.RUNNING, "token = NULL"),
    ],
)
def test_the_database_refuses(status: ChangeStatus, assignment: str) -> None:
    change = change_in(status)
    with pytest.raises(IntegrityError):
        sql(assignment, pk=change.pk)


def test_the_database_refuses_a_second_open_change() -> None:
    change = asked()
    with pytest.raises(IntegrityError), transaction.atomic():
        open_change(
            conn_request=change.request,
            requester=change.requester,
            actor=Actor.REQUESTER,
            kind=ChangeKind.DELETE,
            reason="x",
            digest="d",
        )
    closed = change_in(ChangeStatus.REJECTED)
    workflow.ask_for_change(by=closed.requester, conn_request=closed.request, kind=ChangeKind.PAUSE, reason="x")
    with pytest.raises(IntegrityError):
        sql("status = 'pending'", pk=closed.pk)


def test_every_status_behind_an_approval_carries_one() -> None:
    assert {status for status in ChangeStatus if change_in(status).approved_by_id} == CHANGE_DECIDED


# --- at the same moment ----------------------------------------------------------------------------------------------
def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all `acts` at the same moment, each with a connection of its own; what each returned or raised."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            barrier.wait(10)
            return act()
        except (StaleRow, Denied) as obstacle:
            return obstacle
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.mark.django_db(transaction=True)
def test_six_approvers_at_once_and_one_decides(groups: None) -> None:
    change = asked()
    people = [factories.person("approver") for _ in range(6)]

    def approve(by: User) -> str:
        mine = ConnectionChange.objects.get(pk=change.pk)
        workflow.approve_change(by=by, change=mine, digest=mine.digest)
        return "approved"

    ends = at_once(*[partial(approve, by) for by in people])
    assert ends.count("approved") == 1
    assert change.request.events.filter(kind=EventKind.CHANGE_APPROVED).count() == 1
    assert Notice.objects.filter(kind="change_decided").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_form_sent_six_times_asks_once(groups: None) -> None:
    conn_request = created()

    def ask() -> str:
        mine = ConnectionRequest.objects.get(pk=conn_request.pk)
        workflow.ask_for_change(
            by=conn_request.requester, conn_request=mine, kind=ChangeKind.PAUSE, reason="Month's end"
        )
        return "asked"

    assert at_once(*[ask] * 6).count("asked") == 1
    assert ConnectionChange.objects.count() == 1
