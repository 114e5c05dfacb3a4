"""People log in by the company's OpenID Connect provider."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from portal.sign_on.models import DirectoryRole
from tests.sign_on.conftest import Provider

LogIn = Callable[..., Any]
pytestmark = pytest.mark.database
MIA = {
    "email": "mia.meyer@example.com",
    "email_verified": True,
    "preferred_username": "mia.meyer@example.com",
    "given_name": "Mia",
    "family_name": "Meyer",
    "groups": ["data-approvers"],
}


def role(directory_group: str, group: str) -> DirectoryRole:
    return DirectoryRole.objects.create(directory_group=directory_group, group=Group.objects.get(name=group))


def test_a_new_person_gets_an_account_and_the_roles_of_the_directory(provider: Provider, log_in: LogIn) -> None:
    role("data-approvers", "Approvers")
    provider.has("s-mia", **MIA)
    client = Client()
    answer = log_in(client, "s-mia", wanted="/approvals/")
    assert (answer.status_code, answer.get("Location")) == (302, "/approvals/"), answer.content.decode()
    mia = User.objects.get()
    assert (mia.username, mia.email, mia.get_full_name()) == ("mia.meyer", "mia.meyer@example.com", "Mia Meyer")
    assert not mia.has_usable_password() and not mia.is_staff
    assert client.get("/approvals/").status_code == 200
    provider.has("s-mia", **{**MIA, "groups": []})
    log_in(client, "s-mia")
    assert not User.objects.get().groups.exists()
    assert client.get("/approvals/").status_code == 403
