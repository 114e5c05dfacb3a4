"""People log in by the company's SAML provider."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.sign_on.saml import SamlProvider, role

pytestmark = pytest.mark.database
MIA: dict[str, Any] = {
    "subject": "s-mia",
    "attributes": {
        "mail": "mia.meyer@example.com",
        "uid": "mia.meyer",
        "givenName": "Mia",
        "sn": "Meyer",
        "groups": ["data-approvers", "everybody"],
    },
}


def test_a_new_person_gets_an_account_and_the_roles_of_the_directory(saml: SamlProvider) -> None:
    role("data-approvers", "Approvers")
    saml.has("mia", **MIA)
    client = Client()
    answer = saml.log_in(client, "mia", wanted="/approvals/")
    assert (answer.status_code, answer.get("Location")) == (302, "/approvals/"), answer.content.decode()
    mia = User.objects.get()
    assert (mia.username, mia.email, mia.get_full_name()) == ("mia.meyer", "mia.meyer@example.com", "Mia Meyer")
    assert not mia.has_usable_password() and not mia.is_staff
    assert client.get("/approvals/").status_code == 200
    saml.has("mia", **{**MIA, "attributes": {**MIA["attributes"], "groups": []}})
    saml.log_in(client, "mia")
    assert not User.objects.get().groups.exists()
    assert client.get("/approvals/").status_code == 403
