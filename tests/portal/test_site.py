"""What holds on every page: log-in, sessions, throttle, headers, logs, health."""

import base64
import logging
import os
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import OperationalError, ProgrammingError, connection
from django.db.models.functions import Now
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connections import worker
from connections.demo.management.commands.demo import Command
from connections.demo.management.commands.seed_demo import PASSWORD, PEOPLE
from connections.models import BreakerReason, CircuitBreaker, Heartbeat, Process
from portal.logs import OneLine
from portal.middleware import client_address
from portal.sessions import SessionStore

pytestmark = pytest.mark.sql

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}
AsUser = Callable[..., Client]


def is_logged_in(client: Client) -> bool:
    """Asked at a page that everybody may read and that knows operators."""
    return "parts" in client.get("/readyz").json()


# --- log-in --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "path", ["/", "/requests/", "/requests/new/", "/approvals/", "/accounts/password_change/", "/nothing"]
)
def test_a_stranger_is_sent_to_the_log_in_page(client: Client, db: None, path: str) -> None:
    response = client.get(path)
    if path == "/nothing":
        assert response.status_code == 404
    else:
        assert response.status_code == 302
        assert response["Location"] == f"/accounts/login/?next={path}"


def log_in(client: Client, username: str, password: str, **extra: str) -> Any:
    return client.post("/accounts/login/", {"username": username, "password": password}, **extra)  # type: ignore[arg-type]


def test_the_sixth_try_is_refused_even_if_right(cast: dict[str, User]) -> None:
    client = Client()
    for _ in range(4):
        assert log_in(client, "requester", "wrong").status_code == 200
    assert log_in(client, "requester", "wrong").status_code == 429
    refused = log_in(client, "requester", PASSWORD)
    assert refused.status_code == 429
    assert "quarter of an hour" in refused.content.decode()
    assert log_in(client, "requester", PASSWORD, REMOTE_ADDR="127.0.0.9").status_code == 302, "another address is free"
    assert log_in(client, "requester2", PASSWORD).status_code == 302, "another name at the same address is free"
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert log_in(client, "requester", PASSWORD).status_code == 302


def test_a_clock_that_is_set_back_locks_nobody_out_for_as_long(cast: dict[str, User]) -> None:
    client = Client()
    for _ in range(5):
        log_in(client, "requester", "wrong")
    assert log_in(client, "requester", PASSWORD).status_code == 429
    with time_machine.travel(timezone.now() - timedelta(minutes=16)):
        assert log_in(client, "requester", PASSWORD).status_code == 302


def test_the_admin_has_the_same_throttle(cast: dict[str, User]) -> None:
    client = Client()
    for _ in range(5):
        answer = client.post("/admin/login/", {"username": "admin", "password": "wrong"})
    assert answer.status_code == 429
    assert client.post("/admin/login/", {"username": "admin", "password": PASSWORD}).status_code == 429
    assert log_in(client, "admin", PASSWORD).status_code == 429


def test_an_address_that_tries_many_names_is_stopped(cast: dict[str, User], settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ADDRESS = 8
    client = Client()
    statuses = [log_in(client, f"name{number}", "wrong").status_code for number in range(9)]
    assert statuses[:7] == [200] * 7
    assert statuses[8] == 429
    assert log_in(client, "requester", PASSWORD).status_code == 429


def test_success_forgives_the_name_but_not_the_address(cast: dict[str, User], settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ADDRESS = 8
    client = Client()
    for number in range(7):
        log_in(client, f"name{number}", "wrong")
    assert log_in(client, "requester", PASSWORD).status_code == 302
    assert log_in(client, "name9", "wrong").status_code == 429


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, "6.6.6.6", "127.0.0.1"),
        (1, "6.6.6.6, 10.0.0.7", "10.0.0.7"),
        (2, "6.6.6.6, 10.0.0.7, 10.0.0.8", "10.0.0.7"),
        (2, "6.6.6.6", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_a_forged_forwarding_header_does_not_change_the_address(
    hops: int, forwarded: str, address: str, settings: Any
) -> None:
    settings.TRUSTED_PROXY_HOPS = hops
    assert client_address(RequestFactory().get("/", HTTP_X_FORWARDED_FOR=forwarded)) == address


# --- sessions ------------------------------------------------------------------------------------------------------
def test_an_idle_session_ends_after_an_hour(as_user: AsUser) -> None:
    client, now = as_user("operator"), timezone.now()
    assert is_logged_in(client)
    with time_machine.travel(now + timedelta(minutes=59)):
        assert is_logged_in(client)
    with time_machine.travel(now + timedelta(minutes=59 + 58)):
        assert is_logged_in(client)
    with time_machine.travel(now + timedelta(minutes=59 + 58 + 61)):
        assert not is_logged_in(client)
    assert not is_logged_in(client)


def test_a_session_does_not_live_longer_by_a_clock_that_is_set_back(as_user: AsUser) -> None:
    client, now = as_user("operator"), timezone.now()
    assert is_logged_in(client)
    with time_machine.travel(now - timedelta(minutes=50)):  # nobody is logged out by less than that
        assert is_logged_in(client)
    with time_machine.travel(now - timedelta(minutes=50 + 61)):
        assert not is_logged_in(client)


def test_a_busy_session_ends_after_ten_hours(as_user: AsUser) -> None:
    client, now = as_user("operator"), timezone.now()
    for minutes in range(0, 600, 50):
        with time_machine.travel(now + timedelta(minutes=minutes)):
            assert is_logged_in(client), minutes
    with time_machine.travel(now + timedelta(hours=10, seconds=5)):
        assert not is_logged_in(client)


def test_a_session_is_written_every_five_minutes_only(as_user: AsUser) -> None:
    client = as_user("operator")
    client.get("/readyz")
    with CaptureQueriesContext(connection) as queries:
        assert is_logged_in(client)
    assert not [query["sql"] for query in queries if "UPDATE" in query["sql"]]


def test_the_sweeper_forgets_sessions_that_are_over(as_user: AsUser) -> None:
    here, gone = as_user("operator"), as_user("operator")
    stranger = SessionStore()
    stranger.create()
    for session, ended in ((gone.session, timedelta(days=4)), (stranger, timedelta(hours=2))):
        Session.objects.filter(pk=session.session_key).update(expire_date=timezone.now() - ended)
    worker.sweep()
    assert [session.pk for session in Session.objects.all()] == [here.session.session_key]
    assert is_logged_in(here)


def test_a_database_whose_clock_was_set_ahead_ends_no_session_for_good(as_user: AsUser) -> None:
    here = as_user("operator")
    # As a clock sees it that is two days ahead.
    Session.objects.update(expire_date=timezone.now() + django_settings.SESSION_ABSOLUTE_LIMIT - timedelta(days=2))
    worker.sweep()
    assert Session.objects.filter(pk=here.session.session_key).exists()


def test_log_in_changes_the_session_and_deactivation_ends_it(cast: dict[str, User]) -> None:
    client = Client()
    client.get("/accounts/login/")
    session = client.session
    session.save()
    client.cookies["sessionid"] = before = str(session.session_key)
    log_in(client, "operator", PASSWORD)
    assert client.cookies["sessionid"].value != before
    assert is_logged_in(client)
    User.objects.filter(username="operator").update(is_active=False)
    assert not is_logged_in(client)


def test_a_new_password_ends_every_other_session(as_user: AsUser, cast: dict[str, User]) -> None:
    here, there = as_user("operator"), as_user("operator")
    new = "a-brand-new-portal-word"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert here.post("/accounts/password_change/", data).status_code == 302
    assert is_logged_in(here)
    assert not is_logged_in(there)


# --- headers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "path", ["/", "/accounts/login/", "/nothing", "/healthz", "/admin/login/", "/requests/?status=x"]
)
def test_every_answer_carries_the_policy(as_user: AsUser, path: str) -> None:
    response = as_user("requester").get(path)
    assert set(response["Content-Security-Policy"].split("; ")) == POLICY
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]


def test_a_wrong_host_is_refused_with_the_policy_too(client: Client) -> None:
    response = client.get("/healthz", HTTP_HOST="evil.example.com")
    assert response.status_code == 400
    assert "Content-Security-Policy" in response.headers


def test_static_files_may_be_cached(client: Client, db: None) -> None:
    response = client.get("/static/bootstrap/css/bootstrap.min.css")
    response.close()
    assert response.status_code == 200
    assert "no-store" not in response.headers.get("Cache-Control", "")


def test_static_files_of_other_builds_are_left_out() -> None:
    from django.contrib.staticfiles.finders import get_finders

    from portal.apps import TrimmedStaticFiles

    patterns = TrimmedStaticFiles.ignore_patterns
    found = set()
    for finder in get_finders():
        for path, storage in finder.list(patterns):
            found.add(f"{storage.prefix}/{path}" if getattr(storage, "prefix", "") else path)
    assert {
        "bootstrap/css/bootstrap.min.css",
        "bootstrap/js/bootstrap.bundle.min.js",
        "django_htmx/htmx-2.min.js",
    } <= found
    assert not [path for path in found if "rtl" in path and "bootstrap" in path or "htmx-4" in path]


def test_a_form_needs_its_token(cast: dict[str, User]) -> None:
    client = Client(enforce_csrf_checks=True)
    assert log_in(client, "requester", PASSWORD).status_code == 403


def test_an_upload_beyond_the_limit_is_a_clean_413(as_user: AsUser) -> None:
    response = as_user("requester").post(
        "/requests/new/", {"reason": "x" * (django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)}
    )
    assert response.status_code == 413


# --- logs ----------------------------------------------------------------------------------------------------------
def written(message: str, *arguments: object, error: BaseException | None = None) -> str:
    record = logging.LogRecord(
        "x", logging.INFO, "", 1, message, arguments, (type(error), error, None) if error else None
    )
    return OneLine("{levelname} {message}", style="{").format(record)


def test_a_record_is_one_line() -> None:
    line = written("a\r\nINFO forged\x1b[31m\u2028b\tc\u202e")
    assert line == "INFO a\\r\\nINFO forged\\u001b[31m\\u2028b c\\u202e"
    assert "\n" not in written("failed", error=ValueError("one\ntwo"))


def test_the_key_pair_never_shows() -> None:
    token = base64.b64encode(b"sandbox-key:sandbox-secret").decode()
    line = written("GET %s", f"Authorization: Basic {token}", error=ValueError("sandbox-secret of sandbox-key"))
    for secret in ("sandbox-key", "sandbox-secret", token):
        assert secret not in line
    assert line.count("[hidden]") == 3


# --- health --------------------------------------------------------------------------------------------------------
def test_healthz_asks_nothing(client: Client, django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert response.status_code == 200
    assert client.post("/healthz").status_code == 405


def test_readyz_without_a_broker_is_degraded_and_names_it_to_operators_only(as_user: AsUser, client: Client) -> None:
    assert client.get("/readyz").json() == {"status": "degraded"}
    assert as_user("requester").get("/readyz").json() == {"status": "degraded"}
    parts = as_user("operator").get("/readyz").json()["parts"]
    assert parts == {"broker": False, "fivetran": True, "worker": False, "scheduler": False}
    assert client.get("/readyz").status_code == 200


def test_readyz_is_ok_while_all_parts_are_and_degraded_by_each(client: Client, db: None, live_broker: str) -> None:
    assert client.get("/readyz").json() == {"status": "degraded"}  # nobody has heard of the worker yet
    worker.note_alive()
    assert client.get("/readyz").json() == {"status": "ok"}
    CircuitBreaker.objects.create(pk=1, reason=BreakerReason.AUTH)
    assert client.get("/readyz").json() == {"status": "degraded"}
    CircuitBreaker.objects.update(reason=BreakerReason.RATE_LIMITED)  # waiting is no illness
    assert client.get("/readyz").json() == {"status": "ok"}
    for ahead in (-1, 1):  # by a clock that was set back since, nobody knows how old it is
        Heartbeat.objects.filter(process=Process.SCHEDULER).update(at=Now() + timedelta(hours=ahead))
        assert client.get("/readyz").json() == {"status": "degraded"}


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 503)])
def test_somebody_who_is_logged_in_asks_while_the_database_is_away(as_user: AsUser, path: str, status: int) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("the server closed the connection")

    client = as_user("operator")
    with connection.execute_wrapper(away):
        assert client.get(path).status_code == status


def test_readyz_before_the_first_migration_is_degraded(as_user: AsUser) -> None:
    def empty(execute: Any, sql: str, *arguments: Any) -> Any:
        if "FROM" in sql:
            raise ProgrammingError("relation does not exist")
        return execute(sql, *arguments)

    client = as_user("operator")
    with connection.execute_wrapper(empty):
        response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "degraded"})


# --- people --------------------------------------------------------------------------------------------------------
def test_the_migration_makes_the_groups_with_their_rights(groups: None) -> None:
    rights = {group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()}
    assert rights == {
        "Approvers": {"approve_request", "approve_trust"},
        "Operators": {"operate_portal", "approve_trust", "view_all_requests"},
        "Auditors": {"view_all_requests", "read_record"},
    }


def test_the_demo_seed_makes_the_promised_people_once(
    cast: dict[str, User], capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(cast) == {"requester", "requester2", "approver", "operator", "auditor", "admin"} == set(PEOPLE)
    assert all(user.check_password("demo-portal") for user in cast.values())
    assert [name for name, user in sorted(cast.items()) if user.is_staff] == ["admin", "approver"]
    assert [name for name, user in cast.items() if user.is_superuser] == ["admin"]
    cast["approver"].set_password("kept-through-the-seed")
    cast["approver"].save()
    call_command("seed_demo")
    assert User.objects.get(username="approver").check_password("kept-through-the-seed")
    assert User.objects.count() == 6
    assert capsys.readouterr().out == ""


def test_the_demo_seed_refuses_beside_a_real_account(db: None, settings: Any) -> None:
    settings.FIVETRAN_IS_LOCAL, settings.FIVETRAN_BASE_URL = False, "https://api.fivetran.com"
    with pytest.raises(CommandError, match="only beside a local stand-in"):
        call_command("seed_demo")
    assert not User.objects.exists()


@pytest.mark.parametrize("root", ["https://api.fivetran.com", "http://127.0.0.1:1"])
def test_beside_a_real_account_the_demos_people_cannot_log_in(
    cast: dict[str, User], settings: Any, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    """Nor beside a server of this machine that does not say that it is the sandbox."""
    client = Client()
    client.force_login(cast["operator"])
    cast["approver"].set_password("of-their-own")
    cast["approver"].save()
    settings.FIVETRAN_BASE_URL = root
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "connections.demo.settings")
    Command(stdout=StringIO()).let_in()
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "portal.settings"
    assert not any(user.check_password(PASSWORD) for user in User.objects.all())
    assert User.objects.get(username="approver").check_password("of-their-own")
    assert not is_logged_in(client)
    settings.FIVETRAN_IS_LOCAL = True
    call_command("seed_demo", verbosity=0)
    assert User.objects.get(username="admin").check_password(PASSWORD)
