"""Who sees what and who holds which right; what each verb allows is tried in test_transitions."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User

from connections import permissions
from connections.models import ConnectionRequest
from connections.permissions import Denied
from connections.permissions.rights import as_boolean
from connections.states import Status
from tests import factories

pytestmark = pytest.mark.django_db

RIGHTS = {
    "requester": "",
    "staff": "",
    "auditor": "sees",
    "operator": "sees operates",
    "approver": "approves",
    "superuser": "sees operates approves",
}


@pytest.mark.parametrize("role", RIGHTS)
def test_what_a_role_may_in_general(role: str) -> None:
    user = factories.person(role)
    held = {
        "sees": permissions.sees_everything(user),
        "operates": permissions.is_operator(user),
        "approves": permissions.is_approver(user),
    }
    assert {name for name, yes in held.items() if yes} == set(RIGHTS[role].split())


def writer(role: str, write: Callable[[User], ConnectionRequest]) -> tuple[User, ConnectionRequest]:
    """Somebody in `role` with a request; an auditor wrote it before becoming one."""
    user = factories.person("requester" if role == "auditor" else role)
    own = write(user)
    if role == "auditor":
        user.groups.add(factories.group("Auditors"))
    return User.objects.get(pk=user.pk), own


@pytest.mark.parametrize("role", RIGHTS)
def test_a_deactivated_account_holds_no_right_and_sees_nothing(role: str) -> None:
    user, own = writer(role, factories.draft)
    user.is_active = False
    user.save()
    user = type(user).objects.get(pk=user.pk)
    assert not permissions.sees_everything(user)
    assert not permissions.is_operator(user)
    assert not permissions.is_approver(user)
    assert not permissions.visible_to(user).filter(pk=own.pk).exists()


@pytest.mark.parametrize("role", RIGHTS)
def test_which_requests_exist_for_a_role(role: str) -> None:
    (user, own), foreign = writer(role, factories.submitted), factories.submitted()
    expected = {own, foreign} if RIGHTS[role] else {own}  # without access rules an approver decides on all of them
    assert set(permissions.visible_to(user)) == expected


def test_nothing_exists_for_a_visitor_who_is_not_logged_in() -> None:
    factories.submitted()
    assert not permissions.visible_to(AnonymousUser()).exists()
    assert not permissions.is_approver(AnonymousUser())


def test_the_right_given_to_a_person_directly_counts_as_the_groups_does() -> None:
    user = factories.person()
    user.user_permissions.add(Permission.objects.get(codename="approve_request"))
    user = type(user).objects.get(pk=user.pk)
    assert permissions.is_approver(user)
    assert user in permissions.approvers_for(factories.person())


def test_a_right_ends_with_the_group() -> None:
    approver, conn_request = factories.person("approver"), factories.submitted()
    assert permissions.can_decide(approver, conn_request)
    approver.groups.remove(factories.group("Approvers"))
    again = type(approver).objects.get(pk=approver.pk)
    with pytest.raises(Denied, match="Only approvers"):
        permissions.check_can_decide(again, conn_request)


def test_the_rights_of_this_moment_cost_two_statements(django_assert_num_queries: Any) -> None:
    """Of the person and of the groups, as Django finds them by three."""
    people = [factories.person(role) for role in (*factories.GROUPS, "staff", "superuser")]
    both = factories.person("operator")
    both.user_permissions.add(*Permission.objects.filter(codename__in=["approve_request", "add_preset"]))
    for by in (*people, both):
        with django_assert_num_queries(1 if by.is_superuser else 2):
            stored = permissions.as_stored(by)
            permissions.rights_of(stored)
        assert stored.get_all_permissions() == User.objects.get(pk=by.pk).get_all_permissions()
        assert permissions.rights_of(stored) == permissions.rights_of(User.objects.get(pk=by.pk))


def test_who_can_decide_for_a_requester_is_told_apart_from_who_cannot() -> None:
    asks, decides = factories.person("approver"), factories.person("approver")
    root = factories.person("superuser")
    for role in ("operator", "auditor", "staff", "requester"):
        factories.person(role)
    factories.person("approver", is_active=False)
    assert set(permissions.approvers_for(asks)) == {decides, root}


@pytest.mark.parametrize(
    ("check", "role", "status", "words"),
    [
        ("check_can_decide", "requester", Status.PENDING, "Only approvers can decide on requests."),
        ("check_can_decide", "approver", Status.WITHDRAWN, "There is nothing to decide: it is already “Withdrawn”."),
        ("check_can_edit", "approver", Status.DRAFT, "Only robin can edit this request."),
        ("check_can_withdraw", "approver", Status.DRAFT, "Only robin can withdraw this request."),
        ("check_can_clone", "requester", Status.CREATED, "This request is not yours to see."),
        ("check_can_rerun_tests", "staff", Status.CREATED, "Only the requester, approvers and operators can"),
        ("check_can_rerun_tests", "auditor", Status.CREATED, "You read everything as an auditor"),
        ("check_can_rerun_tests", "operator", Status.FAILED, "There is no connection to test."),
    ],
)
def test_a_denial_says_why(check: str, role: str, status: Status, words: str) -> None:
    conn_request = factories.request_in(status, factories.person(username="robin"))
    with pytest.raises(Denied) as denied:
        getattr(permissions, check)(factories.person(role), conn_request)
    assert words in denied.value.reason


@pytest.mark.parametrize(
    ("check", "status", "words"),
    [
        ("check_can_decide", Status.PENDING, "Nobody can decide on their own request."),
        ("check_can_edit", Status.APPROVED, "It can no longer be edited: Approved, in the queue."),
        ("check_can_withdraw", Status.SENDING, "It can no longer be withdrawn: Creating at Fivetran."),
    ],
)
def test_a_denial_of_the_requester_says_why(check: str, status: Status, words: str) -> None:
    own = factories.person("superuser")
    conn_request = factories.request_in(status, own)
    with pytest.raises(Denied) as denied:
        getattr(permissions, check)(own, conn_request)
    assert denied.value.reason == words


def test_a_connection_that_is_gone_cannot_be_tested() -> None:
    conn_request = factories.request_in(Status.CREATED)
    assert as_boolean(permissions.check_can_rerun_tests)(conn_request.requester, conn_request)
    conn_request.deleted_at_fivetran_at = conn_request.submitted_at
    assert not as_boolean(permissions.check_can_rerun_tests)(conn_request.requester, conn_request)
