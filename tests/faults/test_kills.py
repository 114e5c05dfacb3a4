"""Workers killed, frozen and starved at every point of a sending: one connection, and the request ends Created."""

import os
import re
import resource
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from django.db import connection

from connections import workflow
from connections.models import ConnectionRequest, DryRun, SetupTestsState
from connections.spec.dry_run import CheckState
from connections.states import Status
from tests import factories
from tests.dry_run import postgres
from tests.faults.conftest import exactly_one, fresh, on_postgresql, session, settles, status
from tests.processes import PATIENCE, Process, until
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
Machinery = Callable[..., Process]
# On SQLite too where the file itself is at stake: a writer that dies, or has no memory to map it.
within_writing = pytest.param("answered", marks=pytest.mark.everywhere)
# As Python, the kernel and SQLite say it; the last cannot map its file of shared memory.
OUT_OF_MEMORY = re.compile("MemoryError|[Cc]annot allocate memory|can't start new thread|out of memory|disk I/O error")


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["headers", "body", "effect", "half", within_writing])
def test_a_worker_killed_while_sending(fivetran: Fivetran, approve: Approve, machinery: Machinery, phase: str) -> None:
    """Faults 2, 3, 4 and, as the kill takes the whole group, 7."""
    worker = machinery()
    fivetran.hold(phase)
    conn_request = approve(f"kill_{phase}")
    until(fivetran.holding)
    assert status(conn_request) in {Status.SENDING, Status.CREATED}  # created only once the answer was on its way
    assert phase == "answered" or status(conn_request) is Status.SENDING
    worker.kill()
    fivetran.release()
    machinery()
    settles(conn_request)
    if phase in {"effect", "half"}:  # it existed, and nobody here was told: found, and asked how it is
        until(lambda: fresh(conn_request).connection.tests == SetupTestsState.STORED)
        assert fresh(conn_request).connection.adopted and fresh(conn_request).connection.runs.count() == 1
        assert [call for call in fivetran.call("journal") if call["path"].endswith("/test")]
    exactly_one(fivetran, conn_request)


class Way:
    """The way to Fivetran: passes everything on, but keeps a POST to itself until `free` is set."""

    def __init__(self, to: str) -> None:
        self._to = urlsplit(to)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.kept, self.free = threading.Event(), threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            first = client.recv(65536)
            if first.startswith(b"POST") and not self.free.is_set():
                self.kept.set()
                self.free.wait()
                return
            with socket.create_connection((str(self._to.hostname), self._to.port or 80)) as server:
                server.sendall(first)
                threading.Thread(target=_copy, args=(client, server), daemon=True).start()
                _copy(server, client)

    def close(self) -> None:
        """Take no more connections."""
        self.free.set()
        self._listener.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.mark.slow
def test_a_worker_killed_before_its_post_arrives(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, settings: Any
) -> None:
    """Fault 1: `sending` is committed, and of the POST nothing comes to Fivetran; it is sent once, after settling."""
    way = Way(fivetran.url)
    try:
        settings.FIVETRAN_BASE_URL = way.url
        worker = machinery(FIVETRAN_BASE_URL=way.url)
        conn_request = approve("kill_before")
        assert way.kept.wait(PATIENCE)
        assert status(conn_request) is Status.SENDING
        worker.kill()
        way.free.set()
        machinery(FIVETRAN_BASE_URL=way.url)
        settles(conn_request)
        exactly_one(fivetran, conn_request)
        assert len(fivetran.posts()) == 1
        assert conn_request.events.filter(source=Status.UNKNOWN, target=Status.APPROVED).count() == 1
    finally:
        way.close()


@pytest.mark.everywhere
@pytest.mark.slow
def test_a_worker_killed_between_claim_and_sending(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    """Fault 7, before the POST: nothing was sent, so the claim is simply released."""
    worker = machinery()
    fivetran.call("hold", {"phase": "headers", "method": "GET", "path": "/v1/connections*"})
    conn_request = approve("kill_claimed")
    until(fivetran.holding)
    assert status(conn_request) is Status.CLAIMED
    worker.kill()
    fivetran.release()
    machinery()
    settles(conn_request)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1


@on_postgresql
def test_a_worker_killed_with_the_answer_in_its_hands(
    fivetran: Fivetran, approve: Approve, machinery: Machinery
) -> None:
    """Fault 5: a second session holds the row, so the worker hangs in its own UPDATE and dies there."""
    worker = machinery()
    fivetran.hold("effect")
    conn_request = approve("kill_commit")
    until(fivetran.holding)
    with session() as locker, session() as watcher:
        locker.execute("BEGIN")
        locker.execute("SELECT 1 FROM connections_connectionrequest WHERE id = %s FOR UPDATE", [conn_request.pk])
        fivetran.release()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        until(lambda: watcher.execute(waiting).fetchone())
        worker.kill()
        locker.execute("ROLLBACK")
    assert status(conn_request) is Status.SENDING
    machinery()
    settles(conn_request)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1 and fresh(conn_request).connection.adopted


@pytest.mark.everywhere
@pytest.mark.slow
def test_a_worker_killed_right_after_its_commit(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    """Fault 6: the event is there, so it is done; the next worker finds nothing to do."""
    worker = machinery()
    conn_request = approve("kill_after")
    until(lambda: conn_request.events.filter(target=Status.CREATED).exists())
    worker.kill()
    machinery()
    other = approve("kill_after_other")
    settles(conn_request, other)
    exactly_one(fivetran, conn_request, other)
    assert len(fivetran.posts()) == 2


@pytest.mark.slow
def test_only_the_main_process_killed(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    """Fault 8: the pool is threads, so no orphan is left that could go on sending."""
    worker = machinery()
    fivetran.hold("effect")
    conn_request = approve("kill_main")
    until(fivetran.holding)
    children = psutil.Process(worker.popen.pid).children(recursive=True)
    os.kill(worker.popen.pid, signal.SIGKILL)
    worker.popen.wait()
    assert not psutil.wait_procs(children, timeout=PATIENCE)[1]
    fivetran.release()
    machinery()
    settles(conn_request)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1


def _freeze(worker: Process) -> bool:
    """Stop it; or let it go on and return False if that was within a write, where it would lock out everybody else."""
    os.killpg(worker.popen.pid, signal.SIGSTOP)
    if _somebody_writes():
        os.killpg(worker.popen.pid, signal.SIGCONT)
        return False
    return True


def _somebody_writes() -> bool:
    if connection.vendor == "postgresql":
        open_ = "datname = current_database() AND backend_type = 'client backend' AND xact_start IS NOT NULL"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM pg_stat_activity WHERE {open_} AND pid <> pg_backend_pid()")  # noqa: S608
            return cursor.fetchone() is not None
    with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0.3, isolation_level=None)) as own:
        try:
            own.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        own.execute("ROLLBACK")
    return False


@pytest.mark.slow
def test_a_worker_frozen_past_its_deadline_writes_nothing(
    fivetran: Fivetran, approve: Approve, machinery: Machinery
) -> None:
    """Fault 9: another worker settles the row; what the first one writes when it wakes up changes nothing."""
    frozen = machinery()
    fivetran.hold("effect")
    conn_request = approve("frozen_one")
    until(fivetran.holding)
    until(lambda: _freeze(frozen))
    assert fivetran.holding()
    fivetran.release()
    machinery()
    settles(conn_request)
    version = fresh(conn_request).version
    os.killpg(frozen.popen.pid, signal.SIGCONT)
    until(lambda: "the row moved on meanwhile" in frozen.log.read_text())
    assert fresh(conn_request).version == version
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1


@pytest.mark.everywhere
@pytest.mark.slow
def test_a_worker_without_memory_for_the_answer(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    """Fault 10: not one more page of memory while the answer comes, until the kernel's killer ends the worker."""
    starved = machinery()
    fivetran.settings(bomb_bytes=1_000_000)  # an answer that is allowed, and needs pages that the worker has not got
    fivetran.hold("effect")
    conn_request = approve("bomb_starved")
    until(fivetran.holding)
    # Of what it may write to, not of addresses: those of a thread's heap are reserved long before they are used.
    size = psutil.Process(starved.popen.pid).memory_info().data
    resource.prlimit(starved.popen.pid, resource.RLIMIT_DATA, (size // 2, size // 2))
    fivetran.release()
    until(lambda: OUT_OF_MEMORY.search(starved.log.read_text()), story=lambda: starved.log.read_text()[-2000:])
    starved.kill()
    machinery()
    other = approve("starved_other")
    settles(conn_request, other)
    exactly_one(fivetran, conn_request, other)
    assert len(fivetran.posts()) == 2


@pytest.mark.slow
def test_a_deploy_in_the_middle(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    """Fault 11: SIGTERM lets the running call finish."""
    worker = machinery()
    fivetran.hold("effect")
    conn_request = approve("deploy_now")
    until(fivetran.holding)
    worker.popen.terminate()
    fivetran.release()
    worker.popen.wait(PATIENCE)
    assert status(conn_request) is Status.CREATED
    exactly_one(fivetran, conn_request)


@pytest.mark.slow
def test_a_deploy_without_patience(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    """Fault 11: SIGTERM and soon SIGKILL leave the outcome open, never a second connection."""
    worker = machinery()
    fivetran.hold("effect")
    conn_request = approve("deploy_hasty")
    until(fivetran.holding)
    worker.stop(patience=0.5)
    assert status(conn_request) is Status.SENDING
    fivetran.release()
    machinery()
    settles(conn_request)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1


@pytest.mark.slow
def test_a_worker_killed_while_it_runs_the_setup_tests(
    fivetran: Fivetran, approve: Approve, machinery: Machinery
) -> None:
    """Fault 56: a lost run is due again; and fault 3: an adopted connection gets its tests."""
    worker = machinery()
    fivetran.call("hold", {"phase": "effect", "method": "POST", "path": "/v1/connections/*"})
    conn_request = approve("drop_tests")  # created without an answer, so it is adopted and its tests are due
    until(fivetran.holding)
    worker.kill()
    fivetran.release()
    machinery()
    until(lambda: fresh(conn_request).connection.tests == SetupTestsState.STORED)
    assert fresh(conn_request).connection.runs.count() == 1
    exactly_one(fivetran, conn_request)


@pytest.mark.slow
def test_a_worker_killed_while_it_tests_a_request(fivetran: Fivetran, machinery: Machinery) -> None:
    """Fault 71: another worker makes the dry run again once the lease is over, and it reads like the first."""
    worker, conn_request = machinery(), factories.draft(**postgres())
    fivetran.hold("headers", "GET", "/v1/account/info")
    workflow.ask_for_dry_run(by=conn_request.requester, conn_request=conn_request)
    until(fivetran.holding)
    worker.kill()
    fivetran.release()
    assert DryRun.objects.get().is_running
    machinery()
    until(lambda: not DryRun.objects.get().is_running)
    assert {one.state for one in DryRun.objects.get().results} <= {CheckState.PASSED}
    assert {call["method"] for call in fivetran.call("journal")} == {"GET"}
