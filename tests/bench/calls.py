"""The two raw calls that a submission comes down to, and how the goals prepare and follow real submissions."""

import base64
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import requests

from connections.demo import environment
from tests.processes import Process
from tests.sandbox_client import Fivetran

_number = itertools.count(1)


def fivetran(**settings: Any) -> Fivetran:
    """The goal's sandbox, its setup tests instant, with `settings` turned."""
    stand_in = Fivetran(os.environ["FIVETRAN_BASE_URL"])
    stand_in.settings(**{"test_seconds": 0.0, **settings})
    return stand_in


@lru_cache(maxsize=1)
def group() -> str:
    """The id of a destination at the goal's sandbox; the portal has then loaded its catalog."""
    from connections import catalog

    catalog.refresh_all()
    return catalog.destinations()[0].id


def prefix() -> str:
    """A beginning for destination names that nothing else here has."""
    return f"bench{next(_number)}"


class RawCalls:
    """Look-up and creation as plain `requests` makes them: the look-up on a kept session, each POST on a new one."""

    def __init__(self) -> None:
        self._root = f"{os.environ['FIVETRAN_BASE_URL']}/v1"
        token = base64.b64encode(f"{environment.SANDBOX_KEY}:{environment.SANDBOX_SECRET}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Accept": "application/json;version=2"}
        self._kept = threading.local()

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.headers.update(self._headers)
        return session

    def __call__(self, body: dict[str, Any]) -> None:
        """Both calls for one body; AssertionError unless they succeed."""
        if not hasattr(self._kept, "session"):
            self._kept.session = self._session()
        query = {"group_id": body["group_id"], "schema": f"{body['config']['schema']}.{body['config']['table']}"}
        looked = self._kept.session.get(f"{self._root}/connections", params=query, timeout=30)
        assert looked.status_code == 200, looked.text
        with self._session() as session:
            created = session.post(f"{self._root}/connections", json=body, timeout=30)
        assert created.status_code == 201, created.text

    def all(self, bodies: Sequence[dict[str, Any]], at_once: int) -> float:
        """Seconds for all bodies by so many threads."""
        with ThreadPoolExecutor(at_once) as pool:
            started = time.perf_counter()
            list(pool.map(self, bodies))
            return time.perf_counter() - started


def bodies(count: int) -> list[dict[str, Any]]:
    """Bodies like those that `rows.approved` stores, under names of their own."""
    from connections.spec import payloads

    beginning = prefix()
    values = {"service": "google_sheets", "group_id": group(), "config.table": "orders"}
    return [payloads.build_body({**values, "config.schema": f"{beginning}_{n}"}) for n in range(count)]


def wait_for_created(ids: Sequence[int], *, patience: float, pause: float = 0.02) -> None:
    """Wait until each of these requests, which follow one another, is created; AssertionError after `patience` s."""
    from connections.models import ConnectionRequest

    mine = ConnectionRequest.objects.filter(pk__gte=ids[0], pk__lte=ids[-1])
    end = time.monotonic() + patience
    while mine.filter(status="created").count() < len(ids):
        story = list(mine.exclude(status="created").values_list("pk", "status", "note", "failure_message")[:3])
        assert not mine.filter(status__in=("failed", "attention")).exists(), story
        assert time.monotonic() < end, f"not created after {patience:.0f} s: {story}"
        time.sleep(pause)


def lost_or_doubled(ids: Sequence[int], stand_in: Fivetran) -> int:
    """How many of these requests do not have exactly one connection, or were posted other than once."""
    from collections import Counter

    from connections.models import ConnectionRequest

    rows = dict(ConnectionRequest.objects.filter(pk__in=ids).values_list("schema", "connection_id"))
    existing = Counter(doc["schema"] for doc in stand_in.connections())
    found = {doc["schema"]: doc["id"] for doc in stand_in.connections()}
    posted = Counter(f"{p['body']['config']['schema']}.{p['body']['config']['table']}" for p in stand_in.posts())
    return sum(not (existing[name] == posted[name] == 1 and found[name] == rows[name]) for name in rows)


def released_at_once(worker: Process, ids: Sequence[int]) -> Callable[[], None]:
    """Queue a message for each request while `worker` stands still; the returned call lets it go on.

    Not by taking the queue from the worker and giving it back: its connection would first wait out the second for which
    it listens to the other queue alone.
    """
    from connections import tasks
    from portal.celery import app

    os.killpg(worker.popen.pid, signal.SIGSTOP)
    with app.connection_for_write() as to:
        for pk in ids:
            tasks.TASKS["submit"].apply_async((pk,), connection=to)
    return lambda: os.killpg(worker.popen.pid, signal.SIGCONT)
