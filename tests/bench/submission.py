"""P9, P7 and P8: what a real worker adds to the calls themselves, for one submission and for many at once."""

import statistics
import time

import psutil

from tests import processes
from tests.bench import rows
from tests.bench.calls import (
    RawCalls,
    bodies,
    fivetran,
    group,
    lost_or_doubled,
    prefix,
    released_at_once,
    wait_for_created,
)
from tests.bench.readings import Reading, Site, milliseconds, percentile

EACH_ROUND = 20


def one_alone(site: Site) -> list[Reading]:
    """P9: from the message to the stored result on an idle system, beside the raw calls, alternating."""
    fivetran()
    raw = RawCalls()
    added: list[float] = []
    ours_took, calls_took = [], []
    with processes.worker({}, concurrency=16):
        for _ in range(3):
            _one()
            raw(bodies(1)[0])
        for _ in range(site.rounds):
            ours = []
            calls = []
            for body in bodies(EACH_ROUND):
                calls.append(milliseconds(lambda body=body: raw(body)))  # type: ignore[misc]
                ours.append(_one())
            added += [took - statistics.median(calls) for took in ours]
            ours_took += ours
            calls_took += calls
    beside = f"{statistics.median(ours_took):.1f} ms, the calls {statistics.median(calls_took):.1f} ms"
    return [
        Reading("message to stored result - calls, p50", percentile(added, 50), "ms", 25, beside),
        Reading("the same, p95", percentile(added, 95), "ms", 40, f"{len(added)} submissions"),
    ]


def _one() -> float:
    """Enqueue one approved request; milliseconds until its result is in the database."""
    from connections import tasks
    from connections.models import ConnectionRequest

    [pk] = rows.approved(1, prefix(), group())
    row = ConnectionRequest.objects.filter(pk=pk).values_list("status", flat=True)
    time.sleep(0.05)  # idle again: what the last one left behind, such as its look for the next, is over

    def until_created() -> None:
        end = time.monotonic() + 20
        assert tasks.enqueue("submit", pk)
        while row.get() != "created":
            assert time.monotonic() < end and row.get() != "failed", row.get()
            time.sleep(0.0005)

    return milliseconds(until_created)


def many_quick(site: Site) -> list[Reading]:
    """P7: 500 requests by 16 threads while a creation takes 200 ms."""
    return _many(site, count=500, at_once=16, seconds=0.2, bar=1.10)


def some_slow(site: Site) -> list[Reading]:
    """P8: 128 requests by 64 threads while a creation takes 5 s, and the worker's memory."""
    return _many(site, count=128, at_once=64, seconds=5.0, bar=1.03, memory=110)


def _many(site: Site, *, count: int, at_once: int, seconds: float, bar: float, memory: float = 0) -> list[Reading]:
    stand_in = fivetran(create_seconds=seconds)
    raw = RawCalls()
    took: list[tuple[float, float]] = []
    wrong, largest = 0, 0.0
    with processes.worker({}, concurrency=at_once) as worker:
        _warm_up(worker, at_once)
        before = _processor_seconds(worker)
        for turn in range(site.rounds):
            ids: list[int] = []

            def ours(ids: list[int] = ids) -> float:
                ids += rows.approved(count, prefix(), group())
                release = released_at_once(worker, ids)
                started = time.perf_counter()
                release()
                wait_for_created(ids, patience=60 + 4 * count * seconds / at_once, pause=0.1)
                return time.perf_counter() - started

            def floor() -> float:
                return raw.all(bodies(count), at_once)

            first, second = (ours, floor) if turn % 2 else (floor, ours)
            pair = first(), second()
            took.append(pair if first is ours else pair[::-1])
            wrong += lost_or_doubled(ids, stand_in)
            largest = max(largest, psutil.Process(worker.popen.pid).memory_info().rss / 1e6)
        busy = (_processor_seconds(worker) - before) * 1000 / (count * site.rounds)
    ratio = statistics.median(ours / floor for ours, floor in took)
    mine, theirs = (statistics.median(column) for column in zip(*took, strict=True))
    beside = f"{mine:.2f} s, the calls alone by {at_once} threads {theirs:.2f} s"
    # SQLite has one writer: the bars of a server's database are reported there.
    return [
        Reading(f"{count} requests / calls alone", ratio, "x", None if site.is_sqlite else bar, beside),
        Reading("lost or doubled", wrong, "requests", 0, f"of {count * site.rounds}"),
        Reading(
            "worker's processor time a submission",
            busy,
            "ms",
            None,
            f"one thread at a time: {1000 / busy:.0f} a second",
        ),
        Reading("worker's memory", largest, "MB", memory or None, f"{at_once} threads, resident"),
    ]


def _processor_seconds(worker: processes.Process) -> float:
    used = psutil.Process(worker.popen.pid).cpu_times()
    return float(used.user + used.system)


def _warm_up(worker: processes.Process, at_once: int) -> None:
    """Let every thread of the worker run once."""
    ids = rows.approved(2 * at_once, prefix(), group())
    released_at_once(worker, ids)()
    wait_for_created(ids, patience=60)
