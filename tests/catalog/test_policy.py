"""The company's policy in the admin: who may change it, what it refuses, and what the catalog's actions do."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client

from connections import catalog
from connections.models import CatalogEntry, PortalPolicy, ServiceRule, Stance
from tests import catalogs, factories

pytestmark = pytest.mark.django_db

RULES, POLICY = "/admin/connections/servicerule/", "/admin/connections/portalpolicy/"
ENTRIES = "/admin/connections/catalogentry/"


def client(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def editor() -> Client:
    """Staff with Django's own permissions for the policy, and the right to see the catalog."""
    user = factories.person("approver")
    models = ("servicerule", "portalpolicy")
    user.user_permissions.set(Permission.objects.filter(content_type__model__in=models))
    return client(user)


def test_the_policy_is_for_those_who_hold_its_permissions() -> None:
    for role in ("staff", "approver"):
        browser = client(factories.person(role))
        for path in (RULES, POLICY, f"{RULES}add/", f"{POLICY}add/"):
            assert browser.get(path).status_code == 403, (role, path)


def test_a_rule_is_made_listed_and_changed(editor: Client) -> None:
    catalogs.offered()
    assert editor.post(f"{RULES}add/", {"service": " s3 ", "stance": "denied", "position": "5"}).status_code == 302
    row = ServiceRule.objects.get()
    assert (row.service, row.stance, row.position) == ("s3", Stance.DENIED, 5)
    listed = editor.get(RULES).content.decode()
    assert ">S3</td>" in listed
    form = {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": row.pk,
        "form-0-stance": "recommended",
        "form-0-position": "1",
        "form-0-note": "For files",
        "_save": "Save",
    }
    assert editor.post(RULES, form).status_code == 302
    assert catalog.services()[0].id == "s3" and catalog.services()[0].note == "For files"


def test_a_service_that_nobody_offers_is_refused_as_long_as_the_list_is_known(editor: Client) -> None:
    form = {"service": "goggle_sheets", "stance": "denied", "position": "5"}
    catalogs.offered()
    answer = editor.post(f"{RULES}add/", form)
    assert "Fivetran offers no service with this id" in answer.content.decode()
    CatalogEntry.objects.all().delete()
    assert editor.post(f"{RULES}add/", form).status_code == 302
    assert ">not offered</td>" in editor.get(RULES).content.decode()


def test_the_policy_is_one_row(editor: Client) -> None:
    assert editor.get(POLICY)["Location"] == f"{POLICY}add/"
    form = {"only_listed_services": "on", "naming_template": "{team}_{service}", "naming_help": "Your team first"}
    assert editor.post(f"{POLICY}add/", form).status_code == 302
    assert editor.get(POLICY)["Location"] == f"{POLICY}1/change/"
    assert editor.get(f"{POLICY}add/").status_code == 403
    assert editor.post(f"{POLICY}1/change/", form | {"naming_help": "x"}).status_code == 302
    assert editor.post(f"{POLICY}1/delete/", {"post": "yes"}).status_code == 403
    policy = PortalPolicy.objects.current()
    assert (policy.pk, policy.only_listed_services, policy.naming_help) == (1, True, "x")
    with pytest.raises(IntegrityError), transaction.atomic():
        PortalPolicy.objects.create(pk=2)


def test_without_a_row_everything_is_allowed() -> None:
    policy = PortalPolicy.objects.current()
    assert (policy.only_listed_services, policy.naming_template) == (False, "")
    assert catalog.refusal("anything") == ""


@pytest.mark.parametrize("template", ["", "{team}_{service}", "dwh_{user}", "{a1}{b}"])
def test_a_template_of_names(template: str) -> None:
    PortalPolicy(pk=1, naming_template=template).full_clean()


@pytest.mark.parametrize("template", ["{Team}", "{team", "team}", "{}", "a-b", "Sales_{service}", "{team}\n", "{{x}}"])
def test_a_template_that_makes_no_names_is_refused(template: str) -> None:
    with pytest.raises(ValidationError, match="placeholders"):
        PortalPolicy(pk=1, naming_template=template).full_clean()


def act(browser: Client, stance: str, *services: str) -> Any:
    ticked = CatalogEntry.objects.filter(fivetran_id__in=services).values_list("pk", flat=True)
    form = {"action": f"rule_{stance}", "index": "0", "_selected_action": list(ticked)}
    return browser.post(ENTRIES, form, follow=True)


def test_the_actions_of_the_catalog_set_a_stance(editor: Client) -> None:
    catalogs.offered()
    ServiceRule.objects.create(service="s3", stance=Stance.RECOMMENDED, note="For files")
    page = act(editor, "denied", "s3", "postgres", "projected_sickle").content.decode()
    assert "Denied: 2 services." in page
    rules = dict(ServiceRule.objects.values_list("service", "stance"))
    assert rules == {"s3": "denied", "postgres": "denied"}, "a group is no service"
    assert ServiceRule.objects.get(service="s3").note == "For files"
    act(editor, "allowed", "s3")
    assert ServiceRule.objects.get(service="s3").stance == Stance.ALLOWED


def test_the_actions_are_for_those_who_may_change_the_rules() -> None:
    catalogs.offered()
    browser = client(factories.person("approver"))
    assert "rule_denied" not in browser.get(ENTRIES).content.decode()
    act(browser, "denied", "s3")
    assert not ServiceRule.objects.exists()
