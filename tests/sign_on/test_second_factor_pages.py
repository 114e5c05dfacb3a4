"""The pages of the second factor, who must have one, how it is stored, and how an administrator removes it."""

import base64
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from connections import notifications
from connections.demo.management.commands.seed_demo import PASSWORD
from connections.models import Notice
from portal.sign_on import second_factor
from tests.portal.test_log_in import everything_stored
from tests.portal.test_settings import PRODUCTION, run
from tests.sign_on.second_factors import (
    CODE,
    OVERVIEW,
    SECRET,
    code_of,
    half_way,
    is_in,
    set_up,
    type_code,
    type_password,
    with_app,
    wrong_code,
)

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.fixture
def requester(cast: dict[str, User]) -> User:
    return cast["requester"]


# --- setting up and removing -----------------------------------------------------------------------------------------


def test_the_secret_is_a_picture_and_a_text_and_no_page_shows_it_later(requester: User) -> None:
    client = Client()
    type_password(client)
    page = client.get(f"{OVERVIEW}app/").content.decode()
    assert 'src="data:image/svg+xml;base64,' in page
    assert client.get(f"{OVERVIEW}app/").content.decode().count(SECRET.findall(page)[0]) == 1, "in two windows the same"
    secret, recovery = set_up(client)
    for path in (OVERVIEW, f"{OVERVIEW}app/", f"{OVERVIEW}recovery-codes/"):
        again = client.get(path, follow=True).content.decode()
        assert secret not in again.replace(" ", "")
        assert not any(code in again or code.replace(" ", "") in again for code in recovery)


def test_a_wrong_code_sets_up_nothing(requester: User) -> None:
    client = Client()
    type_password(client)
    secret = SECRET.findall(client.get(f"{OVERVIEW}app/").content.decode())[0].replace(" ", "")
    answer = client.post(f"{OVERVIEW}app/", {"code": wrong_code(secret)})
    assert "set the clock of your phone" in answer.content.decode()
    assert not Authenticator.objects.exists()


def test_ten_minutes_after_the_log_in_the_password_is_asked_for_again(requester: User) -> None:
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        client = Client()
        type_password(client)
    with time_machine.travel(now + timedelta(minutes=11), tick=False):
        page = client.get(f"{OVERVIEW}app/").content.decode()
        secret = SECRET.findall(page)[0].replace(" ", "")
        assert 'name="password"' in page
        form = {"code": code_of(secret), "password": "wrong"}
        assert "This is not your password" in client.post(f"{OVERVIEW}app/", form).content.decode()
        assert not Authenticator.objects.exists()
        assert client.post(f"{OVERVIEW}app/", form | {"password": PASSWORD}).status_code == 302


def test_a_session_that_began_without_a_password_asks_for_it(requester: User) -> None:
    client = Client()
    client.force_login(requester)
    assert 'name="password"' in client.get(f"{OVERVIEW}app/").content.decode()


def test_the_password_cannot_be_guessed_on_these_pages(requester: User) -> None:
    client = Client()
    type_password(client)
    set_up(client)
    path = f"{OVERVIEW}{Authenticator.objects.get(type='totp').pk}/remove/"
    assert [client.post(path, {"password": str(n)}).status_code for n in range(6)] == [200] * 4 + [429] * 2
    assert client.post(path, {"password": PASSWORD}).status_code == 429
    assert Authenticator.objects.filter(type="totp").exists()


def test_it_is_removed_with_the_password_and_the_recovery_codes_go_with_it(requester: User) -> None:
    client = Client()
    type_password(client)
    _, recovery = set_up(client)
    path = f"{OVERVIEW}{Authenticator.objects.get(type='totp').pk}/remove/"
    assert client.post(path).status_code == 200
    assert client.post(path, {"password": ""}).status_code == 200
    assert Authenticator.objects.count() == 2
    assert client.post(path, {"password": PASSWORD})["Location"] == OVERVIEW
    assert not Authenticator.objects.exists()
    assert type_password(Client())["Location"] == "/"
    assert client.get(f"{OVERVIEW}recovery-codes/")["Location"] == OVERVIEW


def test_nobody_removes_or_sees_what_is_anothers(cast: dict[str, User]) -> None:
    with_app("requester2")
    client = Client()
    type_password(client)
    for factor in Authenticator.objects.all():
        path = f"{OVERVIEW}{factor.pk}/remove/"
        assert client.get(path).status_code == 404
        assert client.post(path, {"password": PASSWORD}).status_code == 404
    assert Authenticator.objects.count() == 2


def test_recovery_codes_are_shown_once_downloaded_as_text_and_made_anew_with_the_password(
    requester: User, settings: Any
) -> None:
    client = Client()
    type_password(client)
    _, old = set_up(client)
    path = f"{OVERVIEW}recovery-codes/"
    assert "were shown already" in client.get(path).content.decode()
    assert client.post(path, {"password": "wrong"}).status_code == 200
    page = client.post(path, {"password": PASSWORD}, follow=True).content.decode()
    new = CODE.findall(page)
    assert len(new) == 10 and not {*new} & {*old}
    [file] = re.findall(r'href="data:text/plain;charset=utf-8;base64,([^"]+)"\s+download="recovery-codes.txt"', page)
    text = base64.b64decode(file).decode()
    assert text.startswith(f"Recovery codes of requester at {settings.PUBLIC_URL}, made on {timezone.localdate()}.")
    assert all(code in text for code in new)
    assert type_code(half_way(), old[0]).status_code == 200
    assert type_code(half_way(), new[0]).status_code == 302
    assert type_code(half_way(), new[1].replace(" ", "")).status_code == 302


def test_who_sets_one_up_or_removes_it_is_told_by_mail(requester: User, mailoutbox: list[Any]) -> None:
    User.objects.filter(pk=requester.pk).update(email="rae@example.com")
    with_app()
    assert notifications.send_due() == 1
    [mail] = mailoutbox
    assert mail.to == ["rae@example.com"]
    assert "Set up an authenticator app" in mail.body
    assert "/accounts/second-factor/" in mail.body


def test_each_change_ends_the_other_sessions_of_the_person_alone(cast: dict[str, User]) -> None:
    mine, elsewhere, another = Client(), Client(), Client()
    for client, name in ((mine, "requester"), (elsewhere, "requester"), (another, "requester2")):
        type_password(client, name)
    secret, _ = set_up(mine)
    assert [is_in(client) for client in (mine, elsewhere, another)] == [True, False, True]
    type_password(elsewhere)
    type_code(elsewhere, code_of(secret))
    assert is_in(elsewhere)
    mine.post(f"{OVERVIEW}recovery-codes/", {"password": PASSWORD})
    assert [is_in(client) for client in (mine, elsewhere, another)] == [True, False, True]
    type_password(elsewhere)
    type_code(elsewhere, code_of(secret, 1))
    assert is_in(elsewhere)
    mine.post(f"{OVERVIEW}{Authenticator.objects.get(type='totp').pk}/remove/", {"password": PASSWORD})
    assert [is_in(client) for client in (mine, elsewhere, another)] == [True, False, True]


# --- demanded --------------------------------------------------------------------------------------------------------


@pytest.fixture
def demanded(settings: Any) -> None:
    settings.SECOND_FACTOR_GROUPS = ["Approvers"]


def test_who_is_in_a_group_sets_one_up_before_anything_else(cast: dict[str, User], demanded: None) -> None:
    client = Client()
    type_password(client, "approver")
    for path in ("/", "/requests/", "/approvals/", "/admin/", "/accounts/password_change/", "/nothing/", "/healthz/"):
        assert client.get(path)["Location"] == OVERVIEW, path
    assert client.post("/requests/new/", {})["Location"] == OVERVIEW
    page = client.get(OVERVIEW).content.decode()
    assert "Set one up, then the portal is open to you" in page
    assert "Your company wants you to have a second factor" in page
    assert 'aria-label="Main"' not in page, "no navigation that leads nowhere"
    assert "What Fivetran offers" not in page and "data-keys" not in page, "nor a footer"
    secret, _ = set_up(client)
    assert client.get("/approvals/").status_code == 200
    again = half_way("approver")
    assert type_code(again, code_of(secret)).status_code == 302
    assert again.get("/approvals/").status_code == 200


def test_who_had_to_set_one_up_is_led_on_to_the_page_that_was_wanted(cast: dict[str, User], demanded: None) -> None:
    client = Client()
    type_password(client, "approver", next="/approvals/?q=x")
    for path in ("/approvals/?q=x", "/requests/"):
        assert client.get(path)["Location"] == OVERVIEW
    page = client.get(f"{OVERVIEW}app/").content.decode()
    secret = SECRET.findall(page)[0].replace(" ", "")
    page = client.post(f"{OVERVIEW}app/", {"code": code_of(secret)}, follow=True).content.decode()
    assert re.search(r'href="/approvals/\?q=x"\s*>I have kept them', page)
    page = client.post(f"{OVERVIEW}recovery-codes/", {"password": PASSWORD}, follow=True).content.decode()
    assert re.search(rf'href="{OVERVIEW}"\s*>I have kept them', page), "once"


def test_the_app_is_told_the_name_that_one_logs_in_with(requester: User) -> None:
    User.objects.filter(pk=requester.pk).update(email="rae@example.com")
    client = Client()
    type_password(client)
    page = client.get(f"{OVERVIEW}app/").content.decode()
    assert "totp/requester?" in unquote(page) and "rae@" not in unquote(page)


def test_at_an_address_of_numbers_a_passkey_is_offered_at_the_name(requester: User, settings: Any) -> None:
    client = Client(HTTP_HOST="127.0.0.1:8000")
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    type_password(client)
    named = {
        "http://127.0.0.1:8000": 'href="http://localhost:8000/accounts/second-factor/passkeys/add/"',
        "https://portal.example.com": 'href="https://portal.example.com/accounts/second-factor/passkeys/add/"',
        "https://192.0.2.1": "Ask an administrator for the portal’s name",
    }
    for settings.PUBLIC_URL, words in named.items():
        assert words in client.get(f"{OVERVIEW}passkeys/add/").content.decode()


def test_logging_out_stays_possible(cast: dict[str, User], demanded: None) -> None:
    client = Client()
    type_password(client, "approver")
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert client.get(OVERVIEW).status_code == 302


def test_everybody_else_goes_on_as_before(cast: dict[str, User], demanded: None) -> None:
    client = Client()
    type_password(client, "requester")
    assert is_in(client)


def test_a_star_stands_for_everybody_with_a_password_here(cast: dict[str, User], settings: Any) -> None:
    settings.SECOND_FACTOR_GROUPS = ["*"]
    client = Client()
    type_password(client, "requester")
    assert client.get("/requests/")["Location"] == OVERVIEW
    cast["requester2"].set_unusable_password()
    cast["requester2"].save()
    company = Client()
    company.force_login(cast["requester2"])
    assert is_in(company), "their provider asks them"


def test_where_it_is_demanded_the_last_one_stays(cast: dict[str, User], demanded: None) -> None:
    client = Client()
    type_password(client, "approver")
    set_up(client)
    path = f"{OVERVIEW}{Authenticator.objects.get(type='totp').pk}/remove/"
    assert client.get(path).status_code == 403
    answer = client.post(path, {"password": PASSWORD})
    assert answer.status_code == 403
    assert "Add another one first" in answer.content.decode()
    assert Authenticator.objects.filter(type="totp").exists()


def test_of_the_last_two_that_go_at_once_one_stays(cast: dict[str, User], demanded: None) -> None:
    client = Client()
    type_password(client, "approver")
    set_up(client)
    app, passkey = (
        Authenticator.objects.get(type="totp"),
        Authenticator(user=cast["approver"], type="webauthn", data={}),
    )
    passkey.save()
    assert second_factor.may_remove(cast["approver"], app) and second_factor.may_remove(cast["approver"], passkey)
    assert [second_factor.remove(one) for one in (app, passkey)] == [True, False]  # both were looked at before


def test_set_up_in_another_browser_it_is_asked_for_there_too(cast: dict[str, User], demanded: None) -> None:
    one, other = Client(), Client()
    type_password(one, "approver")
    type_password(other, "approver")
    secret, _ = set_up(one)
    assert "/login/" in other.get("/approvals/")["Location"], "that session is over"
    type_password(other, "approver")
    type_code(other, code_of(secret))
    assert other.get("/approvals/").status_code == 200


def test_a_group_that_the_portal_does_not_have_is_named_to_who_migrates(
    groups: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SECOND_FACTOR_GROUPS = ["*", "Approvers", "Aprovers\n"]
    call_command("migrate", verbosity=0)
    assert caplog.text.count("SECOND_FACTOR_GROUPS names a group") == 1


@pytest.mark.parametrize("app", ["contenttypes", "sessions"])
def test_an_app_can_be_migrated_before_there_are_groups(app: str, tmp_path: Path) -> None:
    new = {"DATABASE_URL": f"sqlite:///{tmp_path}/new.sqlite3", "SECOND_FACTOR_GROUPS": "Approvers"}
    done = run(f"import sys; sys.argv[1:] = ['migrate', '{app}']; import manage; manage.main()", PRODUCTION | new)
    assert done.returncode == 0, done.stderr


def test_a_right_of_the_group_that_is_held_without_it_counts_as_well(cast: dict[str, User], demanded: None) -> None:
    requester, mine = cast["requester"], Client()
    requester.user_permissions.add(Permission.objects.get(codename="operate_portal"))
    type_password(mine)
    assert mine.get("/requests/").status_code == 200, "no right of that group"
    requester.user_permissions.add(Permission.objects.get(codename="approve_request"))
    type_password(mine := Client())
    assert mine.get("/requests/")["Location"] == OVERVIEW


# --- people of the company's provider --------------------------------------------------------------------------------


def test_who_has_no_password_here_is_told_that_their_company_asks(requester: User) -> None:
    requester.set_unusable_password()
    requester.save()
    client = Client()
    client.force_login(requester)
    for path in (OVERVIEW, f"{OVERVIEW}app/", f"{OVERVIEW}passkeys/add/", f"{OVERVIEW}recovery-codes/"):
        assert "with your company, which asks you" in " ".join(client.get(path).content.decode().split()), path
    client.post(f"{OVERVIEW}app/", {"code": "123456"})
    assert not Authenticator.objects.exists()


# --- at rest ---------------------------------------------------------------------------------------------------------


def test_no_secret_is_stored_as_it_is(requester: User) -> None:
    client = Client()
    type_password(client)
    offered = SECRET.findall(client.get(f"{OVERVIEW}app/").content.decode())[0].replace(" ", "")
    assert offered not in str(dict(client.session)), "nor before it is set up"
    secret, recovery = set_up(client)
    stored = everything_stored()
    assert secret == offered
    assert secret not in stored
    assert not any(code in stored or code.replace(" ", "") in stored for code in recovery)
    seeds = [one.data.get("seed") or one.data["secret"] for one in Authenticator.objects.all()]
    assert all(seed.startswith("gAAAA") for seed in seeds), "encrypted (Fernet)"
    assert secret not in str(dict(client.session))


def test_another_secret_key_is_said_in_words_and_lets_nobody_in(
    requester: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    secret, recovery = with_app()
    settings.SECRET_KEY = "another-secret-key-that-is-long-enough-for-it"
    client = half_way()
    for code in (code_of(secret), recovery[0]):
        answer = type_code(client, code)
        assert answer.status_code == 403
        assert "ask an administrator to remove the second factor" in " ".join(answer.content.decode().split())
    assert "encrypted by another SECRET_KEY" in caplog.text
    assert not is_in(client)
    client.force_login(requester)
    assert "secret key was changed" in client.get(OVERVIEW).content.decode()
    assert client.get(f"{OVERVIEW}recovery-codes/").status_code == 200


def test_an_earlier_secret_key_is_still_read(requester: User, settings: Any) -> None:
    secret, _ = with_app()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-that-is-long-enough-for-it"
    assert type_code(half_way(), code_of(secret)).status_code == 302
    settings.SECRET_KEY_FALLBACKS = []
    assert type_code(half_way(), code_of(secret, 1)).status_code == 302, "it was encrypted anew when it was used"


# --- an administrator ------------------------------------------------------------------------------------------------


def remove_as(name: str, person: User, **more: str) -> tuple[Client, Any]:
    client = Client()
    client.force_login(User.objects.get(username=name))
    form = {"action": "remove_second_factor", "_selected_action": str(person.pk), **more}
    return client, client.post("/admin/auth/user/", form)


def test_an_administrator_removes_it_with_a_reason_on_the_record(
    cast: dict[str, User], requester: User, mailoutbox: list[Any]
) -> None:
    with_app()
    Notice.objects.all().delete()
    User.objects.filter(pk=requester.pk).update(email="rae@example.com")
    _, page = remove_as("admin", requester)
    assert page.status_code == 200 and "Reason" in page.content.decode()
    assert Authenticator.objects.count() == 2
    client, empty = remove_as("admin", requester, reason="  ")
    assert empty.status_code == 200 and Authenticator.objects.count() == 2
    left_open = Client()
    left_open.force_login(requester)
    client, answer = remove_as("admin", requester, reason="Lost the phone; I called her back.")
    assert answer.status_code == 302
    assert is_in(client) and not is_in(left_open)
    assert not Authenticator.objects.exists()
    history = client.get(f"/admin/auth/user/{requester.pk}/history/").content.decode()
    assert "Lost the phone; I called her back." in history
    assert notifications.send_due() == 1
    assert "Lost the phone" in mailoutbox[0].body and "admin" in mailoutbox[0].body
    fresh = Client()
    type_password(fresh)
    assert fresh.get("/requests/")["Location"] == OVERVIEW, "set up anew before anything else"
    page = fresh.get(OVERVIEW).content.decode()
    assert "An administrator removed your second factor. Set one up" in page
    assert ">Needed<" in page and ">Off<" not in page
    set_up(fresh)
    assert is_in(fresh)


def test_who_may_not_do_everything_does_not_take_it_from_who_may(cast: dict[str, User]) -> None:
    with_app("admin")
    cast["approver"].user_permissions.add(
        *Permission.objects.filter(codename__in=["change_user", "view_user"], content_type__app_label="auth")
    )
    _, answer = remove_as("approver", cast["admin"], reason="because")
    assert Authenticator.objects.count() == 2
    with_app("requester")
    _, answer = remove_as("approver", cast["requester"], reason="because")
    assert Authenticator.objects.filter(user=cast["requester"]).count() == 0


def test_without_the_right_the_action_is_not_there(cast: dict[str, User]) -> None:
    with_app("requester")
    for name in ("approver", "auditor", "requester2"):
        _, answer = remove_as(name, cast["requester"], reason="because")
        assert answer.status_code in (302, 403)
        assert Authenticator.objects.count() == 2


def test_nobody_removes_their_own_that_way(cast: dict[str, User]) -> None:
    with_app("admin")
    remove_as("admin", cast["admin"], reason="because")
    assert Authenticator.objects.count() == 2


def test_several_at_once_and_none_are_refused(cast: dict[str, User]) -> None:
    with_app("requester")
    with_app("requester2")
    client = Client()
    client.force_login(cast["admin"])
    both = [str(cast[name].pk) for name in ("requester", "requester2")]
    client.post("/admin/auth/user/", {"action": "remove_second_factor", "_selected_action": both, "reason": "x"})
    assert Authenticator.objects.count() == 4
    _, answer = remove_as("admin", cast["operator"], reason="x")
    assert answer.status_code == 302


def test_the_rows_themselves_are_not_in_the_admin(cast: dict[str, User], as_user: Any) -> None:
    assert as_user("admin").get("/admin/mfa/authenticator/").status_code == 404
