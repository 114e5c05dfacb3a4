"""Real workers with clocks of a few seconds, and the invariants that hold after every fault."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from connections import catalog
from connections.demo import environment as demo
from connections.models import Attempt, ConnectionRequest, Event, EventKind
from connections.spec import payloads
from connections.states import Status
from connections.worker import account
from tests import catalogs, factories, processes
from tests.conftest import missing
from tests.faults.broker import Broker, own_broker
from tests.sandbox_client import Fivetran

# A busy machine stalls for a second or two: what is not the fault of a test takes longer than that to run out.
CLOCKS = {
    "SUBMIT_CONNECT_TIMEOUT": "3",
    "SUBMIT_READ_TIMEOUT": "5",
    "SUBMIT_DEADLINE": "6",
    "SETTLE_SECONDS": "3",
    "SWEEP_INTERVAL": "1",
    "CLAIM_LEASE": "5",
    "PROBE_SECONDS": "1",
}
# Where the answer that does not come is the fault, and to wait longer for it would prove no more.
IMPATIENT = {"SUBMIT_READ_TIMEOUT": "2", "SUBMIT_DEADLINE": "3"}
PAGE_SECONDS = 3.0  # in which every page is there, whatever is broken
PAGES = 3  # requests whose page is read after a fault; the others' are made in the same way
CANARIES = (
    demo.SANDBOX_SECRET,
    base64.b64encode(f"{demo.SANDBOX_KEY}:{demo.SANDBOX_SECRET}".encode()).decode(),
)
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has no server, no sessions to end and no rows to lock"
)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that the test may break, end or demote."""
    try:
        with own_broker() as broker:
            yield broker
    except processes.Missing as reason:
        missing(str(reason))


@pytest.fixture
def fivetran(transactional_db: None, groups: None, sandbox: processes.Sandbox) -> Fivetran:
    """The sandbox in its worst mode: a name can be taken twice, so nothing but the portal prevents a second one."""
    account._known.clear()
    stand_in = Fivetran(sandbox.url)
    stand_in.settings(test_seconds=0, unique_names=False)
    return stand_in


@pytest.fixture
def server(transactional_db: None) -> Iterator[processes.PostgresServer]:
    """A PostgreSQL server that the test may stop, which this process has as well."""
    try:
        with processes.postgres_server() as server, moved_to(server.url):
            yield server
    except processes.Missing as reason:
        missing(str(reason))


@pytest.fixture
def environment(portal_environment: dict[str, str]) -> dict[str, str]:
    """The environment of the portal's processes, with the clocks above."""
    return {**portal_environment, **CLOCKS}


@pytest.fixture
def group(fivetran: Fivetran) -> str:
    """The id of a connected destination."""
    catalogs.fetched()
    return catalog.destinations()[0].id


@pytest.fixture
def approve(group: str, live_broker: str) -> Callable[..., ConnectionRequest]:
    """`approve("name")` is an approved request; its message was sent."""

    def make(schema: str, **changes: Any) -> ConnectionRequest:
        return factories.approved(group_id=group, config__schema=schema, config__table="t", **changes)

    return make


@pytest.fixture
def machinery(environment: dict[str, str]) -> Iterator[Callable[..., processes.Process]]:
    """`machinery()` starts a worker and, the first time, a scheduler; returns the worker.

    `machinery(scheduled=False)` leaves the scheduler out, `lanes` are those that the worker serves; other arguments
    change its environment. At the end no secret may stand in what they printed.
    """
    with ExitStack() as stack:
        workers: list[processes.Process] = []
        schedulers: list[processes.Process] = []

        def start(
            *, scheduled: bool = True, concurrency: int = 4, lanes: str = "slow,control", **changes: str
        ) -> processes.Process:
            if scheduled and not schedulers:
                schedulers.append(stack.enter_context(processes.scheduler(environment)))
            worker = processes.worker({**environment, **changes}, queues=lanes, concurrency=concurrency)
            workers.append(stack.enter_context(worker))
            return workers[-1]

        yield start
        printed = [process.log.read_text(errors="replace") for process in (*workers, *schedulers)]
        for process in (*workers, *schedulers):
            process.kill()
        assert not [text for text in printed for canary in CANARIES if canary in text]


@pytest.fixture
def messages_are_published(live_broker: str, settings: Any) -> None:
    """Every message of this process is, also on a broker that is silent for a moment because the machine is busy."""
    settings.ENQUEUE_TIMEOUT = 20


@contextmanager
def session() -> Iterator[psycopg.Connection[Any]]:
    """A session of the test's own on the same PostgreSQL database, not Django's."""
    place = connection.settings_dict
    with psycopg.connect(host=place["HOST"], dbname=place["NAME"], user=place["USER"], autocommit=True) as own:
        own.execute("SET lock_timeout = '10s'")
        yield own


@contextmanager
def moved_to(url: str) -> Iterator[None]:
    """This process too has the empty database at `url`, migrated."""
    database: Any = connection
    place, (home, _, name) = database.settings_dict, url.partition("@/")[2].rpartition("/")
    before = {key: place[key] for key in ("HOST", "NAME", "USER")}

    def move(**to: Any) -> None:
        database.close()
        database.close_pool()
        place.update(to)

    move(HOST=home, NAME=name, USER="portal")
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        move(**before)


def reconnected() -> bool:
    """Whether the database answers on new connections of this process."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:  # noqa: BLE001  (it recovers; whatever it says now is no answer)
        return False
    return True


def status(conn_request: ConnectionRequest) -> Status:
    """The row's status now."""
    return ConnectionRequest.objects.get(pk=conn_request.pk).state


def fresh(conn_request: ConnectionRequest) -> ConnectionRequest:
    """The row as it is now."""
    return ConnectionRequest.objects.get(pk=conn_request.pk)


def settles(*requests: ConnectionRequest, as_: Status = Status.CREATED, patience: float = processes.PATIENCE) -> None:
    """Wait until each request is `as_`."""
    processes.until(
        lambda: all(status(conn_request) is as_ for conn_request in requests),
        patience,
        story=lambda: str([(r.schema, status(r), fresh(r).note) for r in requests]),
    )


def exactly_one(fivetran: Fivetran, *requests: ConnectionRequest) -> None:
    """Each request has its one connection at Fivetran, under the id that we say; and what holds for all, holds."""
    there = _there(fivetran)
    for conn_request in requests:
        assert there.get(conn_request.schema) == [fresh(conn_request).connection_id], (conn_request.schema, there)
    in_order(fivetran, *requests)


def none_there(fivetran: Fivetran, *requests: ConnectionRequest) -> None:
    """Nothing exists for any of them, and nobody says that it does."""
    there = _there(fivetran)
    for conn_request in requests:
        assert conn_request.schema not in there and fresh(conn_request).connection_id is None
    in_order(fivetran, *requests)


def in_order(fivetran: Fivetran, *requests: ConnectionRequest) -> None:
    """What holds after every fault, of the rows and their pages.

    One event for each move; every POST carries the approved body and came after the approval; no secret is kept.
    """
    posts = fivetran.posts()
    for conn_request in map(fresh, requests):
        moves = list(Event.objects.filter(request=conn_request, kind=EventKind.MOVED).order_by("version"))
        assert [event.version for event in moves] == list(range(1, conn_request.version + 1))
        assert all(a.target == b.source for a, b in zip(moves, moves[1:], strict=False))
        assert moves[-1].target == conn_request.status
        approvals = [e for e in moves if e.target == Status.APPROVED and e.source == Status.PENDING]
        sent = [post for post in posts if payloads.natural_key(post["body"]["config"]) == conn_request.schema]
        for post in sent:
            assert payloads.digest(post["body"]) == conn_request.approved_digest == approvals[0].detail["digest"]
            assert approvals[0].by_id not in (None, conn_request.requester_id)
            assert approvals[0].at <= datetime.fromisoformat(post["time"]).replace(microsecond=999_999)
        stored = [
            *Attempt.objects.filter(request=conn_request).values_list("message", "code"),
            *_texts(conn_request, moves),
        ]
        assert not [text for text in map(str, stored) for canary in CANARIES if canary in text]
    for conn_request in requests[:PAGES]:
        _has_its_page(fresh(conn_request))


def _has_its_page(conn_request: ConnectionRequest) -> None:
    """Its requester, or an auditor once that person has left, reads it at once, as it is, without a secret."""
    client = Client()
    client.force_login(conn_request.requester if conn_request.requester.is_active else factories.person("auditor"))
    url = reverse("connections:request", args=[conn_request.pk])
    assert processes.quickest(lambda: processes.seconds(lambda: client.get(url)), PAGE_SECONDS) < PAGE_SECONDS
    answer = client.get(url)
    page = answer.content.decode()
    assert answer.status_code == 200 and f'data-status="{conn_request.status}"' in page
    assert not [canary for canary in CANARIES if canary in page]


def _there(fivetran: Fivetran) -> dict[str, list[str]]:
    there: dict[str, list[str]] = {}
    for item in fivetran.connections():
        there.setdefault(item["schema"], []).append(item["id"])
    return there


def _texts(conn_request: ConnectionRequest, moves: list[Event]) -> list[object]:
    return [conn_request.note, conn_request.failure_message, *[(event.reason, event.detail) for event in moves]]
