"""Access rules in the admin: a preview before anything is saved, and what would strand somebody is refused in words."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from connections.models import AccessRule, CatalogEntry, ConnectionRequest, Event, Kind, PortalPolicy
from tests import factories

pytestmark = pytest.mark.django_db
ADD = "/admin/connections/accessrule/add/"
FINANCE = "finance_warehouse"
ASKS, APPROVES = "may ask for connections into", "may approve them into"


@pytest.fixture
def place() -> None:
    for kind in (Kind.GROUP, Kind.DESTINATION):
        CatalogEntry.objects.create(kind=kind, fivetran_id=FINANCE, name="Finance warehouse")


@pytest.fixture
def root(client: Client, place: None) -> Client:
    client.force_login(factories.person("superuser", "root"))
    return client


def group(name: str, *people: User) -> Group:
    made = Group.objects.create(name=name)
    made.user_set.add(*people)
    return made


@pytest.fixture
def groups() -> dict[str, Group]:
    asks = factories.person(username="fiona", first_name="Fiona", last_name="Bell")
    decides = factories.person("approver", "frank", first_name="Frank", last_name="Moss")
    factories.person("approver", "ann", first_name="Ann", last_name="Hale")
    return {"ask": group("finance", asks), "decide": group("finance approvers", decides)}


def filled(groups: dict[str, Group], **changes: Any) -> dict[str, Any]:
    texts = {"name": "Finance", "active": "on", "destinations": [FINANCE]}
    return {**texts, "requesters": [groups["ask"].pk], "approvers": [groups["decide"].pk], **changes}


def saved(client: Client, address: str, data: dict[str, Any]) -> str:
    """Post, and once more with what the preview said, as who presses Save twice; the second page's text."""
    first = client.post(address, data)
    if first.status_code == 200 and (preview := first.context["preview"]):
        return client.post(address, {**data, "seen": preview.seen}, follow=True).content.decode()
    return first.content.decode()


def test_nothing_is_saved_before_its_preview_was_on_the_screen(root: Client, groups: dict[str, Group]) -> None:
    answer = root.post(ADD, filled(groups))
    page = answer.content.decode()
    assert answer.status_code == 200 and not AccessRule.objects.exists()
    told = {(line.right, heading): people for line in answer.context["preview"].lines for heading, people in line.cells}
    assert told[ASKS, "Who may then"] == "Fiona Bell" and "Ann Hale" in told[ASKS, "Shut out"]
    assert told[APPROVES, "Shut out"] == "Ann Hale, root" and told[APPROVES, "Let in"] == "nobody"
    assert "Finance warehouse" in page and "nothing is saved yet" in page and "Please correct" not in page
    other = root.post(ADD, filled(groups, name="Other", seen="something"))
    assert not AccessRule.objects.exists()
    saved(root, ADD, filled(groups, seen=other.context["preview"].seen))
    rule = AccessRule.objects.get()
    assert [str(one) for one in rule.destinations.all()] == ["Finance warehouse"]
    assert {(str(one.group), one.may_request, one.may_approve) for one in rule.groups.all()} == {
        ("finance", True, False),
        ("finance approvers", False, True),
    }


def test_a_rule_that_shuts_everybody_out_is_refused_with_what_it_would_strand(
    root: Client, groups: dict[str, Group]
) -> None:
    waiting = factories.submitted(group_id=FINANCE)
    nobody = group("nobody")
    page = saved(root, ADD, filled(groups, requesters=[nobody.pk]))
    assert "nobody may ask" in page and "Nothing was saved" in page
    page = saved(root, ADD, filled(groups, approvers=[nobody.pk]))
    assert f"request {waiting.pk} into “Warehouse”" in page and "nobody may approve" in page
    assert not AccessRule.objects.exists()
    assert "finance approvers" in page and 'value="Finance"' in page  # what was typed is kept


def test_a_rule_needs_somebody_else_who_approves(root: Client, groups: dict[str, Group]) -> None:
    page = saved(root, ADD, filled(groups, requesters=[groups["decide"].pk]))
    assert "nobody else may approve" in page and not AccessRule.objects.exists()


def test_a_rule_needs_somebody_who_does_not_only_read(root: Client, groups: dict[str, Group]) -> None:
    factories.person("auditor")
    page = saved(root, ADD, filled(groups, requesters=[Group.objects.get(name="Auditors").pk]))
    assert "nobody may ask" in page and not AccessRule.objects.exists()


def test_the_only_one_who_could_decide_may_not_be_who_asked(root: Client, groups: dict[str, Group]) -> None:
    waiting = factories.submitted(User.objects.get(username="frank"), group_id=FINANCE)
    page = saved(root, ADD, filled(groups))
    assert f"request {waiting.pk}" in page and not AccessRule.objects.exists()


def test_each_change_of_a_rule_is_on_record_field_by_field(root: Client, groups: dict[str, Group]) -> None:
    root.post(ADD, filled(groups))  # a preview alone is none
    assert not Event.objects.filter(kind="rule_changed").exists()
    saved(root, ADD, filled(groups))
    rule = AccessRule.objects.get()
    saved(root, f"/admin/connections/accessrule/{rule.pk}/change/", filled(groups, name="Money"))
    root.post(f"/admin/connections/accessrule/{rule.pk}/delete/", {"post": "yes"})
    made, renamed, gone = Event.objects.filter(kind="rule_changed").order_by("pk")
    assert {one["field"]: one["after"] for one in made.detail["changed"]}["requesters"] == "finance"
    assert renamed.detail == {"changed": [{"field": "name", "before": "Finance", "after": "Money"}]}
    assert gone.detail["deleted"] and made.by and made.by.username == "root" and made.about_kind == "accessrule"


@pytest.fixture
def rule(root: Client, groups: dict[str, Group]) -> AccessRule:
    saved(root, ADD, filled(groups))
    return AccessRule.objects.get()


def test_a_group_that_a_rule_needs_is_neither_emptied_nor_deleted(
    root: Client, rule: AccessRule, groups: dict[str, Group]
) -> None:
    frank = User.objects.get(username="frank")
    address = reverse("admin:auth_user_change", args=[frank.pk])
    form = root.get(address).context["adminform"].form
    data = {name: value for name, value in form.initial.items() if isinstance(value, (str, bool)) and value}
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    page = root.post(address, {**data, **joined, "groups": [], "is_active": "on"}).content.decode()
    assert "nobody may approve" in page and frank.groups.count() == 2
    kept = [one.pk for one in frank.groups.all()]
    page = root.post(address, {**data, **joined, "groups": kept, "is_active": ""}).content.decode()
    assert "nobody may approve" in page and User.objects.get(pk=frank.pk).is_active
    answer = root.post(reverse("admin:auth_group_delete", args=[groups["decide"].pk]), {"post": "yes"})
    assert answer.status_code == 200 and Group.objects.filter(pk=groups["decide"].pk).exists()
    approvers = Group.objects.get(name="Approvers")
    answer = root.post(
        reverse("admin:auth_group_change", args=[approvers.pk]), {"name": "Approvers", "permissions": []}
    )
    assert "nobody may approve" in answer.content.decode() and approvers.permissions.exists()
    root.post(reverse("admin:auth_group_delete", args=[approvers.pk]), {"post": "yes"})
    assert Group.objects.filter(pk=approvers.pk).exists()


def test_a_group_may_be_renamed(root: Client, rule: AccessRule, groups: dict[str, Group]) -> None:
    address = reverse("admin:auth_group_change", args=[groups["ask"].pk])
    root.post(address, {"name": "money", "permissions": []})
    assert Group.objects.get(pk=groups["ask"].pk).name == "money"


def test_a_rule_is_not_taken_away_from_what_a_closed_portal_needs(root: Client, rule: AccessRule) -> None:
    policy = reverse("admin:connections_portalpolicy_add")
    elsewhere = factories.submitted()
    page = root.post(policy, {"closed_without_rule": "on"}).content.decode()
    assert f"request {elsewhere.pk}" in page and not PortalPolicy.objects.exists()
    ConnectionRequest.objects.filter(pk=elsewhere.pk).update(group_id=FINANCE)
    root.post(policy, {"closed_without_rule": "on"})
    assert PortalPolicy.objects.get().closed_without_rule
    root.post(reverse("admin:connections_accessrule_delete", args=[rule.pk]), {"post": "yes"})
    root.post(
        reverse("admin:connections_accessrule_changelist"),
        {"action": "delete_selected", "_selected_action": [rule.pk], "post": "yes"},
    )
    assert AccessRule.objects.filter(pk=rule.pk).exists()


def test_closing_without_any_rule_is_refused(root: Client) -> None:
    page = root.post(reverse("admin:connections_portalpolicy_add"), {"closed_without_rule": "on"}).content.decode()
    assert "Nobody could ask for any destination" in page and not PortalPolicy.objects.exists()


def test_a_destination_that_is_gone_stays_in_its_rule(root: Client, rule: AccessRule, groups: dict[str, Group]) -> None:
    CatalogEntry.objects.filter(fivetran_id=FINANCE).delete()
    address = reverse("admin:connections_accessrule_change", args=[rule.pk])
    assert "Finance warehouse (no longer at Fivetran)" in root.get(address).content.decode()
    saved(root, address, filled(groups, name="Renamed"))
    rule.refresh_from_db()
    assert rule.name == "Renamed" and [str(one) for one in rule.destinations.all()] == ["Finance warehouse"]
    page = saved(root, address, filled(groups, destinations=["never_heard_of"]))
    assert "not one of the available choices" in page


def test_what_was_stranded_before_hinders_no_other_change(
    root: Client, rule: AccessRule, groups: dict[str, Group]
) -> None:
    groups["decide"].user_set.clear()  # by the company's directory: nobody was asked
    address = reverse("admin:connections_accessrule_change", args=[rule.pk])
    saved(root, address, filled(groups, name="Renamed"))
    assert AccessRule.objects.get().name == "Renamed"


def test_only_who_holds_djangos_right_edits_rules(client: Client, place: None) -> None:
    person = factories.person("staff")
    client.force_login(person)
    assert client.get(ADD).status_code == 403
    person.user_permissions.add(Permission.objects.get(codename="add_accessrule"))
    assert client.get(ADD).status_code == 200
