"""The table of roles, its rows from the environment, and what is kept of what it gave."""

from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client

from portal.sign_on import roles
from portal.sign_on.models import DirectoryRole
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
TABLE = "/admin/sign_on/directoryrole/"


@pytest.fixture
def root(groups: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", "root@example.com", "a-Password-of-mine"))
    return client


@pytest.fixture
def of_setting(groups: None, settings: Any) -> DirectoryRole:
    settings.OIDC_ISSUER = "https://login.example.com"
    settings.OIDC_GROUP_ROLES = {"data-approvers": ["Approvers"]}
    roles.store_configured()
    return DirectoryRole.objects.get()


def row(name: str, **given: Any) -> DirectoryRole:
    return DirectoryRole.objects.create(directory_group=name, **given)


def linked(**more: Any) -> User:
    user = factories.person(**more)
    SocialAccount.objects.create(user=user, provider="company", uid=f"u-{user.pk}")
    return user


# --- rows of the environment -----------------------------------------------------------------------------------------


def test_a_row_of_the_environment_is_switched_off_and_not_changed_or_deleted(
    root: Client, of_setting: DirectoryRole
) -> None:
    page = f"{TABLE}{of_setting.pk}/"
    root.post(f"{page}delete/", {"post": "yes"})
    answer = root.post(f"{page}change/", {"provider": "", "directory_group": "others", "group": "", "is_on": ""})
    assert answer.status_code == 302, answer.content.decode()
    roles.store_configured()
    [stored] = DirectoryRole.objects.all()
    assert (stored.directory_group, stored.group.name, stored.is_on) == ("data-approvers", "Approvers", False)  # type: ignore[union-attr]


def test_what_the_environment_names_no_more_is_switched_off_and_can_be_deleted(
    root: Client, of_setting: DirectoryRole, settings: Any
) -> None:
    person = factories.person()
    roles.apply(person, ["data-approvers"], "company")
    settings.OIDC_GROUP_ROLES = {"data-approvers": ["Operators"]}
    roles.store_configured()
    assert not person.groups.exists()
    of_setting.refresh_from_db()
    assert (of_setting.is_on, of_setting.from_setting) == (False, "OIDC_GROUP_ROLES (no more)")
    root.post(f"{TABLE}{of_setting.pk}/delete/", {"post": "yes"})
    assert [str(one) for one in DirectoryRole.objects.all()] == ["data-approvers: Operators"]


def test_a_line_that_comes_back_counts_again_unless_it_was_switched_off_by_hand(
    of_setting: DirectoryRole, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    configured = settings.OIDC_GROUP_ROLES
    for by_hand in (False, True):
        DirectoryRole.objects.update(is_on=not by_hand)
        for now in ({}, configured) if not by_hand else (configured,):
            settings.OIDC_GROUP_ROLES = now
            roles.store_configured()
        of_setting.refresh_from_db()
        assert (of_setting.is_on, of_setting.from_setting) == (not by_hand, "OIDC_GROUP_ROLES")
    assert "was switched off in the admin" in caplog.text


def test_a_shell_without_the_settings_switches_nothing_off(of_setting: DirectoryRole, settings: Any) -> None:
    settings.OIDC_ISSUER, settings.OIDC_GROUP_ROLES = "", {}
    roles.store_configured()
    of_setting.refresh_from_db()
    assert of_setting.is_on


def test_who_has_a_right_by_another_row_too_keeps_it(groups: None) -> None:
    row("admins", gives_superuser=True)
    row("staff", gives_staff=True)
    User.objects.create_superuser("root2")
    person = factories.person()
    roles.apply(person, ["admins", "staff"], "company")
    DirectoryRole.objects.filter(gives_superuser=True).get().delete()
    person.refresh_from_db()
    assert (person.is_superuser, person.is_staff) == (False, True)


def test_a_row_that_gives_nothing_is_not_taken(root: Client) -> None:
    answer = root.post(f"{TABLE}add/", {"provider": "", "directory_group": "others", "group": "", "is_on": "on"})
    assert "Say what the members get" in answer.content.decode() and not DirectoryRole.objects.exists()


def test_the_tables_say_whose_rows_they_are_and_who_is_asked_elsewhere(root: Client, of_setting: DirectoryRole) -> None:
    row("others", group=Group.objects.get(name="Approvers"))
    page = root.get(TABLE).content.decode()
    assert f'{of_setting.pk}/change/">data-approvers' in page and "OIDC_GROUP_ROLES" in page
    assert '<td class="field-of">any' in page
    person = linked()
    person.set_unusable_password()
    person.save()
    people = root.get("/admin/auth/user/").content.decode()
    assert "not asked for here" in people and ">none<" in people


def test_rows_by_hand_are_deleted_and_not_together_with_one_of_the_environment(
    root: Client, of_setting: DirectoryRole
) -> None:
    by_hand = row("by-hand", gives_staff=True)
    for selected, left in ([of_setting, by_hand], 2), ([by_hand], 1):
        data = {"action": "delete_selected", "_selected_action": [one.pk for one in selected], "post": "yes"}
        root.post(TABLE, data)
        assert DirectoryRole.objects.count() == left


def test_a_row_by_hand_that_the_environment_names_too_becomes_its_row(groups: None, settings: Any) -> None:
    approvers = Group.objects.get(name="Approvers")
    by_hand = row("data-approvers", provider="company", group=approvers, is_on=False)
    settings.OIDC_GROUP_ROLES = {"data-approvers": ["Approvers"]}
    roles.store_configured()
    by_hand.refresh_from_db()
    assert by_hand.from_setting == "OIDC_GROUP_ROLES" and not by_hand.is_on


# --- what was given --------------------------------------------------------------------------------------------------


def test_what_a_provider_gave_that_is_set_up_no_more_goes_with_the_next_log_in(groups: None, settings: Any) -> None:
    settings.OIDC_ISSUER, person = "https://login.example.com", factories.person()
    row("deciders", provider="company", group=Group.objects.get(name="Approvers"))
    roles.apply(person, {"deciders"}, "company")
    roles.apply(person, set(), "saml")
    assert person.groups.count() == 1, "the other provider’s word stays, while there is one"
    settings.OIDC_ISSUER = ""
    roles.apply(person, set(), "saml")
    assert not person.groups.exists()


@pytest.mark.parametrize("is_named", [True, False])
def test_a_named_administrator_stays_superuser(groups: None, settings: Any, is_named: bool) -> None:
    settings.LOCAL_ADMINISTRATORS = ["ann"] if is_named else []
    User.objects.create_superuser("root")
    row("superusers", gives_superuser=True)
    ann = factories.person(username="ann")
    roles.apply(ann, {"superusers"}, "company")
    roles.apply(ann, set(), "company")
    ann.refresh_from_db()
    assert ann.is_superuser == is_named


def test_the_last_superuser_loses_it_as_soon_as_there_is_another_one(groups: None) -> None:
    row("admins", gives_superuser=True)
    person = factories.person()
    roles.apply(person, ["admins"], "company")
    roles.apply(person, [], "company")
    assert person.is_superuser, "nobody else could mend it"
    assert "took away may do everything" not in LogEntry.objects.latest("pk").change_message
    User.objects.create_superuser("root2")
    roles.apply(person, [], "company")
    assert not person.is_superuser and not person.is_staff


def test_a_deleted_link_takes_its_roles_along(groups: None, settings: Any) -> None:
    settings.OIDC_ISSUER, settings.LDAP_IS_ON = "https://login.example.com", True
    row("data-approvers", group=Group.objects.get(name="Approvers"))
    row("data-approvers", group=Group.objects.get(name="Operators"))
    person = linked()
    SocialAccount.objects.create(user=person, provider="ldap", uid="61")
    roles.apply(person, ["data-approvers"], "company")
    roles.apply(person, ["data-approvers"], "ldap")
    SocialAccount.objects.get(user=person, provider="company").delete()
    assert person.groups.count() == 2, "the other one gives them too"
    SocialAccount.objects.filter(user=person).delete()
    assert not person.groups.exists() and "link" in LogEntry.objects.latest("pk").change_message
    again = linked()
    roles.apply(again, ["data-approvers"], "company")
    again.delete()
    assert not User.objects.filter(pk=again.pk).exists()


def test_a_row_that_opens_the_admin_takes_no_more_than_that(groups: None) -> None:
    row("staff", gives_staff=True)
    by_hand = factories.person("superuser")
    User.objects.create_superuser("root")
    roles.apply(by_hand, {"staff"}, "company")
    roles.apply(by_hand, set(), "company")
    by_hand.refresh_from_db()
    assert by_hand.is_superuser and by_hand.is_staff


def test_what_was_given_is_on_the_record_with_the_groups_that_gave_it(groups: None) -> None:
    person = factories.person()
    row("admins", gives_staff=True)
    row("deciders", group=Group.objects.get(name="Approvers"))
    roles.apply(person, {"admins", "deciders", "canteen"}, "company")
    roles.apply(person, {"admins", "canteen"}, "company")
    roles.apply(person, {"admins", "canteen"}, "company")
    DirectoryRole.objects.filter(directory_group="admins").get().delete()
    told = [entry.change_message for entry in LogEntry.objects.order_by("pk")]
    assert told == [
        "The company's directory gave Approvers, may open the admin and took away nothing. "
        "Of the groups that it named these count here: admins, deciders.",
        "The company's directory gave nothing and took away Approvers. "
        "Of the groups that it named these count here: admins.",
        "The company's directory gave nothing and took away may open the admin. The table of roles was changed.",
    ]


# --- one door --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_named", [False, True])
def test_who_logs_in_at_the_company_gets_no_password_here(root: Client, settings: Any, is_named: bool) -> None:
    person = linked()
    settings.LOCAL_ADMINISTRATORS = [person.username] if is_named else []
    new = {"password1": "a-brand-new-portal-word", "password2": "a-brand-new-portal-word", "usable_password": "true"}
    answer = root.post(f"/admin/auth/user/{person.pk}/password/", new, follow=True)
    person.refresh_from_db()
    assert person.has_usable_password() == is_named
    assert ("This account is the company’s" in answer.content.decode()) != is_named


def test_an_account_that_is_not_the_companys_gets_one(root: Client) -> None:
    person = factories.person()
    new = {"password1": "a-brand-new-portal-word", "password2": "a-brand-new-portal-word", "usable_password": "true"}
    root.post(f"/admin/auth/user/{person.pk}/password/", new)
    person.refresh_from_db()
    assert person.has_usable_password()


@pytest.mark.parametrize("way", ["one", "many"])
def test_a_deleted_link_ends_the_sessions_of_its_person(root: Client, way: str) -> None:
    person = linked()
    link, theirs = SocialAccount.objects.get(), Client()
    theirs.force_login(person)
    assert theirs.get("/requests/").status_code == 200
    if way == "one":
        root.post(f"/admin/socialaccount/socialaccount/{link.pk}/delete/", {"post": "yes"})
    else:
        data = {"action": "delete_selected", "_selected_action": [link.pk], "post": "yes"}
        root.post("/admin/socialaccount/socialaccount/", data)
    assert not SocialAccount.objects.exists()
    assert theirs.get("/requests/").status_code == 302
