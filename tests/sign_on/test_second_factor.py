"""A second factor at the log-in: what it asks, what it refuses, and that nothing is reachable before it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from connections.models import Notice
from portal.sign_on.models import SecondFactor
from portal.sign_on.second_factor import codes
from tests.sign_on.second_factors import (
    CODE_PAGE,
    OVERVIEW,
    SECRET,
    code_of,
    half_way,
    is_in,
    type_code,
    type_password,
    with_app,
    wrong_code,
)

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.fixture
def requester(cast: dict[str, User]) -> User:
    return cast["requester"]


# --- the way in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["/accounts/login/", "/admin/login/"])
def test_after_the_password_the_code_lets_in_and_leads_where_one_wanted(cast: dict[str, User], door: str) -> None:
    secret, _ = with_app("admin")
    client = half_way("admin", door=door, next="/requests/?q=x")
    page = client.get(CODE_PAGE).content.decode()
    assert "Code of your app, or a recovery code" in page
    answer = type_code(client, code_of(secret))
    assert (answer.status_code, answer["Location"]) == (302, "/requests/?q=x")
    assert is_in(client)
    assert client.get("/admin/").status_code == 200


def test_without_next_each_door_leads_to_its_own_page(cast: dict[str, User]) -> None:
    secret, _ = with_app("admin")
    assert type_code(half_way("admin", door="/admin/login/"), code_of(secret))["Location"] == "/admin/"
    assert type_code(half_way("admin"), code_of(secret, 1))["Location"] == "/"


def test_who_has_none_is_asked_for_the_password_alone(requester: User) -> None:
    client = Client()
    assert type_password(client)["Location"] == "/"
    assert is_in(client)


def test_the_code_may_be_typed_with_a_space(requester: User) -> None:
    secret, _ = with_app()
    code = code_of(secret)
    assert type_code(half_way(), f" {code[:3]} {code[3:]}").status_code == 302


def test_the_code_of_the_last_and_of_the_next_half_minute_is_taken_and_no_other(requester: User) -> None:
    secret, _ = with_app()
    SecondFactor.objects.update(last_step=0)
    for steps, taken in ((-3, False), (-2, False), (-1, True), (1, True), (2, False)):
        assert (type_code(half_way(), code_of(secret, steps)).status_code == 302) is taken, steps


def test_a_wrong_code_lets_nobody_in(requester: User) -> None:
    secret, _ = with_app()
    client = half_way()
    for wrong in ("000000" if code_of(secret) != "000000" else "111111", "", "abc", "１２３４５６", "9" * 40, "\x00"):
        answer = type_code(client, wrong)
        assert answer.status_code in (200, 429), wrong
        assert not is_in(client)


def test_a_code_that_was_used_is_not_taken_again(requester: User) -> None:
    secret, _ = with_app()
    code = code_of(secret)
    assert type_code(half_way(), code).status_code == 302
    again = half_way()
    answer = type_code(again, code)
    assert "was used before" in answer.content.decode()
    assert not is_in(again)
    assert type_code(again, code_of(secret, -1)).status_code == 200, "nor an earlier one"
    assert type_code(again, code_of(secret, 1)).status_code == 302


def test_the_code_that_set_up_the_app_is_used(requester: User) -> None:
    client = Client()
    type_password(client)
    secret = SECRET.findall(client.get(f"{OVERVIEW}app/").content.decode())[0].replace(" ", "")
    code = code_of(secret)
    client.post(f"{OVERVIEW}app/", {"code": code})
    assert type_code(half_way(), code).status_code == 200


def test_a_clock_that_was_wrong_once_does_not_refuse_every_code(requester: User) -> None:
    secret, _ = with_app()
    with time_machine.travel(timezone.now() + timedelta(days=30)):
        assert type_code(half_way(), code_of(secret)).status_code == 302
    assert type_code(half_way(), code_of(secret)).status_code == 302


def test_a_recovery_code_lets_in_once_and_the_person_is_told(requester: User) -> None:
    User.objects.update(email="requester@example.com")
    _, recovery = with_app()
    assert len(set(recovery)) == 10
    Notice.objects.all().delete()
    client = half_way()
    assert type_code(client, f"{recovery[3][:4]}-{recovery[3][4:]}").status_code == 302
    assert "9 left" in client.get(OVERVIEW).content.decode()
    assert LogEntry.objects.latest("pk").change_message == "Logged in by a recovery code; 9 are left."
    assert type_code(half_way(), recovery[3]).status_code == 200
    assert type_code(half_way(), recovery[4]).status_code == 302
    assert Notice.objects.filter(recipient=requester, kind="second_factor").count() == 2


# --- half-way is nowhere ---------------------------------------------------------------------------------------------


def test_with_the_password_alone_no_page_opens(requester: User) -> None:
    with_app()
    client = half_way()
    for path in ("/", "/requests/", "/requests/new/", "/approvals/", "/admin/", OVERVIEW, f"{OVERVIEW}app/"):
        answer = client.get(path)
        assert answer.status_code == 302, path
        assert "/login/" in answer["Location"], path
    assert client.post("/requests/new/", {}).status_code == 302
    assert client.post(f"{OVERVIEW}passkeys/options/").status_code == 302
    assert "_auth_user_id" not in client.session


def test_the_page_for_the_code_is_closed_without_a_password(requester: User) -> None:
    secret, recovery = with_app()
    for code in (code_of(secret), recovery[0]):
        client = Client()
        assert client.get(CODE_PAGE)["Location"] == "/accounts/login/"
        assert type_code(client, code)["Location"] == "/accounts/login/"
        assert client.post("/accounts/login/passkey/").status_code == 404
        assert not is_in(client)
    assert type_code(half_way(), recovery[0]).status_code == 302, "it was not used up"


def test_after_five_minutes_the_password_is_typed_again(requester: User) -> None:
    secret, _ = with_app()
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        client = half_way()
    with time_machine.travel(now + timedelta(minutes=4, seconds=59), tick=False):
        assert client.get(CODE_PAGE).status_code == 200
    with time_machine.travel(now + timedelta(minutes=5, seconds=1), tick=False):
        assert type_code(client, code_of(secret))["Location"] == "/accounts/login/"
        assert not is_in(client)


@pytest.mark.parametrize("change", ["closed", "password"])
def test_who_was_closed_or_has_another_password_meanwhile_does_not_get_in(requester: User, change: str) -> None:
    secret, _ = with_app()
    client = half_way()
    if change == "closed":
        User.objects.filter(pk=requester.pk).update(is_active=False)
    else:
        requester.set_password("another-long-password")
        requester.save()
    assert type_code(client, code_of(secret))["Location"] == "/accounts/login/"
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_no_other_site_is_led_to(requester: User, wanted: str) -> None:
    secret, _ = with_app()
    client = half_way(next=wanted)
    answer = client.post(f"{CODE_PAGE}?next={wanted}", {"code": code_of(secret), "next": wanted})
    assert answer["Location"] == "/"


def test_a_forgotten_password_does_not_lead_around_it(requester: User) -> None:
    secret, _ = with_app()
    known_as = urlsafe_base64_encode(force_bytes(requester.pk))
    token = default_token_generator.make_token(User.objects.get(pk=requester.pk))
    client = Client()
    form = client.get(f"/accounts/reset/{known_as}/{token}/")["Location"]
    new = {"new_password1": "a-brand-new-portal-word", "new_password2": "a-brand-new-portal-word"}
    assert client.post(form, new).status_code == 302
    assert not is_in(client)
    assert type_password(client, password=new["new_password1"])["Location"] == CODE_PAGE
    assert not is_in(client)
    assert type_code(client, code_of(secret)).status_code == 302


def test_in_two_windows_one_log_in_is_enough(requester: User) -> None:
    secret, _ = with_app()
    client = half_way()
    client.get(CODE_PAGE)
    assert type_code(client, code_of(secret)).status_code == 302
    assert type_code(client, code_of(secret, 1))["Location"] == "/"
    assert client.get(CODE_PAGE)["Location"] == "/"
    assert type_code(half_way(), code_of(secret, 1)).status_code == 302, "the second window used nothing up"


def test_the_code_of_one_person_is_not_for_another(cast: dict[str, User]) -> None:
    mine, _ = with_app("requester")
    others, _ = with_app("requester2")
    client = half_way("requester")
    assert type_code(client, code_of(others)).status_code == 200
    type_password(client, "requester2")  # in a second window
    assert type_code(client, code_of(mine)).status_code == 200
    assert type_code(client, code_of(others)).status_code == 302
    assert client.get("/").context["user"].username == "requester2"


def test_who_is_logged_in_and_begins_as_somebody_else_is_logged_out_first(cast: dict[str, User]) -> None:
    secret, _ = with_app("admin")
    client = Client()
    type_password(client, "requester")
    before = client.cookies["sessionid"].value
    assert type_password(client, "admin")["Location"] == CODE_PAGE
    assert not is_in(client)
    assert client.cookies["sessionid"].value != before
    assert type_code(client, code_of(secret)).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_the_key_of_the_session_changes_with_the_password_and_with_the_code(requester: User) -> None:
    secret, _ = with_app()
    client = Client()
    session = client.session
    session["planted"] = "yes"
    session.save()
    client.cookies["sessionid"] = planted = str(session.session_key)
    type_password(client)
    between = client.cookies["sessionid"].value
    type_code(client, code_of(secret))
    assert len({planted, between, client.cookies["sessionid"].value}) == 3
    for key in (planted, between):
        other = Client()
        other.cookies["sessionid"] = key
        assert not is_in(other)
        assert other.get(CODE_PAGE)["Location"] == "/accounts/login/"


def test_the_limits_of_a_session_begin_at_the_code(cast: dict[str, User], settings: Any) -> None:
    secret, _ = with_app("approver")
    client = half_way("approver")
    type_code(client, code_of(secret))
    left = client.session.get_expiry_date() - timezone.now()
    assert abs(left - settings.SESSION_APPROVER_LIMIT) < timedelta(minutes=1)


# --- guessing --------------------------------------------------------------------------------------------------------


def test_after_five_wrong_codes_that_address_waits_for_that_person(cast: dict[str, User]) -> None:
    secret, _ = with_app()
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        client = half_way()
        wrong = wrong_code(secret)
        assert [type_code(client, wrong).status_code for _ in range(6)] == [200, 200, 200, 200, 429, 429]
        refused = type_code(client, code_of(secret))
        assert (refused.status_code, refused["Retry-After"]) == (429, "900")
        assert "use a recovery code" in refused.content.decode() and "forgot" not in refused.content.decode()
        closed = type_password(Client())
        assert closed.status_code == 429, "nor is the password asked for"
        assert "If you forgot the password" in closed.content.decode()
        elsewhere = half_way(REMOTE_ADDR="192.0.2.7")
        assert type_code(elsewhere, code_of(secret), REMOTE_ADDR="192.0.2.7").status_code == 302
    with time_machine.travel(now + timedelta(minutes=15, seconds=1), tick=False):
        assert type_code(half_way(), code_of(secret)).status_code == 302


def test_the_right_password_between_does_not_forgive_wrong_codes(requester: User) -> None:
    secret, _ = with_app()
    answers = [type_code(half_way(), wrong_code(secret)).status_code for _ in range(4)]
    assert answers == [200] * 4
    assert type_code(half_way(), wrong_code(secret)).status_code == 429


def test_from_many_addresses_twenty_wrong_codes_close_the_account_for_a_quarter_of_an_hour(
    requester: User, caplog: pytest.LogCaptureFixture
) -> None:
    secret, recovery = with_app()
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        client = half_way()
        wrong = wrong_code(secret)
        said = [type_code(client, wrong, REMOTE_ADDR=f"192.0.2.{number}").status_code for number in range(22)]
        assert said == [200] * 20 + [429] * 2
        assert "somebody may have it" in caplog.text
        answer = type_code(client, code_of(secret), REMOTE_ADDR="192.0.2.99")
        assert "somebody has your password" in " ".join(answer.content.decode().split())
        assert not is_in(client)
    later = now + codes.PAUSE + timedelta(seconds=1)
    with time_machine.travel(later, tick=False):
        client = half_way()
        assert type_code(client, wrong_code(secret)).status_code == 200
        assert type_code(client, code_of(secret), REMOTE_ADDR="192.0.2.98").status_code == 429, "one try each time"
    with time_machine.travel(later + codes.PAUSE + timedelta(seconds=1), tick=False):
        assert type_code(half_way(), recovery[0]).status_code == 302


def test_wrong_codes_that_a_wrong_clock_dated_ahead_close_nothing(requester: User) -> None:
    secret, _ = with_app()
    SecondFactor.objects.update(wrong_codes=99, wrong_at=timezone.now() + timedelta(days=3))
    assert type_code(half_way(), code_of(secret)).status_code == 302
