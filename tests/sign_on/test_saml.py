"""People log in by the company's SAML provider: one account each, with the roles of the directory."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.sign_on.saml import SamlProvider, role

pytestmark = pytest.mark.database
NAME_ID = "urn:oasis:names:tc:SAML:{}:nameid-format:{}"
ATTRIBUTES: dict[str, Any] = {
    "mail": "mia.meyer@example.com",
    "uid": "mia.meyer",
    "givenName": "Mia",
    "sn": "Meyer",
    "groups": ["data-approvers", "everybody"],
}
MIA: dict[str, Any] = {"subject": "s-mia", "attributes": ATTRIBUTES}


def with_attributes(**changed: Any) -> dict[str, Any]:
    return {**MIA, "attributes": {**ATTRIBUTES, **changed}}


def is_logged_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_new_person_gets_an_account_and_the_roles_of_the_directory(saml: SamlProvider) -> None:
    role("data-approvers", "Approvers")
    saml.has("mia", **MIA)
    client = Client()
    answer = saml.log_in(client, "mia", wanted="/approvals/")
    assert (answer.status_code, answer.get("Location")) == (302, "/approvals/"), answer.content.decode()
    mia = User.objects.get()
    assert (mia.username, mia.email, mia.get_full_name()) == ("mia.meyer", "", "Mia Meyer")
    assert not mia.has_usable_password() and not mia.is_staff
    assert client.get("/approvals/").status_code == 200
    saml.has("mia", **with_attributes(groups=["unknown"]))
    saml.log_in(client, "mia")
    assert not User.objects.get().groups.exists()
    assert client.get("/approvals/").status_code == 403


def test_the_log_in_page_leads_to_the_provider(saml: SamlProvider, settings: Any) -> None:
    settings.SAML_NAME = "Example"
    page = Client().get("/accounts/login/", {"next": "/history/"}).content.decode()
    assert 'href="/accounts/saml/login/?next=/history/">Log in with Example</a>' in page


@pytest.mark.parametrize("wanted", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_no_address_elsewhere_is_gone_to(saml: SamlProvider, wanted: str) -> None:
    saml.has("mia", **MIA)
    assert saml.log_in(Client(), "mia", wanted=wanted)["Location"] == "/"  # nor to the RelayState of saml.post


def test_a_new_name_and_address_leave_the_account_the_same(saml: SamlProvider) -> None:
    saml.has("mia", **MIA)
    saml.log_in(Client(), "mia")
    saml.has("mia", **with_attributes(mail="mia.smith@example.com", uid="mia.smith", sn="Smith"))
    client = Client()
    saml.log_in(client, "mia")
    assert is_logged_in(client) and User.objects.get().username == "mia.meyer"


def test_a_taken_name_is_not_taken_over(saml: SamlProvider, settings: Any) -> None:
    settings.SAML_OWNS_ADDRESSES = True
    local = User.objects.create_user("mia.meyer", password="local-password")
    saml.has("mia", **MIA)
    saml.log_in(Client(), "mia")
    assert User.objects.exclude(pk=local.pk).get().username == "mia.meyer.2"
    local.refresh_from_db()
    assert local.has_usable_password() and not local.email


@pytest.mark.parametrize(
    ("person", "name_id", "attribute"),
    [
        ({"subject": ""}, "PERSISTENT", ""),
        ({"subject": " "}, "PERSISTENT", ""),
        ({"subject": "mia@example.com", "format": NAME_ID.format("1.1", "emailAddress")}, "PERSISTENT", ""),
        ({"subject": "x", "format": NAME_ID.format("2.0", "transient")}, "PERSISTENT", ""),
        ({"subject": "x", "format": NAME_ID.format("2.0", "transient")}, "UNSPECIFIED", ""),
        ({"subject": "x", "format": NAME_ID.format("1.1", "unspecified")}, "PERSISTENT", ""),
        (MIA, "PERSISTENT", "employeeNumber"),
        (with_attributes(employeeNumber=["1", "2"]), "PERSISTENT", "urn:oid:2.16.840.1.113730.3.1.3"),
    ],
)
def test_who_has_no_lasting_subject_is_refused(
    saml: SamlProvider, settings: Any, caplog: Any, person: dict[str, Any], name_id: str, attribute: str
) -> None:
    settings.SAML_NAME_ID, settings.SAML_SUBJECT_ATTRIBUTE = name_id, attribute
    saml.has("mia", **{"attributes": ATTRIBUTES, **person})
    answer = saml.log_in(Client(), "mia")
    assert answer.status_code == 403 and "did not say who you are" in answer.content.decode()
    assert "NameID" in caplog.text or "SAML_SUBJECT_ATTRIBUTE" in caplog.text
    assert not User.objects.exists()


@pytest.mark.parametrize(("name_id", "format"), [("UNSPECIFIED", "unspecified"), ("EMAILADDRESS", "emailAddress")])
def test_another_name_id_counts_where_the_setting_says_so(
    saml: SamlProvider, settings: Any, name_id: str, format: str
) -> None:
    settings.SAML_NAME_ID = name_id
    saml.has("mia", **{**MIA, "format": NAME_ID.format("1.1", format)})
    assert saml.log_in(Client(), "mia").status_code == 302


def test_an_address_as_name_id_is_one_person_in_every_spelling(saml: SamlProvider, settings: Any) -> None:
    settings.SAML_NAME_ID = "EMAILADDRESS"
    for spelled in ("mia@example.com", "Mia@Example.com"):
        saml.has("mia", **{**MIA, "format": NAME_ID.format("1.1", "emailAddress"), "subject": spelled})
        assert saml.log_in(Client(), "mia").status_code == 302
    assert User.objects.count() == 1


def test_an_attribute_may_say_who_somebody_is(saml: SamlProvider, settings: Any) -> None:
    settings.SAML_SUBJECT_ATTRIBUTE = "urn:oid:2.16.840.1.113730.3.1.3"
    transient = {"format": NAME_ID.format("2.0", "transient")}
    saml.has("mia", **with_attributes(employeeNumber="4711"), **transient)
    saml.log_in(Client(), "mia")
    saml.has("mia", **{**with_attributes(employeeNumber="4711"), "subject": "tomorrow"}, **transient)
    saml.log_in(Client(), "mia")
    assert User.objects.count() == 1


def test_an_address_that_is_not_verified_joins_no_account(saml: SamlProvider, caplog: Any) -> None:
    local = User.objects.create_user("mia", "Mia.Meyer@example.com", "local-password")
    saml.has("mallory", **MIA)
    client = Client()
    answer = saml.log_in(client, "mallory")
    assert answer.status_code == 403 and "does not say that the address is verified" in answer.content.decode()
    assert "the address is not verified" in caplog.text and "mia.meyer@" not in caplog.text.lower()
    assert not is_logged_in(client) and User.objects.get() == local


def test_an_address_of_the_directory_joins_the_account_where_the_setting_says_so(
    saml: SamlProvider, settings: Any
) -> None:
    settings.SAML_OWNS_ADDRESSES = True
    User.objects.create_user("mia", "Mia.Meyer@example.com", "local-password")
    saml.has("mia", **MIA)
    client = Client()
    assert saml.log_in(client, "mia").status_code == 302
    mia = User.objects.get()
    assert is_logged_in(client) and mia.username == "mia" and not mia.has_usable_password()


def test_another_subject_does_not_get_the_account(saml: SamlProvider, settings: Any) -> None:
    settings.SAML_OWNS_ADDRESSES = True
    saml.has("mia", **MIA)
    saml.log_in(Client(), "mia")
    saml.has("mia", **{**MIA, "subject": "s-somebody-else"})
    client = Client()
    answer = saml.log_in(client, "mia")
    assert answer.status_code == 403 and "a new identity" in answer.content.decode()
    assert not is_logged_in(client) and User.objects.count() == 1


def test_a_closed_account_stays_closed(saml: SamlProvider) -> None:
    saml.has("mia", **MIA)
    saml.log_in(Client(), "mia")
    User.objects.update(is_active=False)
    client = Client()
    answer = saml.log_in(client, "mia")
    assert answer.status_code == 403 and "is closed" in answer.content.decode() and not is_logged_in(client)


def test_a_log_in_takes_the_place_of_another_one(saml: SamlProvider) -> None:
    saml.has("mia", **MIA)
    saml.has("ben", subject="s-ben", attributes={"uid": "ben"})
    client = Client()
    saml.log_in(client, "mia")
    saml.log_in(client, "ben")
    assert client.session["_auth_user_id"] == str(User.objects.get(username="ben").pk)


def test_a_person_with_too_many_groups_is_told_of(saml: SamlProvider, caplog: Any) -> None:
    link = {"http://schemas.microsoft.com/claims/groups.link": "https://graph.example.com/me/getMemberObjects"}
    saml.has("mia", subject="s-mia", attributes=link)
    assert saml.log_in(Client(), "mia").status_code == 302
    assert "left out the groups" in caplog.text


@pytest.mark.parametrize("mail", ["no address", "a" * 300 + "@example.com"])
def test_an_address_that_is_none_is_left_out(saml: SamlProvider, mail: str) -> None:
    saml.has("mia", **with_attributes(mail=mail))
    saml.log_in(Client(), "mia")
    assert User.objects.get().email == ""
