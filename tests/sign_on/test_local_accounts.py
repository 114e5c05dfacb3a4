"""Passwords of the portal's own beside the company's log-in: who may use one, how loudly, and which doors close."""

import logging
import re
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.db import connection
from django.test import Client
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from connections import notifications
from connections.demo.management.commands.seed_demo import PASSWORD
from connections.models import Notice
from portal.sign_on import checks
from tests.portal.test_deploy import CHECK
from tests.portal.test_settings import PRODUCTION, run
from tests.sign_on.providers import Mock
from tests.sign_on.second_factors import code_of, is_in, set_up, type_code, type_password

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
LOG_IN = "/accounts/login/"
DOORS = [LOG_IN, "/accounts/login/?local", "/admin/login/"]


@pytest.fixture
def company_alone(cast: dict[str, User], settings: Any) -> dict[str, User]:
    settings.LOCAL_ACCOUNTS, settings.LOCAL_ADMINISTRATORS = False, ["admin"]
    settings.OIDC_ISSUER, settings.OIDC_NAME = "https://login.example.com", "Example"
    return cast


def shown(answer: Any) -> str:
    """The page without what differs each time."""
    return re.sub(r'(csrfmiddlewaretoken" value=|nonce=)"[^"]*"', "", answer.content.decode())


# --- the page --------------------------------------------------------------------------------------------------------


def test_with_local_accounts_the_company_comes_first_and_the_password_after(
    cast: dict[str, User], settings: Any
) -> None:
    settings.OIDC_ISSUER, settings.OIDC_NAME = "https://login.example.com", "Example"
    page = Client().get(LOG_IN).content.decode()
    assert page.index("Log in with Example") < page.index('name="username"') < page.index('name="password"')
    assert page.count("btn-primary") == 1


def test_the_form_comes_after_the_button_and_does_not_take_the_focus_from_it(
    cast: dict[str, User], settings: Any
) -> None:
    assert "autofocus" in Client().get(LOG_IN).content.decode()
    assert "or with a password" not in Client().get(LOG_IN).content.decode()
    settings.OIDC_ISSUER, settings.OIDC_NAME = "https://login.example.com", "Example"
    page = Client().get(LOG_IN).content.decode()
    assert page.index("Log in with Example") < page.index("or with a password") < page.index('name="username"')
    assert "autofocus" not in page
    assert "autofocus" in Client().get(f"{LOG_IN}?local").content.decode()


def test_two_companies_log_ins_of_one_name_can_be_told_apart(cast: dict[str, User], settings: Any) -> None:
    settings.OIDC_ISSUER, settings.SAML_IS_ON = "https://login.example.com", True
    page = Client().get(LOG_IN).content.decode()
    assert "Log in with your company (OpenID Connect)<" in page and "Log in with your company (SAML)<" in page
    settings.SAML_NAME = "Example"
    page = Client().get(LOG_IN).content.decode()
    assert "Log in with your company<" in page and "Log in with Example<" in page


def test_whose_password_ended_reads_which_button_to_use(cast: dict[str, User], settings: Any) -> None:
    ended = "If you have used “Log in with Example” once, use it again: your password here has ended."
    pages = [lambda: type_password(Client(), password="wrong"), lambda: Client().get("/accounts/password_reset/done/")]
    assert not any(ended in page().content.decode() for page in pages)
    settings.OIDC_ISSUER, settings.OIDC_NAME = "https://login.example.com", "Example"
    assert all(ended in page().content.decode() for page in pages)


@pytest.mark.parametrize("door", [LOG_IN, "/admin/login/"])
def test_whoever_is_logged_in_is_refused_no_page_that_was_not_wanted(
    cast: dict[str, User], as_user: Callable[[str], Client], door: str
) -> None:
    not_allowed = "Your account is not allowed to open that page"
    page = as_user("requester").get(door).content.decode()
    assert (not_allowed in page, "You are logged in already" in page) == (door != LOG_IN, door == LOG_IN)
    assert not_allowed in as_user("requester").get(f"{door}?next=/admin/").content.decode()
    anonymous = Client().get(f"{door}?next=/admin/").content.decode()
    assert not_allowed not in anonymous and "You are logged in already" not in anonymous


def test_the_page_can_offer_the_company_alone(company_alone: dict[str, User]) -> None:
    page = Client().get(LOG_IN).content.decode()
    assert "Log in with Example" in page
    assert 'name="password"' not in page and "password_reset" not in page
    local = Client().get(f"{LOG_IN}?local").content.decode()
    assert 'name="username"' in local and 'name="password"' in local
    assert "only the administrators who are named" in " ".join(local.split())


def test_a_portal_into_which_nobody_could_log_in_does_not_start() -> None:
    started = run("", PRODUCTION | {"LOCAL_ACCOUNTS": "false"})
    assert started.returncode == 1
    assert "LOCAL_ACCOUNTS is off, and no log-in of the company is set up" in started.stderr


def test_check_tells_who_named_nobody_for_the_day_on_which_the_provider_is_away() -> None:
    alone = {"LOCAL_ACCOUNTS": "false", "OIDC_ISSUER": "https://login.example.com"}
    alone |= {"OIDC_CLIENT_ID": "portal", "OIDC_CLIENT_SECRET": "secret"}
    assert "sign_on.W001" in run(CHECK, PRODUCTION | alone).stderr
    assert "sign_on.W001" not in run(CHECK, PRODUCTION | alone | {"LOCAL_ADMINISTRATORS": "admin"}).stderr


def test_check_tells_whom_it_names_without_an_account_or_a_password(cast: dict[str, User], settings: Any) -> None:
    settings.LOCAL_ADMINISTRATORS = ["admin", "approver", "operator", "Admin", "nobody"]
    cast["approver"].set_unusable_password()
    cast["approver"].save()
    User.objects.filter(username="operator").update(is_active=False)
    with connection.cursor() as cursor:
        assert checks.without_password(cursor) == ["approver", "operator", "Admin", "nobody"]
    settings.LOCAL_ADMINISTRATORS = []
    assert not list(checks.check_accounts())


@pytest.mark.django_db(transaction=True)
def test_check_asks_the_database(settings: Any) -> None:
    settings.LOCAL_ADMINISTRATORS = ["nobody"]
    [warning] = checks.check_accounts()
    assert warning.id == "sign_on.W002" and "names nobody" in warning.msg


# --- who gets in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_a_named_administrator_gets_in_and_everybody_hears_of_it(
    company_alone: dict[str, User], door: str, caplog: pytest.LogCaptureFixture, mailoutbox: list[Any]
) -> None:
    boss = User.objects.create_superuser("boss", "boss@example.com", "x")
    User.objects.create_superuser("former", "former@example.com", "x", is_active=False)
    User.objects.filter(username="admin").update(email="admin@example.com")
    client = Client()
    with caplog.at_level(logging.WARNING):
        assert type_password(client, "admin", door=door, REMOTE_ADDR="192.0.2.5").status_code == 302
    assert is_in(client)
    assert "logged in by the local password, from 192.0.2.5" in caplog.text
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user.username) == (str(company_alone["admin"].pk), "admin")
    assert "Logged in by the local password, from 192.0.2.5" in entry.change_message
    assert notifications.send_due() == 1
    [mail] = mailoutbox
    assert mail.to == [boss.email]
    assert "admin" in mail.body and "192.0.2.5" in mail.body


def test_while_local_accounts_are_on_a_log_in_is_not_loud(cast: dict[str, User]) -> None:
    type_password(Client(), "admin")
    assert not LogEntry.objects.exists()
    assert not Notice.objects.exists()


def test_it_is_loud_after_the_second_factor_alone(company_alone: dict[str, User]) -> None:
    client = Client()
    type_password(client, "admin")
    secret, _ = set_up(client)
    LogEntry.objects.all().delete()
    half = Client()
    type_password(half, "admin")
    assert not LogEntry.objects.exists()
    assert type_code(half, code_of(secret)).status_code == 302
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize("door", DOORS)
def test_everybody_else_is_answered_as_for_a_wrong_password(company_alone: dict[str, User], door: str) -> None:
    right, wrong, nobody = Client(), Client(), Client()
    answers = [
        type_password(right, "requester", door=door, REMOTE_ADDR="192.0.2.1"),
        type_password(wrong, "requester", door=door, password="wrong", REMOTE_ADDR="192.0.2.2"),
        type_password(nobody, "no-such-name", door=door, REMOTE_ADDR="192.0.2.3"),
        type_password(Client(), "admin", door=door, password="wrong", REMOTE_ADDR="192.0.2.4"),
    ]
    assert {answer.status_code for answer in answers} == {200}
    pages = {shown(answer).replace('value="admin"', "").replace('value="no-such-name"', "") for answer in answers}
    assert len({page.replace('value="requester"', "") for page in pages}) == 1
    assert not is_in(right)
    assert AccessAttempt.objects.count() == 4, "counted alike"


def test_tries_of_others_are_counted_to_the_same_limit(company_alone: dict[str, User]) -> None:
    codes = [type_password(Client(), "requester").status_code for _ in range(6)]
    assert codes == [200, 200, 200, 200, 429, 429]


def test_it_takes_as_long_as_a_wrong_password(company_alone: dict[str, User], settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    for name in ("requester", "admin"):
        company_alone[name].set_password(PASSWORD)
        company_alone[name].save()

    def seconds(name: str, password: str, place: int) -> float:
        begun = time.perf_counter()
        type_password(Client(), name, password=password, REMOTE_ADDR=f"192.0.2.{place}")
        return time.perf_counter() - begun

    others = [seconds("requester", PASSWORD, number) for number in range(5)]
    wrong = [seconds("admin", "wrong", 50 + number) for number in range(5)]
    assert 0.6 < median(others) / median(wrong) < 1.6, (others, wrong)


def test_a_demanded_second_factor_holds_for_the_named_too(company_alone: dict[str, User], settings: Any) -> None:
    settings.SECOND_FACTOR_GROUPS = ["*"]
    client = Client()
    type_password(client, "admin")
    assert client.get("/admin/")["Location"] == "/accounts/second-factor/"


# --- the other doors -------------------------------------------------------------------------------------------------


def test_no_link_for_a_new_password_goes_to_who_may_not_use_one(
    company_alone: dict[str, User], mailoutbox: list[Any]
) -> None:
    for name in ("requester", "admin"):
        User.objects.filter(username=name).update(email=f"{name}@example.com")
        Client().post("/accounts/password_reset/", {"email": f"{name}@example.com"})
    notifications.send_due()
    assert [mail.to for mail in mailoutbox] == [["admin@example.com"]]


def test_who_has_no_password_here_changes_none(company_alone: dict[str, User]) -> None:
    client = Client()
    client.force_login(company_alone["requester"])
    new = {"new_password1": "a-brand-new-portal-word", "new_password2": "a-brand-new-portal-word"}
    for answer in (
        client.get("/accounts/password_change/"),
        client.post("/accounts/password_change/", new | {"old_password": PASSWORD}),
    ):
        assert "Your password is changed there" in answer.content.decode()
    assert User.objects.get(username="requester").check_password(PASSWORD)


JOINED = {"email": "rae@example.com", "email_verified": True, "preferred_username": "rae"}


@pytest.fixture
def join(provider: Mock, log_in: Callable[..., Any], cast: dict[str, User]) -> Callable[[], Client]:
    """The requester comes by the company's log-in for the first time, with the same address."""

    def go() -> Client:
        User.objects.filter(username="requester").update(email="rae@example.com")
        provider.has("s-rae", **JOINED)
        client = Client()
        assert log_in(client, "s-rae").status_code == 302
        return client

    return go


def test_who_joins_the_company_s_log_in_leaves_no_other_door_open(
    join: Callable[[], Client], cast: dict[str, User], mailoutbox: list[Any]
) -> None:
    requester = cast["requester"]
    session = Client()
    type_password(session)
    assert is_in(session)
    asked = User.objects.get(pk=requester.pk)
    link = (
        f"/accounts/reset/{urlsafe_base64_encode(force_bytes(asked.pk))}/{default_token_generator.make_token(asked)}/"
    )
    assert Client().get(link).status_code == 302, "the link worked"
    client = join()
    assert client.get("/").context["user"].pk == requester.pk, "the same account"
    assert not is_in(session), "the session from before is over"
    assert type_password(Client()).status_code == 200, "nor is the password taken"
    late = Client().get(link, follow=True)
    assert "does not work any more" in late.content.decode()
    Client().post("/accounts/password_reset/", {"email": "rae@example.com"})
    notifications.send_due()
    assert mailoutbox == []
    assert "Your password is changed there" in client.get("/accounts/password_change/").content.decode()
    assert "There is nothing to set up here" in client.get("/accounts/second-factor/").content.decode()


def test_the_menu_offers_to_nobody_what_is_not_theirs(join: Callable[[], Client]) -> None:
    offered = ("/accounts/password_change/", "/accounts/second-factor/")
    client = Client()
    type_password(client)
    page = client.get("/requests/").content.decode()
    assert all(path in page for path in offered)
    page = join().get("/requests/").content.decode()
    assert not any(path in page for path in offered)


def test_a_form_for_a_new_password_that_is_open_while_somebody_joins_saves_nothing(
    join: Callable[[], Client], cast: dict[str, User]
) -> None:
    asked = cast["requester"]
    link = (
        f"/accounts/reset/{urlsafe_base64_encode(force_bytes(asked.pk))}/{default_token_generator.make_token(asked)}/"
    )
    window = Client()
    form = window.get(link)["Location"]
    join()
    new = {"new_password1": "a-brand-new-portal-word", "new_password2": "a-brand-new-portal-word"}
    window.post(form, new)
    assert not User.objects.get(pk=asked.pk).has_usable_password()


def test_the_second_factor_of_before_is_not_asked_for_after_the_company_s_log_in(join: Callable[[], Client]) -> None:
    client = Client()
    type_password(client)
    set_up(client)
    assert is_in(join())


def test_half_way_through_while_somebody_joins_is_over(join: Callable[[], Client]) -> None:
    client = Client()
    type_password(client)
    secret, _ = set_up(client)
    half = Client()
    type_password(half)
    join()
    assert type_code(half, code_of(secret))["Location"] == LOG_IN
    assert not is_in(half)
