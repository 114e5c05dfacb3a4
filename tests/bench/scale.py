"""P13: one, two and four worker processes share a queue; then four share a budget, and one of them is killed."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime

import psutil
import redis

from tests import processes
from tests.bench import rows
from tests.bench.calls import fivetran, group, prefix, released_at_once, wait_for_created
from tests.bench.readings import Reading, Site
from tests.sandbox_client import Fivetran

THREADS = 16
CALL = 2.0  # seconds that a creation takes
COUNT = 320  # twenty rounds of one worker's threads, five of four workers'
AS_QUICK = {2: 1.9, 4: 3.5}  # workers -> how many times as quick as one
# The second part. A sweep each second, so that the budget lets two seconds' worth go ahead of time.
PER_SECOND, SWEEP, WINDOW = 5, 1, 10.0
BUDGET = {"CREATIONS_PER_MINUTE": str(60 * PER_SECOND), "SWEEP_INTERVAL": str(SWEEP)}
# What the dead one left is looked up after a few seconds.
CLOCKS = {"SUBMIT_READ_TIMEOUT": "5", "SUBMIT_DEADLINE": "6", "SETTLE_SECONDS": "5", "CLAIM_LEASE": "5"}
LATE = 0.5  # seconds from a permit to the call, at most: the row is claimed and the name looked up between them
LIMITED = 100
KILLED_AFTER = 40  # of these were created


def over_workers(site: Site) -> list[Reading]:
    """How much quicker more workers are, what each costs, and what the death of one does; PostgreSQL alone."""
    if site.is_sqlite:  # a file is for one machine
        return []
    stand_in = fivetran(unique_names=False)
    took: dict[int, float] = {}
    ids: list[int] = []
    cost: list[Reading] = []
    for count in (1, *AS_QUICK):
        with ExitStack() as stack:
            workers = [stack.enter_context(_worker()) for _ in range(count)]
            stand_in.settings(create_seconds=CALL / 10)
            _drain(workers, 2 * THREADS * count, ids)  # every thread has run once
            stand_in.settings(create_seconds=CALL)
            took[count] = _drain(workers, COUNT, ids)
            cost = _cost(workers)
    wrong = _without_exactly_one(ids, stand_in)
    return [
        *(
            Reading(
                f"{count} workers / one, {COUNT} requests",
                took[count] / took[1],
                "x",
                1 / quick,
                f"{took[1] / took[count]:.2f} times as quick: {took[count]:.1f} s, one {took[1]:.1f} s",
            )
            for count, quick in AS_QUICK.items()
        ),
        Reading("without exactly one connection", wrong, "requests", 0, f"of {len(ids)}"),
        *cost,
        *_under_a_budget(stand_in),
    ]


def _worker(**changes: str) -> AbstractContextManager[processes.Process]:
    return processes.worker({"PGAPPNAME": "worker", **changes}, concurrency=THREADS)


def _drain(workers: Sequence[processes.Process], count: int, ids: list[int]) -> float:
    """Seconds in which the workers, all idle before, create `count` requests; their ids are added to `ids`."""
    mine = rows.approved(count, prefix(), group())
    ids += mine
    for_each: list[list[int]] = [[] for _ in workers[1:]] + [mine]  # the messages once all stand still
    releases = [released_at_once(worker, its) for worker, its in zip(workers, for_each, strict=True)]
    started = time.perf_counter()
    for release in releases:
        release()
    wait_for_created(mine, patience=60 + 2 * count * CALL / THREADS, pause=0.05)
    return time.perf_counter() - started


def _cost(workers: Sequence[processes.Process]) -> list[Reading]:
    """What one worker holds after the load."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'worker'")
        sessions = cursor.fetchone()[0]
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        clients = client.info("clients")["connected_clients"]
    memory = max(psutil.Process(worker.popen.pid).memory_info().rss / 1e6 for worker in workers)
    beside = f"each of {len(workers)}, {THREADS} threads"
    return [
        Reading("sessions of PostgreSQL a worker", sessions / len(workers), "sessions", None, beside),
        Reading("connections to Redis a worker", clients / len(workers), "connections", None, beside),
        Reading("memory of a worker", memory, "MB", None, "the largest, resident"),
    ]


def _under_a_budget(stand_in: Fivetran) -> list[Reading]:
    """Four workers with the budget on, of which one is killed in the middle."""
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(**BUDGET, **CLOCKS)) for _ in range(4)]
        before = len(stand_in.posts())
        ids = rows.approved(LIMITED, prefix(), group())
        stack.enter_context(processes.scheduler({**BUDGET, **CLOCKS}))
        wait_for_created(ids[:KILLED_AFTER], patience=60)
        workers[0].kill()
        wait_for_created(ids, patience=120)
    posts = stand_in.posts()[before:]
    times = sorted(datetime.fromisoformat(post["time"]).timestamp() for post in posts)
    most = max(sum(at <= other < at + WINDOW for other in times) for at in times)
    allowed = int(PER_SECOND * (WINDOW + 2 * SWEEP + LATE)) + 1
    return [
        Reading(f"budget on: most in any {WINDOW:.0f} s", most, "calls", allowed, f"4 workers, {PER_SECOND} a second"),
        Reading(
            "one of four killed: without exactly one connection",
            _without_exactly_one(ids, stand_in),
            "requests",
            0,
            f"of {LIMITED}, {len(posts)} calls in {times[-1] - times[0]:.1f} s",
        ),
    ]


def _without_exactly_one(ids: Sequence[int], stand_in: Fivetran) -> int:
    """How many of these do not have exactly one connection, under the id that the portal knows."""
    from connections.models import ConnectionRequest

    there = stand_in.connections()
    count, found = Counter(doc["schema"] for doc in there), {doc["schema"]: doc["id"] for doc in there}
    known = dict(ConnectionRequest.objects.filter(pk__in=ids).values_list("schema", "connection_id"))
    return sum(count[schema] != 1 or found[schema] != id_ for schema, id_ in known.items())
