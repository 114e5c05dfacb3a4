"""People log in by the company's OpenID Connect provider."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal.sign_on.models import DirectoryLook, DirectoryRole
from tests.sign_on.providers import Mock, configure

LogIn = Callable[..., Any]
pytestmark = pytest.mark.sql
MIA = {
    "email": "mia.meyer@example.com",
    "email_verified": True,
    "preferred_username": "mia.meyer@example.com",
    "given_name": "Mia",
    "family_name": "Meyer",
    "groups": ["data-approvers"],
}


def role(directory_group: str, group: str, **more: Any) -> DirectoryRole:
    return DirectoryRole.objects.create(
        directory_group=directory_group, group=Group.objects.get(name=group) if group else None, **more
    )


def is_in(client: Client) -> str:
    """The name under which `client` is logged in, or nothing."""
    key = client.session.get("_auth_user_id")
    return User.objects.get(pk=key).username if key else ""


def refused(answer: Any, words: str, client: Client) -> None:
    assert answer.status_code in (403, 503)
    assert words in answer.content.decode()
    assert not is_in(client)


# --- in, and out again -----------------------------------------------------------------------------------------------


def test_a_new_person_gets_an_account_and_the_roles_of_the_directory(provider: Mock, log_in: LogIn) -> None:
    role("data-approvers", "Approvers")
    provider.has("s-mia", **MIA)
    client = Client()
    answer = log_in(client, "s-mia", wanted="/approvals/")
    assert (answer.status_code, answer.get("Location")) == (302, "/approvals/"), answer.content.decode()
    mia = User.objects.get()
    assert (mia.username, mia.email, mia.get_full_name()) == ("mia.meyer", "mia.meyer@example.com", "Mia Meyer")
    assert not mia.has_usable_password() and not mia.is_staff and not mia.is_superuser
    assert client.get("/approvals/").status_code == 200
    assert not SocialToken.objects.exists() and SocialAccount.objects.get().extra_data == {}


def test_the_second_log_in_is_the_same_account_whatever_changed(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    provider.has("s-mia", **MIA | {"email": "mia.new@example.com", "preferred_username": "mnew"})
    client = Client()
    log_in(client, "s-mia")
    assert User.objects.count() == 1 and is_in(client) == "mia.meyer"


def test_a_role_that_was_taken_away_is_gone_at_the_next_log_in(provider: Mock, log_in: LogIn) -> None:
    role("data-approvers", "Approvers")
    Group.objects.create(name="Set by hand")
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    mia = User.objects.get()
    mia.groups.add(Group.objects.get(name="Set by hand"))
    provider.has("s-mia", **MIA | {"groups": []})
    client = Client()
    log_in(client, "s-mia")
    assert [group.name for group in mia.groups.all()] == ["Set by hand"]
    assert client.get("/approvals/").status_code == 403


def test_a_role_that_is_switched_off_gives_nothing(provider: Mock, log_in: LogIn) -> None:
    switched = role("data-approvers", "Approvers")
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    assert User.objects.get().groups.exists()
    switched.is_on = False
    switched.save()
    log_in(Client(), "s-mia")
    assert not User.objects.get().groups.exists()


def test_the_admin_comes_from_the_directory_only_where_the_table_says_so(provider: Mock, log_in: LogIn) -> None:
    User.objects.create_superuser("root")
    provider.has("s-mia", **MIA | {"groups": ["admins", "superusers", "is_staff"], "is_staff": True})
    log_in(Client(), "s-mia")
    assert not User.objects.get(username="mia.meyer").is_staff
    role("admins", "", gives_staff=True)
    role("superusers", "", gives_superuser=True)
    log_in(Client(), "s-mia")
    mia = User.objects.get(username="mia.meyer")
    assert mia.is_staff and mia.is_superuser
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    mia = User.objects.get(username="mia.meyer")
    assert not mia.is_staff and not mia.is_superuser


def test_the_last_superuser_stays_one(provider: Mock, log_in: LogIn, caplog: pytest.LogCaptureFixture) -> None:
    role("superusers", "", gives_superuser=True)
    provider.has("s-mia", **MIA | {"groups": ["superusers"]})
    log_in(Client(), "s-mia")
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    assert User.objects.get().is_superuser and "there is no other one" in caplog.text


@pytest.mark.parametrize("change", ["deleted", "switched off", "another group"])
def test_what_no_row_gives_any_more_is_taken_away_at_once(provider: Mock, log_in: LogIn, change: str) -> None:
    User.objects.create_superuser("root")
    rows = [role("data-approvers", "Approvers"), role("data-approvers", "", gives_superuser=True)]
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    for row in rows:
        if change == "deleted":
            row.delete()
            continue
        row.is_on = change != "switched off"
        row.group, row.gives_superuser = Group.objects.get(name="Operators"), False
        row.directory_group += str(row.pk)
        row.save()
    mia = User.objects.get(username="mia.meyer")
    assert not mia.groups.exists() and not mia.is_superuser and not mia.is_staff


def test_a_refused_log_in_renews_nothing(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    User.objects.update(is_active=False)
    before = DirectoryLook.objects.get().at
    log_in(Client(), "s-mia")
    assert DirectoryLook.objects.get().at == before


def test_an_address_that_is_only_claimed_is_not_stored(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mallory", **MIA | {"email_verified": False, "preferred_username": "mallory"})
    log_in(Client(), "s-mallory")
    assert User.objects.get().email == ""
    provider.has("s-mia", **MIA)
    client = Client()
    log_in(client, "s-mia")
    assert is_in(client) == "mia.meyer", "whoever really has the address gets in"


@pytest.mark.parametrize("email", ["", "other@example.com", "no address", "mia.meyer@example.com\n"])
def test_whoever_may_have_an_account_already_gets_no_second_one(provider: Mock, log_in: LogIn, email: str) -> None:
    local("mia", email="mia.meyer@example.com")
    provider.has("s-mia", **MIA | {"email": email, "email_verified": False})
    client = Client()
    answer = log_in(client, "s-mia")
    assert answer.status_code == 403 and not is_in(client) and User.objects.count() == 1


def test_a_dotless_i_is_another_letter(provider: Mock, log_in: LogIn) -> None:
    """To PostgreSQL it is the same in upper case."""
    mike = local("mike", email="mike@example.com")
    provider.has("s-mike", **MIA | {"email": "m\u0131ke@example.com"})
    client = Client()
    log_in(client, "s-mike")
    mike.refresh_from_db()
    assert is_in(client) != "mike" and mike.has_usable_password()


@pytest.mark.parametrize("groups", [None, 7, {"a": 1}, [None, 3, {"x": 1}, ["data-approvers"]], "a\0b", []])
def test_odd_groups_give_nothing(provider: Mock, log_in: LogIn, groups: Any) -> None:
    role("data-approvers", "Approvers")
    provider.has("s-mia", **MIA | {"groups": groups})
    client = Client()
    log_in(client, "s-mia")
    assert is_in(client) == "mia.meyer" and not User.objects.get().groups.exists()


@pytest.mark.parametrize("groups", ["data-approvers", [{"name": "data-approvers"}], ["x"] * 300 + ["data-approvers"]])
def test_groups_as_other_providers_send_them(provider: Mock, log_in: LogIn, groups: Any) -> None:
    role("data-approvers", "Approvers")
    provider.has("s-mia", **MIA | {"groups": groups})
    log_in(Client(), "s-mia")
    assert [group.name for group in User.objects.get().groups.all()] == ["Approvers"]


def test_the_environment_names_roles_and_the_admin_has_the_last_word(
    provider: Mock, log_in: LogIn, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from portal.sign_on.roles import store_configured

    settings.OIDC_GROUP_ROLES = {"data-approvers": ["Approvers", "No such group"]}
    store_configured()
    assert "OIDC_GROUP_ROLES names a group that the portal does not have: No such group" in caplog.text
    stored = DirectoryRole.objects.get()
    stored.is_on = False
    stored.save()
    store_configured()
    assert not DirectoryRole.objects.get().is_on


def test_an_approvers_session_lasts_an_hour_and_anothers_ten(provider: Mock, log_in: LogIn) -> None:
    role("data-approvers", "Approvers")
    provider.has("s-mia", **MIA)
    provider.has("s-ben", **MIA | {"email": "ben@example.com", "preferred_username": "ben", "groups": []})
    mia, ben = Client(), Client()
    log_in(mia, "s-mia")
    log_in(ben, "s-ben")
    with time_machine.travel(timezone.now() + timedelta(minutes=59)):
        assert mia.get("/approvals/").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        assert mia.get("/approvals/").status_code == 302
    ends = {str(session.get_decoded()["_auth_user_id"]): session.expire_date for session in Session.objects.all()}
    assert ends[str(User.objects.get(username="ben").pk)] > timezone.now() + timedelta(hours=9)


# --- one person is one account ---------------------------------------------------------------------------------------


def local(username: str, **more: Any) -> User:
    return User.objects.create_user(username, password="a-Password-of-mine", **more)


def with_password(username: str) -> Client:
    client = Client()
    client.post("/accounts/login/", {"username": username, "password": "a-Password-of-mine"})
    return client


def test_a_verified_address_joins_the_account_that_has_it(provider: Mock, log_in: LogIn) -> None:
    mia = local("mia", email="Mia.Meyer@Example.com")
    provider.has("s-mia", **MIA)
    client = Client()
    log_in(client, "s-mia")
    assert is_in(client) == "mia" and User.objects.count() == 1
    mia.refresh_from_db()
    assert not mia.has_usable_password(), "the company says from now on who this is"
    assert not is_in(with_password("mia"))


@pytest.mark.parametrize("claim", [False, None, "false", 0, "yes", ["true"], {}], ids=str)
def test_an_address_that_is_not_verified_joins_nothing(provider: Mock, log_in: LogIn, claim: Any) -> None:
    local("mia", email="mia.meyer@example.com")
    provider.has("s-mia", **MIA | {"email_verified": claim})
    client = Client()
    refused(log_in(client, "s-mia"), "does not say that the address is verified", client)
    assert User.objects.count() == 1 and not SocialAccount.objects.exists()


def test_a_provider_may_say_by_another_claim_that_it_has_verified_the_address(
    provider: Mock, log_in: LogIn, settings: Any
) -> None:
    settings.OIDC_EMAIL_VERIFIED_CLAIM = "xms_edov"  # Entra ID
    local("mia", email="mia.meyer@example.com")
    provider.has("s-mia", **MIA | {"email_verified": None, "xms_edov": "1"})
    client = Client()
    log_in(client, "s-mia")
    assert is_in(client) == "mia"


def test_a_name_joins_nothing(provider: Mock, log_in: LogIn) -> None:
    local("mia.meyer", email="other@example.com")
    provider.has("s-mia", **MIA)
    client = Client()
    log_in(client, "s-mia")
    assert is_in(client) == "mia.meyer.2"
    assert User.objects.get(username="mia.meyer").has_usable_password()


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("Żółta.Gęś@example.com", "zota.ges"),
        ("EXAMPLE\\mia", "example.mia"),
        ("  ", "person"),
        ("<script>", "script"),
        ("admin", "admin.2"),
        ("x" * 500, "x" * 60),
    ],
)
def test_whoever_has_an_odd_name_gets_a_readable_one(
    provider: Mock, log_in: LogIn, settings: Any, sent: str, name: str
) -> None:
    settings.LOCAL_ADMINISTRATORS = ["admin"]
    provider.has("s-mia", **MIA | {"preferred_username": sent, "email": ""})
    client = Client()
    log_in(client, "s-mia")
    assert is_in(client) == name


def test_a_new_subject_with_a_known_address_is_refused(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    provider.has("s-other", **MIA)
    client = Client()
    refused(log_in(client, "s-other"), "belongs to somebody else at your company", client)
    assert User.objects.count() == SocialAccount.objects.count() == 1


def test_an_address_that_two_accounts_have_joins_neither(provider: Mock, log_in: LogIn) -> None:
    local("mia", email="mia.meyer@example.com")
    local("mia2", email="MIA.MEYER@example.com")
    provider.has("s-mia", **MIA)
    client = Client()
    refused(log_in(client, "s-mia"), "More than one account here has your e-mail address", client)


def test_the_same_subject_of_another_issuer_is_another_person(provider: Mock, log_in: LogIn, settings: Any) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    account = SocialAccount.objects.get()
    account.uid = account.uid[::-1]  # as if it had come of another issuer
    account.save()
    client = Client()
    refused(log_in(client, "s-mia"), "belongs to somebody else at your company", client)


def test_a_closed_account_stays_closed(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    User.objects.update(is_active=False)
    client = Client()
    refused(log_in(client, "s-mia"), "Your account here is closed", client)


@pytest.mark.parametrize("path", ["signup/", "social/signup/", "3rdparty/signup/", "email/", "social/connections/"])
def test_there_is_no_form_that_makes_an_account(provider: Mock, path: str, admin_client: Client) -> None:
    for client in (Client(), admin_client):
        assert client.get(f"/accounts/{path}").status_code == 404


def test_whoever_is_logged_in_already_becomes_the_other_person_whole(provider: Mock, log_in: LogIn) -> None:
    local("ben", email="ben@example.com")
    provider.has("s-mia", **MIA)
    client = with_password("ben")
    before = client.session.session_key
    log_in(client, "s-mia")
    assert is_in(client) == "mia.meyer" and client.session.session_key != before
    assert not SocialAccount.objects.filter(user__username="ben").exists()


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_provider_that_is_down_is_a_sentence(provider: Mock, settings: Any, caplog: Any) -> None:
    configure(settings, "http://127.0.0.1:9")
    client = Client()
    refused(client.get("/accounts/oidc/login/"), "does not answer just now", client)
    assert "ConnectionError" in caplog.text
    assert 'name="username"' in client.get("/accounts/login/").content.decode(), "the local way in is there"


def test_somebody_who_turns_back_is_told_so(provider: Mock, log_in: LogIn) -> None:
    client = Client()
    refused(log_in(client, "s-mia", action="deny"), "whether the portal is assigned to you", client)


def state_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["state"][0]


def test_an_answer_that_nobody_asked_for_logs_nobody_in(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mia", **MIA)
    begun = Client().get("/accounts/oidc/login/")
    back = urlsplit(provider.answers(begun["Location"], "s-mia"))
    other = Client()  # the link was sent to somebody else
    refused(other.get(f"{back.path}?{back.query}"), "belongs to no log-in that you began here", other)
    assert not User.objects.exists()


def sent_by(site: str, user: str) -> dict[str, str]:
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-User": user}


@pytest.mark.parametrize("way", ["oidc", "saml"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_begins_no_log_in_by_itself(provider: Mock, settings: Any, way: str, site: str) -> None:
    local("ben")
    client = with_password("ben")
    answer = client.get(f"/accounts/{way}/login/", {"next": "/requests/?q=a&b"}, headers=sent_by(site, ""))
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/requests/%3Fq%3Da%26b")
    assert is_in(client) == "ben" and "socialaccount_states" not in client.session
    page = client.get(answer["Location"], headers=sent_by(site, "")).content.decode()
    assert "/accounts/oidc/login/?next=/requests/%3Fq%3Da%26b" in page, "one click more"
    away = client.get(f"/accounts/{way}/login/", {"next": "//evil.example/"}, headers=sent_by(site, ""))
    assert "evil.example" not in client.get(away["Location"]).content.decode()


@pytest.mark.parametrize(
    ("site", "user"), [("cross-site", "?1"), ("same-site", "?1"), ("same-origin", ""), ("none", "")]
)
def test_a_link_of_another_site_that_somebody_clicks_begins_one(provider: Mock, site: str, user: str) -> None:
    answer = Client().get("/accounts/oidc/login/", headers=sent_by(site, user))
    assert answer.status_code == 302 and answer["Location"].startswith(provider.url)


def test_an_answer_is_good_once(provider: Mock) -> None:
    provider.has("s-mia", **MIA)
    client = Client()
    back = urlsplit(provider.answers(client.get("/accounts/oidc/login/")["Location"], "s-mia"))
    assert client.get(f"{back.path}?{back.query}").status_code == 302
    client.logout()
    refused(client.get(f"{back.path}?{back.query}"), "belongs to no log-in", client)


def test_a_code_of_another_log_in_is_refused(provider: Mock, log_in: LogIn) -> None:
    """By its nonce, also where the provider does not mind PKCE; and it is no news of the person who was named."""
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    before = DirectoryLook.objects.get().at
    stolen = urlsplit(provider.answers(Client().get("/accounts/oidc/login/")["Location"], "s-mia"))
    thief = Client()
    state = state_of(thief.get("/accounts/oidc/login/")["Location"])
    answer = thief.get("/accounts/oidc/callback/", {"state": state, "code": parse_qs(stolen.query)["code"][0]})
    refused(answer, "could not be used", thief)
    assert DirectoryLook.objects.get().at == before


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_clock_that_is_off_by_five_minutes_keeps_nobody_out(provider: Mock, log_in: LogIn, minutes: int) -> None:
    provider.has("s-mia", **MIA)
    client = Client()
    with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
        log_in(client, "s-mia")
        assert is_in(client) == "mia.meyer"


def test_a_token_that_ran_out_logs_nobody_in_and_the_log_asks_for_the_clock(
    provider: Mock, log_in: LogIn, caplog: pytest.LogCaptureFixture
) -> None:
    provider.has("s-mia", **MIA)
    client = Client()
    with time_machine.travel(timezone.now() + timedelta(minutes=70)):
        refused(log_in(client, "s-mia"), "could not be used", client)
    assert "is the clock of this machine right?" in caplog.text


def test_nothing_in_an_address_changes_what_is_asked(provider: Mock) -> None:
    address = Client().get(
        "/accounts/oidc/login/?process=connect&scope=admin&auth_params=prompt%3Dnone%26claims%3Dx&next=//evil.example/"
    )["Location"]
    query = parse_qs(urlsplit(address).query)
    assert sorted(query["scope"][0].split()) == ["email", "openid", "profile"]
    assert "prompt" not in query and "claims" not in query and query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"][0].endswith("/accounts/oidc/callback/")


def test_one_lands_on_no_foreign_page(provider: Mock, log_in: LogIn) -> None:
    provider.has("s-mia", **MIA)
    for wanted in ("//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"):
        answer = log_in(Client(), "s-mia", wanted=wanted)
        assert answer["Location"] == "/"


def test_no_secret_of_the_log_in_stands_in_the_log(
    provider: Mock, log_in: LogIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    told = [record.getMessage() for record in caplog.records if not record.name.startswith("urllib3")]
    assert not [line for line in told if "provider-secret" in line or "mia.meyer@" in line]


def test_without_a_provider_there_is_no_such_door() -> None:
    assert Client().get("/accounts/oidc/login/").status_code == 404
    assert "Log in with" not in Client().get("/accounts/login/").content.decode()


def test_the_button_stands_first_and_keeps_where_one_was_going(provider: Mock) -> None:
    page = Client().get("/accounts/login/?next=/requests/%3Fq%3Da%26b").content.decode()
    assert page.index("Log in with Example") < page.index('name="username"')
    assert "/accounts/oidc/login/?next=/requests/%3Fq%3Da%26b" in page
