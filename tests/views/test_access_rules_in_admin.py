"""Access rules in the admin: a preview before anything is saved, and what would strand somebody is refused in words."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from connections.forms.access_rule import MOST
from connections.models import AccessRule, CatalogEntry, ConnectionRequest, Event, Kind, PortalPolicy, Preset
from tests import factories

pytestmark = pytest.mark.django_db
ADD = "/admin/connections/accessrule/add/"
FINANCE = "finance_warehouse"
ASKS = "Who may ask for connections into Finance warehouse"
APPROVES = "Who may approve connections into Finance warehouse"


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


def lines_of(answer: Any) -> dict[str, dict[str, str]]:
    return {line.heading: dict(line.cells) for line in answer.context["preview"].lines}


def test_nothing_is_saved_before_its_preview_was_on_the_screen(root: Client, groups: dict[str, Group]) -> None:
    answer = root.post(ADD, filled(groups))
    page = answer.content.decode()
    assert answer.status_code == 200 and not AccessRule.objects.exists()
    told = lines_of(answer)
    assert told[ASKS]["Who may then"] == "Fiona Bell" and "Ann Hale" in told[ASKS]["Shut out"]
    assert told[APPROVES] == {"Shut out": "Ann Hale, root", "Who may then": "Frank Moss"}
    assert "Finance warehouse" in page and "Please correct" not in page
    assert "<title>Not saved yet: Add access rule" in page and "Save it like this" in page
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
    assert "Nobody may ask" in page and "Nothing was saved" in page
    page = saved(root, ADD, filled(groups, approvers=[nobody.pk]))
    link = f'<a href="/requests/{waiting.pk}/"><bdi>#{waiting.pk} Google Sheets {waiting.schema}</bdi></a>'
    assert f"{link} into “<bdi>Warehouse</bdi>”" in page and "Nobody may approve" in page
    assert "Save it like this" not in page and page.index("Nothing was saved") < page.index("data-preview")
    assert not AccessRule.objects.exists()
    assert "finance approvers" in page and 'value="Finance"' in page  # what was typed is kept


def test_a_rule_needs_somebody_else_who_approves(root: Client, groups: dict[str, Group]) -> None:
    page = saved(root, ADD, filled(groups, requesters=[groups["decide"].pk]))
    assert "Nobody else may approve" in page and not AccessRule.objects.exists()


def test_a_rule_needs_somebody_who_does_not_only_read(root: Client, groups: dict[str, Group]) -> None:
    factories.person("auditor")
    page = saved(root, ADD, filled(groups, requesters=[Group.objects.get(name="Auditors").pk]))
    assert "Nobody may ask" in page and not AccessRule.objects.exists()


def test_the_only_one_who_could_decide_may_not_be_who_asked(root: Client, groups: dict[str, Group]) -> None:
    waiting = factories.submitted(User.objects.get(username="frank"), group_id=FINANCE)
    page = saved(root, ADD, filled(groups))
    assert f"/requests/{waiting.pk}/" in page and not AccessRule.objects.exists()


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
    assert "Nobody may approve" in page and frank.groups.count() == 2
    kept = [one.pk for one in frank.groups.all()]
    page = root.post(address, {**data, **joined, "groups": kept, "is_active": ""}).content.decode()
    assert "Nobody may approve" in page and User.objects.get(pk=frank.pk).is_active
    answer = root.post(reverse("admin:auth_group_delete", args=[groups["decide"].pk]), {"post": "yes"})
    assert answer.status_code == 200 and Group.objects.filter(pk=groups["decide"].pk).exists()
    approvers = Group.objects.get(name="Approvers")
    answer = root.post(
        reverse("admin:auth_group_change", args=[approvers.pk]), {"name": "Approvers", "permissions": []}
    )
    assert "Nobody may approve" in answer.content.decode() and approvers.permissions.exists()
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
    assert f"/requests/{elsewhere.pk}/" in page and not PortalPolicy.objects.exists()
    ConnectionRequest.objects.filter(pk=elsewhere.pk).update(group_id=FINANCE)
    saved(root, policy, {"closed_without_rule": "on"})
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


# --- services --------------------------------------------------------------------------------------------------------
SHEETS = "Google Sheets into Finance warehouse"


@pytest.fixture
def sheets(place: None) -> str:
    CatalogEntry.objects.create(kind=Kind.SERVICE, fivetran_id="google_sheets", name="Google Sheets")
    return "google_sheets"


def test_the_preview_compares_each_service(
    root: Client, rule: AccessRule, groups: dict[str, Group], sheets: str
) -> None:
    address = reverse("admin:connections_accessrule_change", args=[rule.pk])
    told = lines_of(root.post(address, filled(groups, services=[sheets])))
    assert told[f"Who may ask for {SHEETS}"] == {"Changes": "nothing", "Who may then": "Fiona Bell"}
    others = {"Shut out": "Fiona Bell", "Who may then": "nobody"}
    assert told["Who may ask for all other services into Finance warehouse"] == others
    assert told["Who may approve all other services into Finance warehouse"]["Shut out"] == "Frank Moss"
    assert list(told)[0] == f"Who may ask for {SHEETS}" and len(told) == 4

    jonas = factories.person(username="jonas", first_name="Jonas", last_name="Weber")
    more = filled(groups, name="Sheets", services=[sheets], requesters=[group("marketing", jonas).pk])
    told = lines_of(root.post(ADD, more))
    assert told[f"Who may ask for {SHEETS}"] == {"Let in": "Jonas Weber", "Who may then": "Fiona Bell, Jonas Weber"}
    assert told["Who may ask for all other services into Finance warehouse"]["Changes"] == "nothing"


def test_a_service_without_an_approver_is_called_by_its_name(
    root: Client, rule: AccessRule, groups: dict[str, Group], sheets: str
) -> None:
    page = saved(root, reverse("admin:connections_accessrule_change", args=[rule.pk]), filled(groups, approvers=[]))
    assert "Nobody may approve what is asked for into “Finance warehouse”" in page
    no_approver = filled(groups, name="Sheets", services=[sheets], approvers=[])
    page = saved(root, reverse("admin:connections_accessrule_change", args=[rule.pk]), no_approver)
    assert "Nobody may approve Google Sheets into “Finance warehouse”" in page


# --- what else is previewed ------------------------------------------------------------------------------------------
def test_deleting_a_rule_says_whom_it_lets_in(root: Client, rule: AccessRule) -> None:
    answer = root.get(reverse("admin:connections_accessrule_delete", args=[rule.pk]))
    told, page = lines_of(answer), answer.content.decode()
    assert told[ASKS]["Let in"] == "Ann Hale, Frank Moss, root"
    assert told[ASKS]["Who may then"].startswith("everybody: ")
    assert told[APPROVES]["Who may then"] == "every approver: Ann Hale, Frank Moss, root"
    assert "Delete the rule" in page and "Access groups" not in page and "related items" not in page


def test_a_rule_that_cannot_be_deleted_says_so_on_its_page(root: Client, rule: AccessRule) -> None:
    PortalPolicy.objects.create(pk=1, closed_without_rule=True)
    page = root.get(reverse("admin:connections_accessrule_delete", args=[rule.pk])).content.decode()
    assert "Nobody could ask for any destination" in page and "Delete the rule" not in page


def test_the_switch_says_whom_it_shuts_out(root: Client, rule: AccessRule) -> None:
    address, data = reverse("admin:connections_portalpolicy_add"), {"closed_without_rule": "on"}
    answer = root.post(address, data)
    told = lines_of(answer)["Who may ask for connections into every destination that no rule names"]
    assert "Fiona Bell" in told["Shut out"] and told["Who may then"] == "nobody"
    assert not PortalPolicy.objects.exists()
    root.post(address, {**data, "seen": answer.context["preview"].seen})
    assert PortalPolicy.objects.get().closed_without_rule
    # Whatever else stands on that page is saved at once.
    root.post(reverse("admin:connections_portalpolicy_change", args=[1]), {**data, "naming_help": "Begin with sales_"})
    assert PortalPolicy.objects.get().naming_help == "Begin with sales_"


def test_the_approvers_of_a_preset_strand_nothing(root: Client, groups: dict[str, Group]) -> None:
    preset = Preset.objects.create(name="Ads", service="google_sheets", approvers=groups["decide"])
    waiting = factories.submitted(group_id=FINANCE)
    ConnectionRequest.objects.filter(pk=waiting.pk).update(preset=preset)
    address = reverse("admin:connections_preset_change", args=[preset.pk])
    form = root.get(address).context["adminform"].form
    data = {name: bound.value() for name in form.fields if (bound := form[name]).value() not in (None, False)}
    page = root.post(address, {**data, "approvers": groups["ask"].pk}).content.decode()
    preset.refresh_from_db()
    assert f'"/requests/{waiting.pk}/"' in page and preset.approvers == groups["decide"]


def test_the_list_says_what_rules_are_and_for_which_services(root: Client, rule: AccessRule, sheets: str) -> None:
    page = root.get(reverse("admin:connections_accessrule_changelist")).content.decode()
    assert "which may approve them there" in page and "every one" in page
    assert "continue each other’s requests" in root.get("/admin/connections/team/").content.decode()
    rule.services.create(service=sheets)
    page = root.get(reverse("admin:connections_accessrule_changelist")).content.decode()
    assert "google_sheets" in page and "every one" not in page


def test_what_refuses_to_be_deleted_says_what_to_do(root: Client, rule: AccessRule, groups: dict[str, Group]) -> None:
    page = root.get(reverse("admin:auth_group_delete", args=[groups["decide"].pk])).content.decode()
    change = reverse("admin:connections_accessrule_change", args=[rule.pk])
    assert f'The access rule <a href="{change}">“<bdi>Finance</bdi>”</a> names “<bdi>finance approvers</bdi>”' in page
    assert "object (" not in page and "protected related objects" not in page and "Access group" not in page
    page = root.get(reverse("admin:auth_group_delete", args=[group("spare", *User.objects.all()).pk])).content.decode()
    assert "spare" in page and "relationship" not in page and "object (" not in page
    asked = factories.submitted(User.objects.get(username="ann"), group_id="elsewhere")
    page = root.get(reverse("admin:auth_user_delete", args=[asked.requester_id])).content.decode()
    assert "Take the tick from “Active”" in page and "protected related objects" not in page


def test_the_form_says_how_many_destinations_a_rule_may_have(root: Client, groups: dict[str, Group]) -> None:
    many = [f"place{number}" for number in range(MOST + 1)]
    entries = (CatalogEntry(kind=Kind.DESTINATION, fivetran_id=one, name=one) for one in many)
    CatalogEntry.objects.bulk_create(entries)
    assert root.get(ADD).content.decode().count(f"At most {MOST}.") == 2
    answer = root.post(ADD, filled(groups, destinations=many))
    assert f"Choose {MOST} or fewer" in str(answer.context["errors"]) and answer.context["preview"] is None
    assert root.post(ADD, filled(groups, destinations=many[1:])).context["preview"] is not None
