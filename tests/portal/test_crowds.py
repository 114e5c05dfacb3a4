"""Many at once: strangers, one employee and broken neighbours together do not keep the others from their work."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from connections.demo.management.commands.seed_demo import PASSWORD
from portal.concurrency import AddressLimits, AtMost, PersonLimit, TooBusy
from portal.sessions import SessionStore
from tests import catalogs, nginx, processes
from tests.conftest import missing
from tests.faults.broker import own_broker
from tests.slow import crowd
from tests.visitors import HOST, Visitor, flood, of_one_employee

SLOW = [
    b"GET / HTTP/1.1\r\nHost: portal.example.com\r\nX: ",
    b"POST /accounts/login/ HTTP/1.1\r\nHost: portal.example.com\r\nContent-Length: 1000\r\n\r\n",
    b"POST /webhooks/fivetran/ HTTP/1.1\r\nHost: portal.example.com\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
]
SLOW_FROM, FLOOD_FROM, STRANGERS_FROM = "127.0.0.2", "127.0.0.3", "127.0.0.4"


# --- the bounds themselves ---------------------------------------------------------------------------------------
def test_so_many_run_so_many_wait_and_no_more() -> None:
    limit = AtMost(2, 1)
    with limit.place("a"), ThreadPoolExecutor(1) as pool:
        with limit.place("a"), limit.place("b"):
            third = pool.submit(_enter, limit)
            processes.until(lambda: limit._entered["a"] == 3)
            with pytest.raises(TooBusy), limit.place("a"):
                raise AssertionError
            assert not third.done()
        assert third.result(30), "it runs once one of the two is through"
    assert not limit._entered and not limit._runs, "nothing is kept of a session that is over"


def _enter(limit: AtMost) -> bool:
    with limit.place("a"):
        return True


def test_a_place_is_given_back_after_an_error() -> None:
    limit = AtMost(1, 0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limit.place():
            raise ZeroDivisionError


def _request_of(person: str) -> HttpRequest:
    """In a session of its own, which nobody stored."""
    request = RequestFactory().get("/")
    request.session = SessionStore()
    request.session[SESSION_KEY] = person
    return request


def test_one_person_has_one_limit_in_all_browsers_together() -> None:
    """Else whoever logs in often enough takes every thread."""
    done = threading.Event()
    running, waiting = settings.PERSON_REQUESTS_AT_ONCE

    def page(_request: HttpRequest) -> HttpResponse:
        assert done.wait(30)
        return HttpResponse()

    limit = PersonLimit(page)
    with ThreadPoolExecutor(running + waiting + 1) as pool:
        held = [pool.submit(limit, _request_of("1")) for _ in range(running + waiting)]
        processes.until(lambda: limit._people._entered["1"] == running + waiting)
        assert limit(_request_of("1")).status_code == 503
        other = pool.submit(limit, _request_of("2"))
        processes.until(lambda: limit._people._runs["2"] == 1)
        done.set()
        assert {answer.result(30).status_code for answer in [*held, other]} == {200}


@pytest.mark.parametrize("here", ["oidc", "saml"])
def test_who_begins_log_ins_at_a_provider_that_hangs_leaves_threads_for_others(settings: Any, here: str) -> None:
    done, places = threading.Event(), 2
    settings.REQUESTS_AT_ONCE = {"/accounts/oidc/": (1, 1), "/accounts/saml/": (1, 1)}
    doors = {
        "oidc": ["/accounts/oidc/login/", "/accounts/oidc/callback/"],
        "saml": ["/accounts/saml/login/", "/accounts/saml/acs/"],
    }

    def page(_request: HttpRequest) -> HttpResponse:
        assert done.wait(30)
        return HttpResponse()

    limits, ask, paths = AddressLimits(page), RequestFactory().get, doors.pop(here)
    with ThreadPoolExecutor(places + 2) as pool:
        held = [pool.submit(limits, ask(path)) for path in paths]
        limit = limits._limits[f"/accounts/{here}/"]
        processes.until(lambda: limit._entered[None] == places)
        assert {limits(ask(path)).status_code for path in paths} == {503}
        [[other, *_more]] = doors.values()
        others = [pool.submit(limits, ask(path)) for path in ("/accounts/login/", other)]
        done.set()
        assert {answer.result(30).status_code for answer in [*held, *others]} == {200}


@pytest.fixture
def hashing(settings: Any, cast: dict[str, User]) -> None:
    """The passwords of the cast as production has them."""
    settings.PASSWORD_HASHERS = ["portal.concurrency.LimitedHasher"]
    User.objects.update(password=make_password(PASSWORD))


@pytest.fixture
def neighbours(
    hashing: None, database_url: str, sandbox: processes.Sandbox
) -> Iterator[tuple[dict[str, str], Callable[[], None]]]:
    """The environment of a portal whose mail server takes connections and says nothing; and what freezes its broker."""
    catalogs.offered()
    with ExitStack() as stack:
        mail = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        broker = stack.enter_context(own_broker())
        env = processes.environment(database_url=database_url, redis_url=broker.url, fivetran_url=sandbox.url)
        env |= {"EMAIL_URL": f"smtp://127.0.0.1:{mail.getsockname()[1]}", "WEB_CONCURRENCY": "2"}
        env |= {"FIVETRAN_WEBHOOK_SECRET": "w" * 32, "LOG_LEVEL": "ERROR"}
        yield env, broker.freeze


@contextmanager
def behind_proxy(env: dict[str, str], folder: Path) -> Iterator[tuple[nginx.Proxy, str]]:
    """The portal behind nginx as documented; yields the proxy and the file of its authority."""
    ca = trustme.CA()
    server = ca.issue_cert(HOST, "127.0.0.1")
    certificate, key, authority = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    server.private_key_pem.write_to_path(str(key))
    ca.cert_pem.write_to_path(str(authority))
    env = {**env, "PUBLIC_URL": f"https://{HOST}", "ALLOWED_HOSTS": f"{HOST},127.0.0.1", "TRUSTED_PROXY_HOPS": "1"}
    with ExitStack() as stack:
        address = stack.enter_context(processes.web(env))
        try:
            proxy = stack.enter_context(nginx.proxy(address, certificate, key))
        except processes.Missing as reason:
            missing(str(reason))
        yield proxy, str(authority)


# --- log-ins -----------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_flood_of_log_ins_leaves_threads_for_everybody_else(neighbours: tuple[dict[str, str], Any]) -> None:
    """Each for a name of its own, so that no count of failures ends it."""
    env = {**neighbours[0], "WEB_CONCURRENCY": "1"}
    with processes.web(env) as address:
        reader = Visitor(address).log_in("auditor")
        names = iter(range(10**9))

        def log_in() -> requests.Response:
            visitor = Visitor(address, f"127.0.1.{1 + next(names) % 250}")
            visitor.get("/accounts/login/")
            answer = visitor.post("/accounts/login/", {"username": f"nobody{next(names)}", "password": "x"})
            refused.append(answer) if answer.status_code == 503 else None
            return answer

        refused: list[requests.Response] = []
        with flood(24, log_in) as seen:
            time.sleep(1)
            took = [seconds(lambda: reader.get("/requests/")) for _ in range(10)]
        assert max(took) < 5
        assert set(seen) <= {200, 503}
        assert seen[200] and seen[503]
        assert refused[0].headers["Retry-After"] == "2"
        assert "Wait 2 seconds" in refused[0].text


def seconds(ask: Callable[[], requests.Response]) -> float:
    """How long a page takes that comes."""
    started = time.monotonic()
    assert ask().status_code == 200
    return time.monotonic() - started


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/webhooks/fivetran/", "/handover/abc/", "/handover/abc/send-code/"])
def test_floods_of_strangers_leave_threads_for_everybody_else(
    neighbours: tuple[dict[str, str], Any], path: str
) -> None:
    env = {**neighbours[0], "WEB_CONCURRENCY": "1"}
    with processes.web(env) as address:
        reader = Visitor(address).log_in("auditor")
        stranger = Visitor(address, STRANGERS_FROM)
        with flood(24, lambda: stranger.post(path, {})) as seen:
            time.sleep(1)
            took = [seconds(lambda: reader.get("/requests/")) for _ in range(10)]
        assert max(took) < 5
        assert 200 not in seen and 500 not in seen and 0 not in seen


# --- all together ------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.workers
@pytest.mark.parametrize(("in_front", "healthy", "works"), [("nginx", 1.0, 3.0), ("nothing", 12.0, 12.0)])
def test_others_work_on_while_everything_goes_on_at_once(
    neighbours: tuple[dict[str, str], Callable[[], None]], tmp_path: Path, in_front: str, healthy: float, works: float
) -> None:
    """50 slow connections, one employee in four browsers, resets with a mail server that hangs, a frozen broker."""
    env, freeze = neighbours
    with ExitStack() as stack:
        if in_front == "nginx":
            proxy, ca = stack.enter_context(behind_proxy(env, tmp_path))
            address, context = proxy.address, ssl.create_default_context(cafile=ca)
            wrap: Any = lambda client: context.wrap_socket(client, server_hostname=HOST)  # noqa: E731
        else:
            address, ca, wrap = stack.enter_context(processes.web(env)), "", None
        employee, approver = (Visitor(address, ca=ca).log_in(name) for name in ("requester2", "approver"))
        flooding = [Visitor(address, FLOOD_FROM, ca).log_in("requester") for _ in range(4)]
        stranger = Visitor(address, STRANGERS_FROM, ca)
        stranger.get("/accounts/password_reset/")
        freeze()
        work(employee, approver, "before_all")  # what a process does once
        quiet = max(work(employee, approver, "before"))
        slow = stack.enter_context(crowd(address, 50, SLOW, SLOW_FROM, wrap))
        flooded = stack.enter_context(flood(12, of_one_employee(*flooding)))
        stack.enter_context(flood(4, lambda: stranger.post("/accounts/password_reset/", {"email": "r@example.com"})))
        time.sleep(2)
        asked: list[float] = []
        worked: list[float] = []
        for number in range(8):
            asked.append(seconds(lambda: employee.get("/healthz")))
            if number % 4 == 0:
                worked += work(employee, approver, f"needed_{number}")
        print(
            f"{in_front}: healthz {max(asked):.2f} s, filed and decided {max(worked):.2f} s (quiet: {quiet:.2f} s), "
            f"{slow.opened} slow connections, flood {dict(flooded)}"
        )
        # A machine that is busy with other things needs longer for everything.
        assert max(asked) < max(healthy, quiet)
        assert max(worked) < max(works, 4 * quiet)
        assert slow.opened >= 50
        assert flooded[302] or flooded[429], "the flood was one"


def work(employee: Visitor, approver: Visitor, name: str) -> tuple[float, float]:
    """Seconds for filing a request and for its approval."""
    started = time.monotonic()
    path = employee.file(name)
    filed = time.monotonic()
    approver.approve(path)
    return filed - started, time.monotonic() - filed
