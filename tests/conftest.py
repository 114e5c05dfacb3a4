"""What every test can ask for: people, real servers, a browser. Addresses beyond this machine do not exist here."""

import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, connections
from django.test import Client

from connections.demo.management.commands.seed_demo import create_people
from connections.fivetran import rate_limit
from tests import processes
from tests.lessons import BY_TEST
from tests.sandbox_client import Fivetran
from tests.waiting import may_wait

# Rooms whose tests draw pages and read forms: that every page's and every post's statements run on PostgreSQL too is
# shown by those of them that say `sql`, above all test_url_map, test_filing and test_guard_rails.
PAGES = {"forms", "views", "portal", "sign_on"}
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


# --- nothing leaves this machine -----------------------------------------------------------------------------------
def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in {"localhost", ""}


def _loopback_only(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook (PEP 578): no patch, and it sees every library's sockets. A foreign name is simply not found."""
    if event == "socket.getaddrinfo":
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
        if host is not None and not _is_here(host):
            raise socket.gaierror(socket.EAI_NONAME, f"tests do not look up names: {host}")
    elif event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        if isinstance(address, tuple) and not _is_here(str(address[0])):
            raise RuntimeError(f"tests do not leave this machine: {address}")


sys.addaudithook(_loopback_only)


def missing(reason: str) -> None:
    """Skip where a developer's machine lacks something; in CI that is a failure."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


# --- database ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file: threads and other processes have connections of their own, as in production."""
    database = connections["default"].settings_dict
    if connection.vendor == "sqlite":
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture
def database_url(transactional_db: None) -> str:
    """The test's database for another process; what the test writes is committed, so that the process sees it."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    return f"postgresql://{database['USER']}@/{database['HOST']}/{database['NAME']}"


@pytest.fixture
def groups(db: None) -> None:
    """The groups of the migration, which a test with real transactions finds flushed away."""
    from django.contrib.auth.models import Group

    if Group.objects.filter(name="Auditors").exists():
        return  # as the migrations made them: nothing has been flushed
    import_module("connections.migrations.0002_groups").create_groups(apps, None)
    import_module("connections.migrations.0015_trust").give_right(apps, None)
    import_module("connections.migrations.0039_access_rules").narrow_approvers(apps, None)
    import_module("connections.migrations.0040_auditors").give_right(apps, None)


@pytest.fixture
def cast(groups: None) -> dict[str, Any]:
    """The demo's people by user name: requester, requester2, approver, operator, auditor, admin."""
    from django.contrib.auth.models import User

    create_people()
    return {user.username: user for user in User.objects.all()}


@pytest.fixture
def as_user(cast: dict[str, Any]) -> Any:
    """`as_user("approver")` is a test client that is logged in as that person."""

    def log_in(username: str, **client_options: Any) -> Client:
        client = Client(**client_options)
        client.force_login(cast[username])
        return client

    return log_in


# --- servers -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """A broker for the whole run; its REDIS_URL."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(processes.broker())
        except processes.Missing as reason:
            missing(str(reason))
        yield url


@pytest.fixture
def live_broker(broker_url: str, settings: Any) -> Iterator[str]:
    """The broker, emptied, with this process publishing to it too; its REDIS_URL."""
    import redis

    from portal.celery import app
    from portal.environment import redis_spellings

    with redis.Redis.from_url(broker_url) as client:
        client.flushall()
    settings.REDIS_URL, before = broker_url, app.conf.broker_url
    app.conf.broker_url = redis_spellings(broker_url)[1]
    app.pool.force_close_all()
    yield broker_url
    app.conf.broker_url = before
    app.pool.force_close_all()


@pytest.fixture(scope="session")
def sandbox_of_the_run() -> Iterator[Callable[[], processes.Sandbox]]:
    """The stand-in for Fivetran; another one where a test has ended it."""
    with ExitStack() as stack:
        running: list[processes.Sandbox] = []

        def alive() -> processes.Sandbox:
            if not running or running[-1].process.popen.poll() is not None:
                running.append(stack.enter_context(processes.sandbox()))
            return running[-1]

        yield alive


@pytest.fixture
def sandbox(sandbox_of_the_run: Callable[[], processes.Sandbox], settings: Any) -> processes.Sandbox:
    """A stand-in for Fivetran as good as new, which this process talks to as well."""
    stand_in = sandbox_of_the_run()
    Fivetran(stand_in.url).call("", method="DELETE")
    rate_limit._latest.clear()  # what the answers to another test said
    settings.FIVETRAN_BASE_URL = stand_in.url
    settings.FIVETRAN_IS_LOCAL = True
    return stand_in


@pytest.fixture
def portal_environment(database_url: str, live_broker: str, sandbox: processes.Sandbox) -> dict[str, str]:
    """The environment of a portal process beside this test: same database, same broker, same sandbox."""
    return processes.environment(database_url=database_url, redis_url=live_broker, fivetran_url=sandbox.url)


@pytest.fixture
def worker(portal_environment: dict[str, str]) -> Iterator[processes.Process]:
    """A real worker that serves both lanes."""
    with processes.worker(portal_environment) as process:
        yield process


# --- browser -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The machine's own Chromium, silent towards the world."""
    try:
        program = processes.chromium()
    except processes.Missing as reason:
        missing(str(reason))
    quiet = ("gpu", "quic", "background-networking", "component-update", "sync", "dev-shm-usage")
    flags = [f"--disable-{what}" for what in quiet] + ["--no-first-run"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    return {**browser_type_launch_args, "executable_path": program, "args": flags}


@pytest.fixture
def page(page: Any) -> Iterator[Any]:
    """Playwright's page; any console error, warning or breach of the Content-Security-Policy fails the test."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    assert not said, said


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever drives a page is a browser test and whatever reads rows a database test, whether or not it says so."""
    waiting: list[Path] = []
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "page" in fixtures or Path(item.path).parent.name == "browser":
            item.add_marker(pytest.mark.browser)
        if fixtures & {"db", "transactional_db"} or item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.database)
            if Path(item.path).parent.name == "faults" and fixtures & {"machinery", "environment"}:
                item.add_marker(pytest.mark.workers)
            if Path(item.path).parent.name not in PAGES or _commits(item, fixtures):
                item.add_marker(pytest.mark.sql)
        if found := BY_TEST.get(
            f"{Path(item.path).relative_to(processes.ROOT / 'tests')}::{item.name.partition('[')[0]}"
        ):
            item.add_marker(pytest.mark.lesson(*found))
            item.extra_keyword_matches.add(f"lesson_{found[0]:02d}")
        if any(item.iter_markers("slow")) or any(item.iter_markers("browser")):
            waiting.append(item.path)
    if strange := [path for path in {*waiting} if not may_wait(path)]:
        raise pytest.UsageError(f"`make test` would not find the tests that wait, see tests/waiting.py: {strange}")
    items.sort(key=lambda item: "test_away" not in item.nodeid)  # three minutes: not the last that all wait for


def _commits(item: pytest.Item, fixtures: set[str]) -> bool:
    """Whether its transactions are real ones: races, locks, other processes."""
    marker = item.get_closest_marker("django_db")
    return "transactional_db" in fixtures or (marker is not None and bool(marker.kwargs.get("transaction")))
