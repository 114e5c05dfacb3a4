"""Who changed rights, rules and policy, and what they were before: by every way there is."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections.models import AccessRule, Event, EventKind, PortalPolicy, Preset, ServiceRule, Stance, Team
from portal.sign_on.models import DirectoryRole

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.fixture
def group(cast: dict[str, User]) -> Group:
    """A group before anything is asserted."""
    return Group.objects.create(name="Finance")


def last(kind: EventKind = EventKind.RIGHTS_CHANGED) -> Event:
    return Event.objects.filter(kind=kind).latest("pk")


def changed(event: Event) -> list[tuple[str, Any, Any]]:
    return [(one["field"], one["before"], one["after"]) for one in event.detail["changed"]]


def test_a_person_gets_and_loses_groups(cast: dict[str, User], group: Group) -> None:
    person = cast["requester"]
    person.groups.add(group)
    assert changed(last()) == [("groups", "", "Finance")]
    assert (last().about_kind, last().about_id, last().by) == ("user", str(person.pk), None)
    before = last()
    person.groups.add(group)
    assert last() == before  # nothing changed
    person.groups.set([])
    assert changed(last()) == [("groups", "Finance", "")]


def test_a_group_gets_members_from_its_own_side(cast: dict[str, User], group: Group) -> None:
    known = Event.objects.latest("pk").pk
    group.user_set.add(cast["requester"], cast["requester2"])
    found = Event.objects.filter(pk__gt=known, kind=EventKind.RIGHTS_CHANGED)
    assert {one.about_id for one in found} == {str(cast["requester"].pk), str(cast["requester2"].pk)}
    group.user_set.clear()
    assert changed(last()) == [("groups", "Finance", "")]


def test_who_comes_into_a_group_costs_no_statement_each(group: Group) -> None:
    people = User.objects.bulk_create(User(username=f"new{number}") for number in range(300))
    known = Event.objects.latest("pk").pk
    with CaptureQueriesContext(connection) as few:
        group.user_set.add(*people[:3])
    with CaptureQueriesContext(connection) as many:
        group.user_set.add(*people[3:])
    written = [one for one in many if one["sql"].startswith('INSERT INTO "connections_event"')]
    assert len(many) - len(few) == len(written) - 1 < 20  # SQLite has a limit of parameters in one
    assert Event.objects.filter(pk__gt=known).values("about_id").distinct().count() == 300
    assert changed(last()) == [("groups", "", "Finance")] and last().at is not None


def test_a_group_that_goes_takes_its_members_and_rights_along(cast: dict[str, User], group: Group) -> None:
    cast["requester"].groups.add(group)
    group.permissions.add(Permission.objects.get(codename="approve_request"))
    assert changed(last())[0][0] == "permissions"
    group.delete()
    assert [name for name, *_ in changed(last())] == ["name", "members", "permissions"]
    assert changed(last())[1] == ("members", "requester", "") and last().detail["deleted"]


def test_flags_of_an_account_by_an_attribute_and_by_the_administration(
    cast: dict[str, User], as_user: Callable[[str], Client]
) -> None:
    cast["requester"].is_staff = True
    cast["requester"].save()
    assert changed(last()) == [("is_staff", False, True)]
    before = last()
    cast["requester"].first_name = "Other"
    cast["requester"].save()
    cast["requester"].save(update_fields=["last_login"])
    assert last() == before
    admin = as_user("admin")
    form: Any = admin.get(f"/admin/auth/user/{cast['requester2'].pk}/change/").context["adminform"].form
    data = {name: value for name, value in form.initial.items() if value not in (None, False)}
    data |= {"is_staff": "on", "groups": [Group.objects.get(name="Operators").pk], "user_permissions": []}
    data |= {"date_joined_0": "2026-01-01", "date_joined_1": "10:00", "last_login_0": "", "last_login_1": ""}
    data.pop("is_active", None)
    answer = admin.post(f"/admin/auth/user/{cast['requester2'].pk}/change/", data, REMOTE_ADDR="192.0.2.6")
    assert answer.status_code == 302, answer.context["errors"]
    flags, groups = Event.objects.filter(kind=EventKind.RIGHTS_CHANGED, by=cast["admin"]).order_by("pk")
    assert sorted(changed(flags)) == [("is_active", True, False), ("is_staff", False, True)]
    assert changed(groups) == [("groups", "", "Operators")]
    assert {flags.address, groups.address} == {"192.0.2.6"}


def test_a_rule_of_a_service_is_edited_in_the_administration(as_user: Callable[[str], Client], cast: Any) -> None:
    rule = ServiceRule.objects.create(service="s3", stance=Stance.ALLOWED, note="so")
    data = {"service": "s3", "stance": Stance.DENIED, "position": 3, "note": ""}
    assert as_user("admin").post(f"/admin/connections/servicerule/{rule.pk}/change/", data).status_code == 302
    event = last(EventKind.RULE_CHANGED)
    assert (event.by, event.about_kind, event.about_id) == (cast["admin"], "servicerule", str(rule.pk))
    found = {name: (before, after) for name, before, after in changed(event)}
    assert found["stance"] == (Stance.ALLOWED, Stance.DENIED) and found["note"] == ("so", "")
    rule.delete()
    assert last(EventKind.RULE_CHANGED).detail["deleted"]


def test_policy_and_presets_name_the_settings_within(cast: dict[str, User]) -> None:
    policy = PortalPolicy.objects.create(pk=1)
    policy.only_listed_services = True
    policy.save()
    assert changed(last(EventKind.POLICY_CHANGED)) == [("only_listed_services", False, True)]
    preset = Preset.objects.create(name="Hourly", values={"config.host": "a", "config.password": "x"})
    assert "x" not in str(last(EventKind.RULE_CHANGED).detail["changed"][-1])
    preset.values = {"config.host": "b", "config.password": "y"}
    preset.save()
    told = changed(last(EventKind.RULE_CHANGED))
    assert told == [("values.config.host", "a", "b"), ("values.config.password", "******", "******")]


def test_teams_and_roles_of_the_directory_are_rights(group: Group) -> None:
    Team.objects.create(group=group)
    assert ("permissions", "") in [(name, before) for name, before, _after in changed(last())]
    role = DirectoryRole.objects.create(directory_group="admins", gives_superuser=True)
    assert ("gives_superuser", "", True) in changed(last())
    role.delete()
    assert last().detail["deleted"] and last().about_kind == "directoryrole"


def test_an_access_rule_that_a_command_changes_is_on_record_part_by_part(group: Group) -> None:
    rule = AccessRule.objects.create(name="Finance warehouse")
    rule.destinations.create(group_id="amber_harbor")
    access = rule.groups.create(group=group, may_request=True)
    rule.services.create(service="s3")
    access.may_approve = True
    access.save()
    rule.active = False
    rule.save()
    rule.delete()
    events = Event.objects.filter(kind=EventKind.RULE_CHANGED).order_by("pk")
    assert {(one.about_kind, one.about_name, one.by) for one in events} == {("accessrule", "Finance warehouse", None)}
    found = [change for event in events for change in changed(event)]
    assert found[:2] == [("name", "", "Finance warehouse"), ("active", "", True)]
    for expected in (
        ("group_id", "", "amber_harbor"),
        ("group", "", "Finance"),
        ("service", "", "s3"),
        ("may_approve", False, True),
        ("active", True, False),
        ("group_id", "amber_harbor", ""),
        ("name", "Finance warehouse", ""),
    ):
        assert expected in found, expected


def test_who_changed_the_name_the_address_and_the_password_of_an_account(
    cast: dict[str, User], as_user: Callable[[str], Client]
) -> None:
    person = cast["requester"]
    person.email = "new@example.com"
    person.save()
    event = last(EventKind.ACCOUNT_CHANGED)
    assert [(name, after) for name, _before, after in changed(event)] == [("email", "new@example.com")]
    person.username, person.first_name, person.last_name = "renamed", "Eve", "Adams"
    person.save()
    found = [(name, after) for name, _before, after in changed(last(EventKind.ACCOUNT_CHANGED))]
    assert found == [("username", "renamed"), ("first_name", "Eve"), ("last_name", "Adams")]
    answer = as_user("admin").post(
        f"/admin/auth/user/{person.pk}/password/",
        {"usable_password": "true", "password1": "a-Long-enough-1", "password2": "a-Long-enough-1"},
    )
    assert answer.status_code == 302, answer.content.decode()
    event = last(EventKind.ACCOUNT_CHANGED)
    assert (event.by, event.about_id) == (cast["admin"], str(person.pk))
    assert changed(event) == [("password", "******", "******")]


def test_a_password_that_is_hashed_anew_at_a_log_in_was_not_changed(cast: dict[str, User], settings: Any) -> None:
    person = cast["requester"]
    person.password = make_password("x")
    person.save()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
    before = last(EventKind.ACCOUNT_CHANGED)
    assert person.check_password("x") and person.password.startswith("scrypt")
    assert last(EventKind.ACCOUNT_CHANGED) == before
