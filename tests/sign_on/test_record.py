"""Every door on the record: who came in by which, who was turned away and why, and what the directory changed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections.demo.management.commands.seed_demo import PASSWORD
from connections.models import Event, EventKind
from tests.sign_on.providers import Mock
from tests.sign_on.saml import SamlProvider, role
from tests.sign_on.second_factors import code_of, half_way, type_code, type_password, with_app, wrong_code
from tests.sign_on.slapd import RIGHT, Directory
from tests.sign_on.test_ldap import log_in as by_ldap
from tests.sign_on.test_ldap import nowhere
from tests.sign_on.test_oidc import MIA
from tests.sign_on.test_saml import MIA as MIA_OF_SAML

pytestmark = [pytest.mark.django_db, pytest.mark.database]
LogIn = Callable[..., Any]


def told(kind: EventKind) -> list[dict[str, Any]]:
    """What each such event says: of whom, which name, and its detail."""
    events = Event.objects.filter(kind=kind).order_by("pk").values("about_name", "typed_name", "detail")
    return [{"of": one["about_name"], "name": one["typed_name"], **one["detail"]} for one in events]


def auditors_page(cast: dict[str, User], kind: EventKind) -> str:
    browser = Client()
    browser.force_login(cast["auditor"])
    return browser.get("/audit/", {"kind": kind.value}).content.decode()


def test_by_openid_connect(provider: Mock, log_in: LogIn, cast: dict[str, User]) -> None:
    role("data-approvers", "Approvers")
    provider.has("s-mia", **{**MIA, "groups": ["data-approvers"]})
    log_in(Client(), "s-mia")
    mia = User.objects.get(email=MIA["email"])
    assert told(EventKind.LOGGED_IN)[-1] == {"of": mia.username, "name": "", "door": "company"}
    assert "By the company’s log-in (OpenID Connect)." in auditors_page(cast, EventKind.LOGGED_IN)
    [made] = told(EventKind.ACCOUNT_CHANGED)
    assert (made["of"], made["who"]) == (mia.username, "The company’s log-in")
    of_mia = Event.objects.filter(about_kind="user", about_id=str(mia.pk))
    account, groups = of_mia.filter(kind=EventKind.RIGHTS_CHANGED).order_by("pk")
    assert (account.by, account.detail["who"]) == (None, "The company’s log-in")
    assert (groups.by, groups.detail["who"]) == (None, "The company’s directory")
    assert groups.detail["changed"] == [{"field": "groups", "before": "", "after": "Approvers"}]
    User.objects.filter(pk=mia.pk).update(is_active=False)
    assert log_in(Client(), "s-mia").status_code == 403
    log_in(Client(), "s-mia", action="deny")
    closed, turned_back = told(EventKind.LOG_IN_REFUSED)
    assert (closed["of"], closed["name"], closed["door"]) == (mia.username, mia.username, "company")
    assert closed["why"] == f"the account of user {mia.pk} is not active"
    assert (turned_back["of"], turned_back["name"]) == ("", "")
    page = auditors_page(cast, EventKind.LOG_IN_REFUSED)
    assert "The provider turned the person away, or the person turned back. By the company’s log-in" in page


def test_somebody_without_an_account_is_named_as_the_provider_names_them(
    provider: Mock, log_in: LogIn, settings: Any
) -> None:
    settings.SIGN_ON_NEW_ACCOUNTS = False
    provider.has("s-mia", **MIA)
    assert log_in(Client(), "s-mia").status_code == 403
    [refused] = told(EventKind.LOG_IN_REFUSED)
    assert (refused["of"], refused["name"]) == ("", MIA["email"])
    assert "SIGN_ON_NEW_ACCOUNTS is off" in refused["why"]


def test_by_saml(saml: SamlProvider) -> None:
    saml.has("mia", **MIA_OF_SAML)
    saml.log_in(Client(), "mia")
    [came] = [one for one in told(EventKind.LOGGED_IN) if one.get("door") == "saml"]
    User.objects.filter(username=came["of"]).update(is_active=False)
    saml.log_in(Client(), "mia")
    Client().post("/accounts/saml/acs/", {"SAMLResponse": "no answer"}, REMOTE_ADDR="192.0.2.8")
    closed, broken = told(EventKind.LOG_IN_REFUSED)
    assert (closed["of"], closed["door"]) == (came["of"], "saml")
    assert (broken["of"], broken["door"]) == ("", "saml") and broken["why"]
    assert Event.objects.latest("pk").address == "192.0.2.8"


def test_what_an_answer_of_saml_says_of_itself_is_in_the_log_alone(saml: SamlProvider, caplog: Any) -> None:
    saml.has("mia", refuses=["urn:oasis:names:tc:SAML:2.0:status:AuthnFailed", "Words-of-a-stranger"])
    saml.log_in(Client(), "mia")
    for wrong in ({"issuer": "https://words-of-a-stranger.example/"}, {"sign_alg": "urn:words-of-a-stranger"}):
        edits = {"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": wrong["sign_alg"]} if "sign_alg" in wrong else {}
        saml.has("mia", **MIA_OF_SAML, answer={} if edits else wrong)
        saml.log_in(Client(), "mia", **edits)
    why = [one["why"] for one in told(EventKind.LOG_IN_REFUSED)]
    assert why == ["the provider refused", "the answer cannot be used", "the answer cannot be used"]
    assert caplog.text.lower().count("words-of-a-stranger") >= 3


def test_who_asks_for_the_description_of_the_portal_did_not_try_to_log_in(saml: SamlProvider, settings: Any) -> None:
    settings.PUBLIC_URL = "nowhere"
    assert Client().get("/accounts/saml/metadata/").status_code == 403
    assert told(EventKind.LOG_IN_REFUSED) == []


def test_an_account_that_is_joined_is_one_event(provider: Mock, log_in: LogIn, cast: dict[str, User]) -> None:
    mia = User.objects.create_user("mia", email=str(MIA["email"]), password=PASSWORD)
    before = len(told(EventKind.ACCOUNT_CHANGED))
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    mia.refresh_from_db()
    assert not mia.has_usable_password()
    [joined] = told(EventKind.ACCOUNT_CHANGED)[before:]
    assert (joined["of"], joined["who"]) == ("mia", "The company’s log-in")
    assert "The password here has ended" in Event.objects.filter(kind=EventKind.ACCOUNT_CHANGED).latest("pk").reason


def test_strangers_do_not_bury_the_record(saml: SamlProvider) -> None:
    for _ in range(30):
        Client().post("/accounts/saml/acs/", {"SAMLResponse": "no answer"})
    assert len(told(EventKind.LOG_IN_REFUSED)) == 10
    for number in range(200):
        Client().post("/accounts/saml/acs/", {"SAMLResponse": "no answer"}, REMOTE_ADDR=f"192.0.2.{number + 2}")
    assert len(told(EventKind.LOG_IN_REFUSED)) == 100


def test_by_ldap(directory: Directory, settings: Any) -> None:
    directory.has("mia.meyer", mail="mia@example.com", givenName="Mia", sn="Meyer")
    assert by_ldap(Client(), "mia.meyer").status_code == 302
    assert told(EventKind.LOGGED_IN)[-1] == {"of": "mia.meyer", "name": "", "door": "ldap"}
    by_ldap(Client(), "mia.meyer", "wrong")
    User.objects.update(is_active=False)
    by_ldap(Client(), "mia.meyer", RIGHT)
    settings.LDAP_URL = nowhere()
    by_ldap(Client(), "somebody-or-a-password")
    wrong, closed, away = told(EventKind.LOG_IN_REFUSED)
    assert (wrong["of"], wrong["wrong"]) == ("mia.meyer", "password")
    assert (closed["of"], closed["door"]) == ("mia.meyer", "ldap") and "not active" in closed["why"]
    assert away == {"of": "", "name": "", "door": "ldap", "why": "the directory does not answer"}


def test_an_administrator_while_the_company_is_away(cast: dict[str, User], settings: Any) -> None:
    cast["admin"].set_password(PASSWORD)
    cast["admin"].save()
    secret, _codes = with_app("admin")
    settings.LOCAL_ACCOUNTS, settings.LOCAL_ADMINISTRATORS = False, ["admin"]
    settings.OIDC_ISSUER, settings.OIDC_NAME = "https://login.example.com", "Example"
    type_code(half_way("admin"), code_of(secret))
    assert told(EventKind.LOGGED_IN)[-1] == {
        "of": "admin",
        "name": "",
        "door": "password",
        "factor": "totp",
        "while_local_accounts_are_off": True,
    }
    assert "While local accounts are off." in auditors_page(cast, EventKind.LOGGED_IN)


def test_refusals_of_a_password_name_the_cause(cast: dict[str, User]) -> None:
    requester, closed = cast["requester"], cast["requester2"]
    for person in (requester, closed):
        person.set_password(PASSWORD)
        person.save()
    User.objects.filter(pk=closed.pk).update(is_active=False)
    secret, _codes = with_app(requester.username)
    type_password(Client(), closed.username)
    client = half_way(requester.username)
    for _ in range(8):
        type_code(client, wrong_code(secret))
    found = [(one["of"], one.get("wrong") or one["why"]) for one in told(EventKind.LOG_IN_REFUSED)]
    assert found[0] == (closed.username, "account")
    assert found[1] == (requester.username, "code")
    assert found[-1] == (requester.username, "too many wrong passwords or codes from this address")
    assert {words for _name, words in found[1:-1]} <= {"code", "closed", found[-1][1]}
