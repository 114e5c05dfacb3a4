"""The database killed, cut off, read-only, locked and busy while something is under way."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client
from django.urls import reverse

from connections import workflow
from connections.models import ConnectionRequest
from connections.states import Status
from tests import factories
from tests.faults.conftest import (
    PAGE_SECONDS,
    exactly_one,
    none_there,
    on_postgresql,
    reconnected,
    session,
    settles,
    status,
)
from tests.processes import Process, until
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
Machinery = Callable[..., Process]
WORKERS = "pg_stat_activity WHERE datname = current_database() AND application_name = 'worker'"
END_ONE = f"SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM {WORKERS} ORDER BY random() LIMIT 1) AS one"  # noqa: S608


@on_postgresql
def test_killed_while_the_post_runs(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    """Fault 32: SIGKILL of one server process makes PostgreSQL throw everybody out and recover from its log."""
    machinery()
    fivetran.hold("effect")
    conn_request = approve("database_killed")
    until(fivetran.holding)
    with session() as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
    fivetran.release()
    until(reconnected)
    settles(conn_request)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1


@on_postgresql
def test_sessions_ended_at_random(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    """Fault 33: every 50 ms a session of the worker ends, while twenty requests are sent."""
    machinery(PGAPPNAME="worker")
    fivetran.settings(create_seconds=0.05)
    requests = [approve(f"ended_{n}") for n in range(20)]
    deadline, ended = time.monotonic() + 4, 0
    with session() as killer:
        while time.monotonic() < deadline:
            ended += killer.execute(END_ONE).rowcount
            time.sleep(0.05)  # the fault's own rhythm
    assert ended
    settles(*requests)
    exactly_one(fivetran, *requests)


REFUSE = """
CREATE SEQUENCE refusals;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('refusals');  -- what a sequence counted stays counted when the transaction is undone
    RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = 'refused by the test';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON connections_attempt FOR EACH ROW EXECUTE FUNCTION refuse();
"""
ALLOW = """
DROP TRIGGER IF EXISTS refuse ON connections_attempt;
DROP FUNCTION IF EXISTS refuse;
DROP SEQUENCE IF EXISTS refusals;
"""


@on_postgresql
@pytest.mark.parametrize("code", ["25006", "53100"], ids=["read_only", "disk_full"])
def test_read_only_at_the_commit_of_sending(
    fivetran: Fivetran, approve: Approve, machinery: Machinery, code: str
) -> None:
    """Fault 34: the session lives and the write is refused, as by a standby or a full disk; nothing is sent unnoted."""
    with session() as admin:
        admin.execute(REFUSE.format(code=code))
        try:
            machinery()
            conn_request = approve("write_refused")
            until(lambda: admin.execute("SELECT 1 FROM refusals WHERE is_called").fetchone())
            assert fivetran.posts() == []
        finally:
            admin.execute(ALLOW)
    settles(conn_request)
    exactly_one(fivetran, conn_request)
    assert len(fivetran.posts()) == 1
    assert not conn_request.events.filter(target=Status.ATTENTION).exists()


@on_postgresql
@pytest.mark.parametrize("mode", ["ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE"])
def test_locked_while_somebody_approves(fivetran: Fivetran, group: str, live_broker: str, mode: str) -> None:
    """Fault 31: a table lock; the page answers within 3 seconds, nothing is half done, and the next click works."""
    conn_request = factories.submitted(group_id=group, config__schema="locked_out", config__table="t")
    approver: User = factories.person("approver")
    client = Client(raise_request_exception=False)
    client.force_login(approver)
    url, form = reverse("connections:approve", args=[conn_request.pk]), {"digest": conn_request.digest}
    with session() as locker:
        locker.execute("BEGIN")
        locker.execute(f"LOCK TABLE connections_connectionrequest IN {mode} MODE")
        started = time.monotonic()
        answer = client.post(url, form)
        assert time.monotonic() - started < PAGE_SECONDS
        assert answer.status_code in {500, 503} and b"Traceback" not in answer.content
        locker.execute("ROLLBACK")
    assert status(conn_request) is Status.PENDING
    none_there(fivetran, conn_request)
    assert client.post(url, form).status_code == 302 and status(conn_request) is Status.APPROVED


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no single writer to wait for")
def test_eight_writers_on_sqlite(fivetran: Fivetran, group: str) -> None:
    """Fault 35: eight people file and approve at once; nobody reads `database is locked`."""
    approver = factories.person("approver")
    barrier = threading.Barrier(8)
    failures: list[BaseException] = []

    def write(number: int, by: Any) -> None:
        try:
            barrier.wait()
            for n in range(10):
                conn_request = workflow.submit(
                    by=by, filing=factories.filing(group_id=group, config__schema=f"w{number}_{n}")
                )
                workflow.approve(by=approver, conn_request=conn_request, digest=conn_request.digest)
        except BaseException as error:  # noqa: BLE001  (shown below)
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(n, factories.person())) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert ConnectionRequest.objects.filter(status=Status.APPROVED).count() == 80


def test_a_withdrawal_and_a_claim_at_once(fivetran: Fivetran, approve: Approve) -> None:
    """Fault 26: one wins; what was withdrawn is never sent."""
    from connections import worker
    from connections.models import StaleRow
    from connections.permissions import Denied

    for round_ in range(20):
        conn_request = approve(f"withdrawn_{round_}")
        barrier = threading.Barrier(2)
        outcome: list[str] = []

        def claim(row: ConnectionRequest = conn_request, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            worker.run("submit", row.pk)
            connections.close_all()

        thread = threading.Thread(target=claim)
        thread.start()
        barrier.wait()
        try:
            workflow.withdraw(by=conn_request.requester, conn_request=conn_request)
            outcome.append("withdrawn")
        except (StaleRow, Denied):
            outcome.append("created")
        thread.join()
        assert status(conn_request) == outcome[0]
        (exactly_one if outcome == ["created"] else none_there)(fivetran, conn_request)


@on_postgresql
def test_two_runs_of_tests_claimed_at_once(fivetran: Fivetran, approve: Approve) -> None:
    """Fault 56: the second worker waits for the first one's claim, and then finds that there is nothing to claim."""
    from connections import worker
    from connections.models import Connection, SetupTestsState

    conn_request = approve("claimed_tests")
    worker.run("submit", conn_request.pk)
    workflow.rerun_tests(by=conn_request.requester, conn_request=ConnectionRequest.objects.get(pk=conn_request.pk))

    def run() -> None:
        worker.run("run_tests", conn_request.pk)
        connections.close_all()

    with session() as first, session() as watcher:
        first.execute("BEGIN")
        first.execute("SELECT 1 FROM connections_connection WHERE request_id = %s FOR UPDATE", [conn_request.pk])
        thread = threading.Thread(target=run)
        thread.start()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        until(lambda: watcher.execute(waiting).fetchone())
        first.execute(
            "UPDATE connections_connection SET tests = 'running', tests_token = gen_random_uuid(),"
            " tests_lease_until = now() + interval '1 minute' WHERE request_id = %s",
            [conn_request.pk],
        )
        first.execute("COMMIT")
        thread.join()
    assert Connection.objects.get(request=conn_request).tests == SetupTestsState.RUNNING
    assert not [call for call in fivetran.call("journal") if call["path"].endswith("/test")]
