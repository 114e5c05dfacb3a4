"""Every verb by every role in every status: what is allowed stands in a table, everything else must change nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from connections import permissions, workflow
from connections.models import ConnectionRequest, IllegalTransition
from connections.permissions import Denied
from connections.permissions.rights import as_boolean
from connections.states import Status
from tests import factories

pytestmark = pytest.mark.django_db

# Who tries. The roles in OWN try it on a request of their own, the others on somebody else's.
OWN = ("requester", "own_approver", "own_superuser", "own_inactive")
OTHERS = ("other", "approver", "operator", "auditor", "superuser", "inactive_approver", "staff")
OWNERS = "requester own_approver own_superuser"

# verb | statuses in which it is possible | roles that may | status afterwards ("=": the same) | events it writes
TABLE = f"""
submit          | draft pending changes_requested          | {OWNERS}          | pending           | 1
save_draft      | draft                                    | {OWNERS}          | =                 | 0
withdraw        | draft pending changes_requested approved | {OWNERS}          | withdrawn         | 1
approve         | pending                                  | approver superuser | approved          | 1
reject          | pending                                  | approver superuser | rejected          | 1
request_changes | pending                                  | approver superuser | changes_requested | 1
clone           | {" ".join(Status)}                       | {OWNERS} approver operator superuser | = | 0
rerun_tests     | created                                  | {OWNERS} approver operator superuser         | = | 1
"""
ALLOWED: dict[str, tuple[set[str], set[str], str, int]] = {
    verb: (set(statuses.split()), set(roles.split()), after, int(events))
    for verb, statuses, roles, after, events in (
        [cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()
    )
}

Verb = Callable[[User, ConnectionRequest], Any]
VERBS: dict[str, Verb] = {
    "submit": lambda by, conn_request: workflow.submit(by=by, conn_request=conn_request, filing=factories.filing()),
    "save_draft": lambda by, conn_request: workflow.save_draft(
        by=by, conn_request=conn_request, filing=factories.filing()
    ),
    "withdraw": lambda by, conn_request: workflow.withdraw(by=by, conn_request=conn_request),
    "approve": lambda by, conn_request: workflow.approve(by=by, conn_request=conn_request, digest=conn_request.digest),
    "reject": lambda by, conn_request: workflow.reject(by=by, conn_request=conn_request, reason="No"),
    "request_changes": lambda by, conn_request: workflow.request_changes(
        by=by, conn_request=conn_request, reason="Another group"
    ),
    "clone": lambda by, conn_request: workflow.clone_values(by=by, conn_request=conn_request),
    "rerun_tests": lambda by, conn_request: workflow.rerun_tests(by=by, conn_request=conn_request),
}
# What the page asks before it offers the verb.
OFFERED: dict[str, Callable[[User, ConnectionRequest], bool]] = {
    "submit": permissions.can_edit,
    "withdraw": as_boolean(permissions.check_can_withdraw),
    "approve": permissions.can_decide,
    "reject": permissions.can_decide,
    "request_changes": permissions.can_decide,
    "clone": as_boolean(permissions.check_can_clone),
    "rerun_tests": as_boolean(permissions.check_can_rerun_tests),
}


def cast(role: str) -> User:
    kind = role.removeprefix("own_").removeprefix("inactive_")
    return factories.person({"other": "requester", "inactive": "requester"}.get(kind, kind))


def scene(status: Status) -> dict[str, tuple[User, ConnectionRequest]]:
    """role -> who tries, and on which request in `status`."""
    decider = factories.person("approver")
    own = {role: cast(role) for role in OWN}
    tries = {role: (user, factories.request_in(status, user, decider)) for role, user in own.items()}
    tries |= {role: (cast(role), tries["requester"][1]) for role in OTHERS}
    for role in ("own_inactive", "inactive_approver"):
        tries[role][0].is_active = False
        tries[role][0].save()
    return tries


def attempt(verb: str, user: User, pk: int) -> tuple[str, str, int]:
    """Try it, and take it back: ("allowed" or the reason of the denial, the status and the number of events after)."""
    conn_request = ConnectionRequest.objects.get(pk=pk)
    before = conn_request.events.count()
    with transaction.atomic():
        try:
            VERBS[verb](user, conn_request)
            said = "allowed"
        except Denied as denied:
            assert denied.reason
            said = f"denied: {denied.reason}"
        after = ConnectionRequest.objects.get(pk=pk)
        result = said, after.status, after.events.count() - before
        transaction.set_rollback(True)
    return result


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", list(Status))
def test_transition_by_role(status: Status, verb: str) -> None:
    statuses, roles, after, events = ALLOWED[verb]
    for role, (user, conn_request) in scene(status).items():
        said, status_after, written = attempt(verb, user, conn_request.pk)
        private = status is Status.DRAFT and role in OTHERS
        if status in statuses and role in roles and not private:
            expected = ("allowed", status.value if after == "=" else after, events)
        else:
            expected = (said if said.startswith("denied: ") else "denied", status.value, 0)
        assert (said, status_after, written) == expected, f"{role} tried to {verb}"
        if verb in OFFERED:
            again = User.objects.get(pk=user.pk)
            offered = OFFERED[verb](again, ConnectionRequest.objects.get(pk=conn_request.pk))
            assert offered is (said == "allowed"), f"the page and the verb disagree about {role} and {verb}"


def test_the_table_names_only_what_exists() -> None:
    assert set(ALLOWED) == set(VERBS)
    for statuses, roles, after, _events in ALLOWED.values():
        assert statuses <= set(Status)
        assert roles <= {*OWN, *OTHERS}
        assert after == "=" or after in set(Status)


@pytest.mark.parametrize("verb", ["reject", "request_changes"])
@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_refusal_needs_a_reason(verb: str, reason: str) -> None:
    conn_request = factories.submitted()
    with pytest.raises(IllegalTransition):
        getattr(workflow, verb)(by=factories.person("approver"), conn_request=conn_request, reason=reason)
    assert ConnectionRequest.objects.get(pk=conn_request.pk).status == Status.PENDING
