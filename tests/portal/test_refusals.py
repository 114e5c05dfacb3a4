"""What a refused request leaves in the log, and what a writing page says while the database is held by others."""

import io
import logging
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import requests
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client, RequestFactory

from connections.views import errors
from portal.logs import OneLine
from tests import factories, processes

pytestmark = pytest.mark.sql


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the portal's own handler would print."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(OneLine("{levelname} {name}: {message}", style="{"))
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


BROKEN = b"--x\r\nContent-Disposition: form-data; name=\xff\r\n"
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("get", "/nothing/here/", {}),
    ("get", "/handover/forged-token/", {}),
    ("post", "/accounts/login/", {"data": {"username": "x"}}),
    ("get", "/accounts/login/", {"headers": {"host": "elsewhere.example"}}),
    ("post", "/webhooks/fivetran/", {"data": b"x" * 2_000_000, "content_type": "application/json"}),
    ("post", "/accounts/login/", {"data": BROKEN, "content_type": "multipart/form-data"}),
    ("post", "/accounts/login/", {"data": BROKEN, "content_type": "multipart/form-data; boundary=x"}),
    ("post", "/accounts/login/", {"data": {f"x{n}": "" for n in range(2000)}}),
    ("post", "/accounts/login/", {"data": {"username": "x" * 2_000_000}}),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "options"), REFUSED)
def test_a_refused_stranger_leaves_a_line_at_most(
    log: io.StringIO, settings: Any, method: str, path: str, options: dict[str, Any]
) -> None:
    settings.FIVETRAN_WEBHOOK_SECRET = "known-to-both"
    strange = Client(enforce_csrf_checks=True, raise_request_exception=False)
    answer = getattr(strange, method)(path, **options)
    assert 400 <= answer.status_code < 500
    lines = log.getvalue().splitlines()
    assert len(lines) <= 1 and "Traceback" not in log.getvalue(), lines
    assert all(len(line) < 1000 for line in lines)


@pytest.mark.django_db
def test_so_does_somebody_who_may_not(log: io.StringIO, cast: dict[str, User]) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(cast["requester"])
    assert client.get("/operations/").status_code == 403
    assert log.getvalue().count("\n") == 1 and "Traceback" not in log.getvalue()


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    try:
        raise RuntimeError("ours")
    except RuntimeError as error:
        record = logging.LogRecord("django.request", logging.ERROR, "x", 1, "x", None, None)
        record.status_code, record.exc_info = 500, (RuntimeError, error, error.__traceback__)
    assert "Traceback" in OneLine().format(record)
    record.status_code = 403
    assert "Traceback" not in OneLine().format(record)
    assert record.exc_info  # for other handlers


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"reason": "x" * 1_100_000}, "A form may have 1024 kB of text."),
        ({f"config__x{number}": "1" for number in range(1_100)}, "A form may have 1,000 fields."),
    ],
)
@pytest.mark.parametrize("path", ["/requests/new/", "/requests/new/review/", "/requests/batch/", "/accounts/login/"])
def test_a_form_that_holds_too_much_is_answered_with_how_much(
    cast: dict[str, User], path: str, data: dict[str, str], words: str
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(cast["requester"])
    answer = client.post(path, data)
    page = answer.content.decode()
    assert answer.status_code == 413 and words in page and "what you typed is still there" in page


# --- a database that is held -----------------------------------------------------------------------------------------
def busy(text: str, sqlstate: str = "") -> OperationalError:
    """As Django raises it."""
    error = OperationalError(text)
    if sqlstate:
        error.__cause__ = psycopg.errors.lookup(sqlstate)(text)
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (busy("database is locked"), 503),
        (busy("database table is locked"), 503),
        (busy("canceling statement due to lock timeout", "55P03"), 503),
        (busy("canceling statement due to statement timeout", "57014"), 503),
        (busy("server closed the connection", "57P01"), 500),
        (ValueError("database is locked"), 500),
    ],
)
def test_a_busy_database_is_said_as_such(error: Exception, status: int) -> None:
    try:
        raise error
    except type(error):
        answer = errors.failure(RequestFactory().post("/requests/new/"))
    assert answer.status_code == status
    assert ("busy" in answer.content.decode()) == (status == 503)
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has a limit for each wait; see fault 31")
def test_a_locked_file_is_answered_within_a_few_seconds(
    transactional_db: None, cast: dict[str, User], database_url: str, live_broker: str
) -> None:
    env = processes.environment(database_url=database_url, redis_url=live_broker, fivetran_url="http://127.0.0.1:9")
    conn_request = factories.submitted(cast["requester"])
    known = Client()
    known.force_login(cast["requester"])
    with processes.web(env) as url:
        browser = requests.Session()
        browser.cookies.set(django_settings.SESSION_COOKIE_NAME, known.cookies["sessionid"].value)
        assert browser.get(f"{url}/requests/new/", timeout=30).status_code == 200
        data = {"csrfmiddlewaretoken": browser.cookies["csrftoken"], "action": "draft", "reason": "x"}
        locker = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        for path in ("/requests/new/", f"/requests/{conn_request.pk}/withdraw/"):
            started = time.monotonic()
            answer = browser.post(f"{url}{path}", data=data, timeout=30, allow_redirects=False)
            assert (answer.status_code, time.monotonic() - started < 8) == (503, True), path
            assert "busy just now" in answer.text
        assert browser.get(f"{url}/requests/", timeout=30).status_code == 200  # reading goes on
        locker.execute("ROLLBACK")
        locker.close()
        assert browser.post(f"{url}/requests/new/", data=data, timeout=30, allow_redirects=False).status_code == 302


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's wait")
def test_a_worker_waits_longer(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (20_000,)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("/requests/{pk}/approve/", "/requests/{pk}/"),
        ("/accounts/logout/", "/"),
        ("/admin/logout/", "/admin/"),
        ("/operations/pause/", "/operations/"),
    ],
)
def test_the_address_of_a_button_leads_to_its_page(as_user: Any, cast: dict[str, User], path: str, above: str) -> None:
    pk = factories.submitted(cast["requester"]).pk
    answer = as_user("admin").get(path.format(pk=pk))
    assert answer.status_code == 405 and "POST" in answer["Allow"]
    page = answer.content.decode()
    assert "This is not an address to open" in page
    assert f'<a class="btn btn-primary" href="{above.format(pk=pk)}">' in page
