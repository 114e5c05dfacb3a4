"""A row of the table speaks of one provider's groups, or of everybody's."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from portal.sign_on import roles
from portal.sign_on.models import DirectoryGrant
from tests.sign_on.test_oidc import role

pytestmark = pytest.mark.sql


def groups_of(user: User) -> list[str]:
    return sorted(user.groups.values_list("name", flat=True))


def test_a_group_of_another_provider_with_the_same_name_gives_nothing(groups: None, settings: Any) -> None:
    role("data", "Approvers", provider="saml")
    role("data", "Operators", provider="company")
    role("data", "Auditors")
    mia = User.objects.create_user("mia")
    roles.apply(mia, ["data"], "company")
    assert groups_of(mia) == ["Auditors", "Operators"]


def test_the_environment_names_the_provider_too(groups: None, settings: Any) -> None:
    settings.LDAP_GROUP_ROLES = {"data": ["Approvers"]}
    roles.store_configured()
    mia = User.objects.create_user("mia")
    roles.apply(mia, ["data"], "company")
    assert groups_of(mia) == []
    roles.apply(mia, ["data"], "ldap")
    assert groups_of(mia) == ["Approvers"]


def test_a_row_of_another_provider_keeps_nothing_that_was_taken_back(groups: None) -> None:
    """Who was given the right by one provider, and whose row is switched off, has it no longer from that moment."""
    off, _on = role("data", "Approvers", provider="company"), role("data", "Approvers", provider="ldap")
    mia, ben = (User.objects.create_user(name) for name in ("mia", "ben"))
    roles.apply(mia, ["data"], "company")
    for provider in ("company", "ldap"):
        roles.apply(ben, ["data"], provider)
    off.is_on = False
    off.save()
    assert groups_of(mia) == [] and groups_of(ben) == ["Approvers"]
    assert [(grant.user, grant.provider) for grant in DirectoryGrant.objects.all()] == [(ben, "ldap")]
