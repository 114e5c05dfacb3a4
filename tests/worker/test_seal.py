"""Sealing the record: every event once, whoever writes and whoever seals at the same time."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from connections import tasks, worker
from connections.models import About, Event, EventKind, EventSeal
from connections.states import Status
from connections.worker.seal import seal_forgotten
from tests import factories, processes
from tests.record import behind_the_back, chain, findings, people_off_the_record, write

__all__ = ["people_off_the_record"]  # the fixture
pytestmark = pytest.mark.sql
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")


@pytest.mark.django_db
def test_every_event_gets_the_next_position_and_the_record_is_whole(cast: dict[str, User]) -> None:
    factories.request_in(Status.CREATED, cast["requester"])
    Event.objects.record(
        EventKind.RIGHTS_CHANGED, by=cast["admin"], about=cast["requester"], detail={"n": 1.0, "ü": []}
    )
    Event.objects.record(EventKind.EXPORTED, by=cast["auditor"], about=About("page", "/history/"))
    worker.run("seal")
    assert chain() == list(enumerate(Event.objects.order_by("id").values_list("id", flat=True), 1))
    assert findings() == []
    write(2)
    worker.run("seal")
    worker.run("seal")
    assert [position for position, _event in chain()] == list(range(1, Event.objects.count() + 1))
    assert findings() == []


def test_the_scheduler_has_it_sealed_within_a_minute() -> None:
    every, lane = tasks.SCHEDULED["seal"]
    assert (every <= 30, lane) == (True, "control")


@pytest.mark.django_db
def test_equal_fields_of_two_events_have_different_hashes(cast: dict[str, User]) -> None:
    write(2, by=cast["requester"])
    worker.run("seal")
    first, second = EventSeal.objects.all()
    assert set(first.hashes) == {"by", "address"}
    assert all(first.hashes[name] != second.hashes[name] for name in first.hashes)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_events_of_before_are_sealed_and_nobody_waits_for_it() -> None:
    write(20_000)
    waits: list[float] = []
    ended = threading.Event()

    def others() -> None:
        while not ended.is_set():
            waits.append(processes.seconds(lambda: write(1)))
            time.sleep(0.02)
        connection.close()

    thread = threading.Thread(target=others)
    thread.start()
    began = time.monotonic()
    while EventSeal.objects.count() < 20_000:
        worker.run("seal")
    took = time.monotonic() - began
    ended.set()
    thread.join()
    print(f"20,000 in {took:.1f} s; of {len(waits)} other writers the slowest took {max(waits):.3f} s")
    assert max(waits) < 2  # LOCK_TIMEOUT
    worker.run("seal")
    assert findings() == []


# --- while others write ---
@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_what_commits_out_of_order_is_sealed_once_while_four_workers_seal() -> None:
    ended = threading.Event()
    failures: list[BaseException] = []

    def in_a_thread(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # told at the end
                failures.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def write_slowly(nth: int) -> Callable[[], None]:
        def work() -> None:
            for turn in range(12):
                with transaction.atomic():
                    write(2)
                    time.sleep(((nth + turn) % 6) * 0.02)  # so that who took lower keys commits later
                    write(1)
                    if (nth + turn) % 7 == 0:
                        transaction.set_rollback(True)

        return work

    def seal() -> None:
        while not ended.is_set():
            worker.run("seal")
            time.sleep(0.01)

    sealers = [in_a_thread(seal) for _ in range(4)]
    writers = [in_a_thread(write_slowly(nth)) for nth in range(8)]
    for writer in writers:
        writer.join()
    ended.set()
    for sealer in sealers:
        sealer.join()
    worker.run("seal")
    assert failures == []
    order = [event for _position, event in chain()]
    assert [position for position, _event in chain()] == list(range(1, len(order) + 1))
    assert sorted(order) == list(Event.objects.order_by("id").values_list("id", flat=True))
    assert order != sorted(order), "nothing committed out of order: the test tried nothing"
    assert findings() == []


@pytest.mark.django_db
def test_an_event_of_a_transaction_that_was_open_for_longer_is_found_by_the_look_from_the_beginning() -> None:
    [last] = write(pk=200_000)
    worker.run("seal")
    with behind_the_back() as cursor:
        cursor.execute("UPDATE connections_eventseal SET sealed_at = '2026-01-01 00:00:00+00:00'")
    write(pk=100_001)  # committed only now, long after higher keys
    worker.run("seal")
    assert chain() == [(1, last.pk)]
    seal_forgotten()
    assert chain() == [(1, last.pk), (2, 100_001)]


@pytest.mark.django_db
def test_the_look_from_the_beginning_skips_keys_that_no_event_has(
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    for key in (100_000_000, 2**63 - 1):
        write(pk=key)
        worker.run("seal")
        with django_assert_max_num_queries(5):
            seal_forgotten()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite: the file's own journal does the same")
def test_a_killed_sealer_leaves_nothing_half_done(database_url: str) -> None:
    for _ in range(10):
        write(2_000)
    env = {**os.environ, "DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    code = "import django; django.setup(); from connections.worker.seal import seal; seal()"
    with subprocess.Popen([sys.executable, "-c", code], env=env, cwd=processes.ROOT) as sealer:
        processes.until(EventSeal.objects.exists, 30)
        sealer.send_signal(signal.SIGKILL)
    done = EventSeal.objects.count()
    assert 0 < done < 20_000
    while EventSeal.objects.count() < 20_000:
        worker.run("seal")
    assert findings() == []
