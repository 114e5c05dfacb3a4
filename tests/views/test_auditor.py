"""Auditors read everything but drafts and change nothing; who is in another group too keeps what that group may."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from connections import permissions, workflow
from connections.models import ChangeKind, ConnectionRequest, Event, EventSeal
from connections.states import Status
from tests import factories
from tests.views.test_url_map import ASKED, GETS, POSTS, World, address, told, world

__all__ = ["world"]  # the fixture
pytestmark = [pytest.mark.django_db, pytest.mark.sql]
WHY = "You read everything as an auditor"
# About the own account, or about a hand-over, which is for whoever has its link.
OWN = {"password_change", "password_reset", "webhook"}
RECORD = (Event, EventSeal)


def fresh(user: User) -> User:
    """With the rights of this moment."""
    return User.objects.get(pk=user.pk)


def named(group: Group) -> Group:
    """`group` in an access rule, of the destination that nobody asks for here."""
    factories.rule("elsewhere").groups.create(group=group, may_request=True)
    return group


def rows() -> dict[str, list[Any]]:
    models = [model for model in apps.get_app_config("connections").get_models() if model not in RECORD]
    return {model.__name__: list(model._base_manager.order_by("pk").values()) for model in models}


@pytest.mark.parametrize("verb", [name for name in POSTS if name not in OWN and not name.startswith("handover")])
def test_an_auditor_changes_nothing_at_any_address(world: World, verb: str) -> None:
    kind, data, _codes = POSTS[verb]
    before = rows()
    # Straight, not by `told`, which takes back what was done.
    answer = world.clients["auditor"].post(address(world, verb, kind), data)
    assert answer.status_code in {200, 403, 404}
    assert rows() == before


def test_each_verb_is_refused_with_the_reason(cast: dict[str, User]) -> None:
    auditor = cast["auditor"]
    pending = factories.submitted(cast["requester"])
    created = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    # Whoever becomes an auditor has written something before.
    own, draft = factories.submitted(auditor_before := factories.person()), factories.draft(auditor_before)
    auditor_before.groups.add(factories.group("Auditors"))
    former = fresh(auditor_before)
    filing = factories.filing()
    verbs: list[Callable[[], object]] = [
        lambda: workflow.submit(by=auditor, filing=filing),
        lambda: workflow.save_draft(by=auditor, filing=filing),
        lambda: workflow.clone_values(by=auditor, conn_request=pending),
        lambda: workflow.live_values(by=auditor, connection_id=created.connection_id or ""),
        lambda: workflow.ask_for_dry_run(by=auditor, conn_request=pending),
        lambda: workflow.rerun_tests(by=auditor, conn_request=created),
        lambda: workflow.ask_for_change(by=auditor, conn_request=created, kind=ChangeKind.PAUSE, reason="x"),
        lambda: workflow.withdraw(by=former, conn_request=own),
        lambda: workflow.submit(by=former, filing=filing, conn_request=own),
        lambda: workflow.save_draft(by=former, filing=filing, conn_request=draft),
        lambda: workflow.share_draft(by=former, conn_request=draft),
        lambda: permissions.check_can_hand_over(former, created),
    ]
    for number, verb in enumerate(verbs):
        with pytest.raises(permissions.Denied) as denied:
            verb()
        assert WHY in denied.value.reason, number


def test_no_page_shows_an_auditor_a_button_that_is_refused(world: World) -> None:
    auditor = world.clients["auditor"]
    for name, (kind, _codes) in GETS.items():
        if name in OWN or name.startswith("handover"):
            continue
        code, _answer, body = told(auditor, "get", address(world, name, kind), ASKED.get(name))
        if code != "200":
            continue
        main = body.partition("<main")[2].partition("</main>")[0]
        assert 'method="post"' not in main, name
        assert 'href="/requests/new/' not in body.replace("/requests/new/?service=", "") or name == "reference", name
    _code, _answer, body = told(auditor, "get", "/requests/new/")
    assert WHY in body


def test_an_auditor_reads_operations_and_the_record(as_user: Callable[[str], Client]) -> None:
    for path in ("/operations/", "/audit/", "/requests/", "/catalog/"):
        assert as_user("auditor").get(path).status_code == 200


@pytest.mark.parametrize("group", ["Finance", "Operators", "Approvers"])
def test_whoever_is_in_another_group_too_keeps_what_it_may(cast: dict[str, User], group: str) -> None:
    auditor = cast["auditor"]
    auditor.groups.add(made := Group.objects.get_or_create(name=group)[0])
    if group == "Finance":  # which gives nothing before a rule names it
        assert permissions.reads_only(fresh(auditor))
        named(made)
    auditor = fresh(auditor)
    assert not permissions.reads_only(auditor) and permissions.reads_record(auditor)
    conn_request = workflow.submit(by=auditor, filing=factories.filing())
    assert conn_request.state is Status.PENDING
    assert permissions.is_operator(auditor) is (group == "Operators")
    other = factories.submitted(cast["requester"])
    assert permissions.can_decide(auditor, other) is (group == "Approvers")
    assert ConnectionRequest.objects.filter(requester=auditor).count() == 1


def test_rights_to_look_leave_an_auditor_one(cast: dict[str, User]) -> None:
    looks = Permission.objects.filter(codename__in=["view_event", "view_user"])
    Group.objects.get(name="Auditors").permissions.add(*looks)
    assert permissions.reads_only(fresh(cast["auditor"]))
    changes = Permission.objects.get(codename="change_preset")
    Group.objects.get(name="Auditors").permissions.add(changes)
    assert not permissions.reads_only(fresh(cast["auditor"]))


def test_the_other_group_counts_until_it_is_taken_away_and_no_moment_longer(
    as_user: Callable[[str], Client], cast: dict[str, User]
) -> None:
    browser, group = as_user("auditor"), named(Group.objects.create(name="Finance"))
    cast["auditor"].groups.add(group)
    assert browser.get("/requests/new/").status_code == 200
    cast["auditor"].groups.remove(group)
    assert browser.get("/requests/new/").status_code == 403


def test_whoever_only_reads_is_found_by_the_database_as_well(cast: dict[str, User]) -> None:
    for group in ("Finance", "Operators", "Approvers"):
        factories.person("auditor").groups.add(Group.objects.get_or_create(name=group)[0])
    named(Group.objects.create(name="Marketing")).user_set.add(factories.person("auditor"))
    named(Group.objects.get(name="Auditors"))
    factories.person("auditor").user_permissions.add(Permission.objects.get(codename="approve_trust"))
    User.objects.filter(pk=factories.person("auditor").pk).update(is_staff=True)
    one = factories.person("auditor")
    one.user_permissions.add(Permission.objects.get(codename="view_event"))
    by_database = set(permissions.who_only_read())
    assert by_database == {user for user in User.objects.all() if permissions.reads_only(user)} >= {one}


@pytest.mark.parametrize("flag", ["is_staff", "is_superuser"])
def test_staff_is_more_than_an_auditor(cast: dict[str, User], flag: str) -> None:
    setattr(cast["auditor"], flag, True)
    cast["auditor"].save()
    assert not permissions.reads_only(fresh(cast["auditor"]))
    assert permissions.reads_only(fresh(factories.person("auditor")))
