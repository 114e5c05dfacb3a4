"""Who tries how many passwords: addresses as proxies write them, one name from many places, nothing kept of it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt, AccessLog
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone

from connections.demo.management.commands.seed_demo import PASSWORD
from portal.middleware import client_address
from portal.throttle import counted_address, counted_name, hashed_name

pytestmark = pytest.mark.sql

PROXY = "10.0.0.9"
GARBAGE = (
    "unknown", "_hidden", "", " ", "unix:", "1.2.3", "1.2.3.4.5", "999.1.1.1", "[", "[]", "]:443", "a.example.com:80",
    "for=1.2.3.4;proto=https", "\x00", "1.2.3.4\x00", "١.٢.٣.٤", "é", "1" * 10_000, ":" * 10_000, "%" * 10_000,
    "2001:db8::1::2", "0x7f000001", "-1", "' OR 1=1", '"', '""',
)  # fmt: skip
WRITTEN = {
    "1.2.3.4": "1.2.3.4",
    " 1.2.3.4 ": "1.2.3.4",
    "1.2.3.4:5678": "1.2.3.4",
    '"1.2.3.4:5678"': "1.2.3.4",
    "1.2.3.4:_port": "1.2.3.4",
    "2001:DB8::1": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "[2001:db8::1]:443": "2001:db8::1",
    '"[2001:db8:cafe::17]:4711"': "2001:db8:cafe::17",
    "fe80::1%eth0": "fe80::1",
    "[fe80::1%25eth0]:443": "fe80::1",
    "fe80::1%" + "x" * 10_000: "fe80::1",
    "::ffff:1.2.3.4": "1.2.3.4",
    "[::ffff:1.2.3.4]:99": "1.2.3.4",
    "::ffff:102:304": "1.2.3.4",
}


def seen(forwarded: str | None = None, peer: str = PROXY) -> str:
    """The address of a request with this X-Forwarded-For from this peer."""
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=peer, **headers))  # type: ignore[arg-type]


def wrong(name: str = "requester", **headers: str) -> Any:
    """The answer to a wrong password."""
    client = Client(raise_request_exception=False)
    return client.post("/accounts/login/", {"username": name, "password": "wrong"}, **headers)  # type: ignore[arg-type]


def right(name: str = "requester", **headers: str) -> Any:
    """The answer to the right password."""
    client = Client(raise_request_exception=False)
    return client.post("/accounts/login/", {"username": name, "password": PASSWORD}, **headers)  # type: ignore[arg-type]


# --- whose address ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("written", "address"), WRITTEN.items(), ids=lambda text: text[:30])
def test_an_address_is_read_however_a_proxy_writes_it(written: str, address: str, settings: Any) -> None:
    settings.TRUSTED_PROXY_HOPS = 1
    assert seen(written) == seen(f"6.6.6.6, {written}") == address
    settings.TRUSTED_PROXY_HOPS = 0
    assert seen(peer=written) == address
    assert seen("6.6.6.6", peer=written) == address


@pytest.mark.parametrize("written", GARBAGE, ids=lambda text: ascii(text)[:30])
def test_where_no_address_stands_it_is_the_peers(written: str, settings: Any) -> None:
    settings.TRUSTED_PROXY_HOPS = 1
    assert seen(written) == seen(f"6.6.6.6, {written}") == seen(f"6.6.6.6,{written}") == PROXY
    assert seen(written, peer=written) == "::"
    assert seen("1.2.3.4", peer="") == "1.2.3.4"  # a proxy at a Unix socket


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (1, "1.1.1.1,2.2.2.2", "2.2.2.2"),
        (2, "1.1.1.1,2.2.2.2", "1.1.1.1"),
        (3, "1.1.1.1,2.2.2.2", PROXY),
        (1, "1.1.1.1,", PROXY),  # the nearest proxy named nobody; what the client wrote does not move into its place
        (1, "1.1.1.1, , ", PROXY),
        (2, "1.1.1.1,,2.2.2.2", PROXY),
        (2, "unknown,2.2.2.2", PROXY),
        (2, "9.9.9.9," * 1_000 + "1.1.1.1:80, 2.2.2.2", "1.1.1.1"),  # many headers, joined by the server
    ],
)
def test_proxies_are_counted_from_the_right(hops: int, forwarded: str, address: str, settings: Any) -> None:
    settings.TRUSTED_PROXY_HOPS = hops
    assert seen(forwarded) == address


def test_no_other_header_names_the_client(settings: Any) -> None:
    settings.TRUSTED_PROXY_HOPS = 1
    for name in ("FORWARDED", "X_REAL_IP", "X_CLIENT_IP", "CLIENT_IP", "TRUE_CLIENT_IP", "X_FORWARDED", "VIA"):
        for text in ("6.6.6.6", "for=6.6.6.6"):
            request = RequestFactory().get("/", REMOTE_ADDR=PROXY, **{f"HTTP_{name}": text})  # type: ignore[arg-type]
            assert client_address(request) == PROXY, name


def test_all_addresses_of_one_network_of_64_bits_count_together() -> None:
    def counted(peer: str) -> str:
        return counted_address(RequestFactory().get("/", REMOTE_ADDR=peer))

    assert counted("2001:db8:1:2::1") == counted("2001:db8:1:2:ffff:eeee:dddd:cccc") == "2001:db8:1:2::"
    assert counted("2001:db8:1:3::1") == "2001:db8:1:3::"
    assert counted("1.2.3.4") == counted("::ffff:1.2.3.4") == "1.2.3.4"


# --- what a log-in says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hops", [0, 1])
def test_whatever_stands_there_tries_are_counted(cast: dict[str, User], hops: int, settings: Any) -> None:
    settings.TRUSTED_PROXY_HOPS, settings.AXES_FAILURE_LIMIT = hops, 2
    for text in (*GARBAGE, *WRITTEN):
        AccessAttempt.objects.all().delete()
        headers = {"HTTP_X_FORWARDED_FOR": text} if hops else {"REMOTE_ADDR": text}
        assert right(**headers).status_code == 302, text[:30]
        assert [wrong(**headers).status_code for _ in range(3)] == [200, 429, 429], text[:30]


@pytest.mark.parametrize("hops", [0, 1])
def test_a_client_that_writes_a_new_address_each_time_has_one_counter(
    cast: dict[str, User], hops: int, settings: Any
) -> None:
    """As behind a proxy that appends the address it sees, port and all."""
    settings.TRUSTED_PROXY_HOPS = hops
    codes = []
    for number in range(6):
        seen_by_proxy = f", 203.0.113.7:{5000 + number}" if hops else ""
        headers = {"HTTP_X_FORWARDED_FOR": f"6.6.6.{number}{seen_by_proxy}", "HTTP_USER_AGENT": f"browser {number}"}
        codes.append(
            wrong(HTTP_FORWARDED=f"for=7.7.7.{number}", HTTP_X_REAL_IP=f"8.8.8.{number}", **headers).status_code
        )
    assert codes == [200, 200, 200, 200, 429, 429]
    assert AccessAttempt.objects.count() == 1


def test_a_network_of_ipv6_has_one_counter(cast: dict[str, User]) -> None:
    codes = [wrong(REMOTE_ADDR=f"2001:db8:1:2::{number:x}").status_code for number in range(6)]
    assert codes == [200, 200, 200, 200, 429, 429]
    assert right(REMOTE_ADDR="2001:db8:1:3::1").status_code == 302


HOSTILE = tuple(
    text.encode().decode("latin-1")  # as WSGI hands it over
    for text in (
        "\x00", "a\x00b", "x" * 10_000, "\x7f\x1b[31m\u202e", "é", "http://[", "%00", "\r\nX: y", '"\\000"', "=;,=",
        '"\\000\\000\\000\\000\\000\\000\\000\\000\\000"', "../" * 500, "bytes=9-1", "Basic \x00", "x" * 32, "é" * 32,
    )
)  # fmt: skip
# Not here: Content-Length and Content-Type, which say how the body is read.
HEADERS = (
    "HTTP_USER_AGENT", "HTTP_ACCEPT", "HTTP_ACCEPT_LANGUAGE", "HTTP_ACCEPT_ENCODING", "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_FORWARDED", "HTTP_REFERER", "HTTP_ORIGIN", "HTTP_RANGE",
    "HTTP_X_REQUESTED_WITH", "HTTP_HX_REQUEST", "HTTP_HX_CURRENT_URL", "HTTP_HX_TARGET", "HTTP_HX_TRIGGERING_EVENT",
    "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_AUTHORIZATION", "HTTP_X_CSRFTOKEN", "HTTP_X_REAL_IP",
    "HTTP_X_FIVETRAN_SIGNATURE_256", "HTTP_CONTENT_LANGUAGE", "QUERY_STRING",
)  # fmt: skip
COOKIES = ("sessionid", "csrftoken", "messages", "zone", "filed")
PAGES = ("/accounts/login/", "/admin/login/", "/requests/", "/healthz", "/readyz", "/nothing", "/")
FORMS = ("/webhooks/fivetran/", "/accounts/password_reset/", "/accounts/login/", "/admin/login/", "/accounts/logout/")


def broken(headers: dict[str, str], admin: User | None = None) -> dict[str, int]:
    """Path -> code of what ends in an error with these headers."""
    client = Client(raise_request_exception=False)
    if admin is not None:
        client.force_login(admin)
    form = {"email": "a@b.example", "username": "admin", "password": "wrong"}
    found = {path: client.get(path, **headers).status_code for path in PAGES}  # type: ignore[arg-type]
    found |= {f"{path} POST": client.post(path, form, **headers).status_code for path in FORMS}  # type: ignore[arg-type]
    found["log-in"] = client.post("/accounts/login/", form | {"password": PASSWORD}, **headers).status_code  # type: ignore[arg-type]
    return {path: code for path, code in found.items() if code >= 500}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
def test_nothing_that_a_header_says_is_an_error(cast: dict[str, User], text: str, settings: Any) -> None:
    settings.FIVETRAN_WEBHOOK_SECRET = "known-to-both-and-long-enough-for-it"
    settings.TRUSTED_PROXY_HOPS, settings.SECURE_PROXY_SSL_HEADER = 1, ("HTTP_X_FORWARDED_PROTO", "https")
    assert broken(dict.fromkeys(HEADERS, text)) == {}
    assert broken(dict.fromkeys(HEADERS, text), cast["admin"]) == {}
    assert broken({"HTTP_HOST": text}) == {}
    assert broken({"HTTP_COOKIE": "; ".join(f"{name}={text}" for name in COOKIES)}) == {}


def test_every_spelling_of_a_name_is_counted_as_the_same(cast: dict[str, User]) -> None:
    spellings = ["r\u00e9quester", "Requester", "REQUESTER ", " re\u00adqueste\u0301r", "\uff52equester"]
    assert len({counted_name(HttpRequest(), {"username": name}) for name in [*spellings, "requester"]}) == 1
    assert [wrong(name).status_code for name in spellings] == [200] * 4 + [429]
    assert wrong("requester2").status_code == 200
    assert hashed_name("M\u0130A") == hashed_name("m\u0130a") == hashed_name("m\u00eda") == hashed_name("mia")


# --- one name from many places ---------------------------------------------------------------------------------------


def attacked(times: int = 1, name: str = "requester") -> None:
    """As many wrong passwords for one name as are too many, four from each of many addresses."""
    tries = [4] * (settings.LOGIN_FAILURES_PER_NAME * times // 4)
    begun = AccessAttempt.objects.count()
    AccessAttempt.objects.bulk_create(
        AccessAttempt(
            username=counted_name(HttpRequest(), {"username": name}),
            ip_address=f"10.1.{(begun + number) // 256}.{(begun + number) % 256}",
            failures_since_start=failures,
        )
        for number, failures in enumerate(tries)
    )


def test_after_a_hundred_tries_from_many_places_each_waits_and_nobody_is_locked_out(
    cast: dict[str, User], settings: Any
) -> None:
    assert settings.LOGIN_FAILURES_PER_NAME == 100
    settings.LOGIN_FAILURES_PER_NAME = 12
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        places = [f"10.1.0.{number}" for number in range(4)]
        assert [wrong(REMOTE_ADDR=place).status_code for place in places * 3][:11] == [200] * 11
        refused = right(REMOTE_ADDR="192.0.2.1")
        assert (refused.status_code, refused["Retry-After"]) == (429, "30")
        assert "Log in again in 30 seconds" in " ".join(refused.content.decode().split())
        assert right("requester2", REMOTE_ADDR="192.0.2.1").status_code == 302, "another name is free"
    with time_machine.travel(now + timedelta(seconds=20), tick=False):
        early = right(REMOTE_ADDR="192.0.2.1")
        assert (early.status_code, early["Retry-After"]) == (429, "10")
    with time_machine.travel(now + timedelta(seconds=30), tick=False):
        for place in (*places, "10.9.9.9"):  # whoever guesses goes on meanwhile, and takes nobody's turn
            wrong(REMOTE_ADDR=place)
        assert right(REMOTE_ADDR="192.0.2.1").status_code == 302
        assert right(REMOTE_ADDR="192.0.2.1").status_code == 302, "known there now"
    with time_machine.travel(now + timedelta(minutes=16), tick=False):
        assert right(REMOTE_ADDR="192.0.2.77").status_code == 302


def test_who_logged_in_from_an_address_before_does_not_wait_there(cast: dict[str, User]) -> None:
    assert right(REMOTE_ADDR="192.0.2.1").status_code == 302
    attacked()
    assert right(REMOTE_ADDR="192.0.2.1").status_code == 302
    assert right(REMOTE_ADDR="192.0.2.2").status_code == 429


def test_while_a_name_is_attacked_each_try_waits(cast: dict[str, User]) -> None:
    now, place = timezone.now(), {"REMOTE_ADDR": "192.0.2.1"}
    with time_machine.travel(now, tick=False):
        attacked()
        assert [wrong(**place).status_code for _ in range(3)] == [429, 429, 429]
    with time_machine.travel(now + timedelta(seconds=31), tick=False):
        assert [wrong(**place).status_code for _ in range(3)] == [200, 429, 429]
        assert right(**place).status_code == 429
    with time_machine.travel(now + timedelta(seconds=62), tick=False):
        assert right(**place).status_code == 302


def test_the_more_tries_the_longer_the_wait_up_to_five_minutes(cast: dict[str, User]) -> None:
    waits = []
    for number, times in enumerate((1, 1, 1, 30)):
        attacked(times)
        waits.append(right(REMOTE_ADDR=f"192.0.2.{number}")["Retry-After"])
    assert waits == ["30", "60", "90", "300"]


def test_a_closed_door_says_when_it_opens(cast: dict[str, User]) -> None:
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        for _ in range(5):
            answer = wrong()
        assert (answer.status_code, answer["Retry-After"]) == (429, "900")
        assert "15 minutes" in answer.content.decode()
    with time_machine.travel(now + timedelta(minutes=10), tick=False):
        assert right()["Retry-After"] == "300"
        ajax = right(HTTP_X_REQUESTED_WITH="XMLHttpRequest", HTTP_ORIGIN="https://evil.example")
        assert ajax.status_code == 429
        assert "Access-Control-Allow-Origin" not in ajax.headers
    with time_machine.travel(now + timedelta(minutes=15, seconds=1), tick=False):
        assert right().status_code == 302


def test_tries_that_a_wrong_clock_dated_ahead_close_nothing(cast: dict[str, User]) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=30)):
        for _ in range(5):
            wrong()
        assert right().status_code == 429
    assert right().status_code == 302
    assert wrong().status_code == 200
    assert AccessAttempt.objects.get().failures_since_start == 1


def test_the_old_password_cannot_be_guessed_by_who_finds_a_session_open(cast: dict[str, User]) -> None:
    client = Client()
    client.post("/accounts/login/", {"username": "admin", "password": PASSWORD})
    new = {"new_password1": "a-brand-new-portal-word", "new_password2": "a-brand-new-portal-word"}
    codes = [client.post("/accounts/password_change/", new | {"old_password": str(n)}).status_code for n in range(6)]
    assert codes == [200, 200, 200, 200, 429, 429]
    assert client.post("/accounts/password_change/", new | {"old_password": PASSWORD}).status_code == 429
    assert right("admin").status_code == 429
    AccessAttempt.objects.all().delete()
    assert client.post("/accounts/password_change/", new | {"old_password": PASSWORD}).status_code == 302
    assert User.objects.get(username="admin").check_password(new["new_password1"])


# --- nothing is kept -------------------------------------------------------------------------------------------------


def everything_stored() -> str:
    """Every row of every table, as text."""
    return "\n".join(
        str(list(model._default_manager.values_list())) for model in apps.get_models(include_auto_created=True)
    )


@pytest.mark.parametrize("door", ["/accounts/login/", "/admin/login/"])
def test_what_is_typed_at_the_log_in_is_stored_nowhere(
    cast: dict[str, User], door: str, caplog: pytest.LogCaptureFixture
) -> None:
    typed = ["my-Secret-Passw0rd", "hunter-in-the-link", "in-a-box-of-their-own", "in-the-query"]
    for _ in range(7):
        form = {"username": typed[0], "password": "x", "next": f"/x?{typed[1]}", "pasword": typed[2]}
        Client().post(f"{door}?q={typed[3]}", form)
    stored = everything_stored()
    assert AccessAttempt.objects.get().failures_since_start == 5
    for text in typed:
        assert text not in stored
        assert text not in caplog.text


def test_a_closed_name_can_be_opened_by_hand(cast: dict[str, User], capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(5):
        wrong()
    assert right().status_code == 429
    call_command("axes_reset_username", "requester")
    assert right().status_code == 302
    assert AccessLog.objects.get().username == "requester"


# --- sessions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["/accounts/login/", "/admin/login/"])
def test_a_session_that_somebody_else_knows_is_not_the_one_after_the_log_in(cast: dict[str, User], door: str) -> None:
    planted = Client()
    session = planted.session
    session["planted"] = "yes"
    session.save()
    victim = Client()
    victim.cookies["sessionid"] = before = str(session.session_key)
    victim.post(door, {"username": "admin", "password": PASSWORD})
    assert victim.cookies["sessionid"].value != before
    assert victim.get("/admin/").status_code == 200
    attacker = Client()
    attacker.cookies["sessionid"] = before
    assert attacker.get("/admin/").status_code == 302, "the old key opens nothing"


def test_a_made_up_session_key_is_not_taken(cast: dict[str, User]) -> None:
    client = Client()
    client.cookies["sessionid"] = made_up = "a" * 32
    client.post("/accounts/login/", {"username": "requester", "password": PASSWORD})
    assert client.cookies["sessionid"].value != made_up
