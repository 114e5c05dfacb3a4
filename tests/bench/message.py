"""P10: how soon a enqueued task starts, and an approval while the broker says nothing."""

import os
import signal
import time
from functools import partial

import redis

from tests import processes
from tests.bench.calls import fivetran, group, prefix, wait_for_created
from tests.bench.pages import Visitor
from tests.bench.readings import Reading, Site, milliseconds, percentile

MESSAGES = 60
BACK_WITHIN = 30.0  # seconds after the broker's return; the sweeper comes every two


def messages_and_silence(site: Site) -> list[Reading]:
    """Both parts, each with a real worker."""
    return [*_rings(site), *_silence(site)]


def _rings(site: Site) -> list[Reading]:
    """From `enqueue` (its question to the broker and its own connection included) to the first line of the task."""
    from connections import tasks
    from tests.bench.empty_task import KEY, started

    took, calls = [], []
    # Earlier commits publish a task by itself.
    send = partial(tasks.enqueue, started.name) if hasattr(tasks, "enqueue") else partial(tasks.ring, started)  # type: ignore[attr-defined]
    with (
        processes.worker({"DJANGO_SETTINGS_MODULE": "tests.bench.settings"}, concurrency=16),
        redis.Redis.from_url(os.environ["REDIS_URL"]) as broker,
    ):
        for turn in range(MESSAGES * site.rounds + 5):
            time.sleep(0.02)  # the worker waits for its next message again
            enqueued = time.monotonic()
            assert send()
            calls.append((time.monotonic() - enqueued) * 1000)
            answer = broker.blpop([KEY], timeout=10)
            assert answer is not None, f"enqueue {turn} was not heard"
            took.append((float(answer[1]) - enqueued) * 1000)
    took, calls = took[5:], calls[5:]
    return [
        Reading(
            "message to start, p50",
            percentile(took, 50),
            "ms",
            3,
            f"the enqueuing itself {percentile(calls, 50):.1f} ms",
        ),
        Reading("message to start, p95", percentile(took, 95), "ms", 5, f"{len(took)} messages"),
    ]


def _silence(site: Site) -> list[Reading]:
    """The click while the broker is stopped, which is worse than gone; then what became of the request."""
    fivetran()
    slowest, latest = 0.0, 0.0
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        broker = int(client.info("server")["process_id"])
    with processes.web({}) as address, processes.worker({}), processes.scheduler({}):
        visitor = Visitor(address, "approver")
        for _ in range(site.rounds):
            pk = _pending()
            page = visitor.get(f"/requests/{pk}/")
            fields = {"csrfmiddlewaretoken": visitor.token(page), "digest": _digest(pk)}
            os.kill(broker, signal.SIGSTOP)
            try:
                click = milliseconds(lambda pk=pk, f=fields: visitor.post(f"/requests/{pk}/approve/", f, 302))  # type: ignore[misc]
            finally:
                os.kill(broker, signal.SIGCONT)
            back = time.monotonic()
            wait_for_created([pk], patience=BACK_WITHIN)
            slowest, latest = max(slowest, click), max(latest, time.monotonic() - back)
    return [
        Reading("approval, broker silent", slowest, "ms", 1000, "the slowest"),
        Reading("created after its return", latest, "s", BACK_WITHIN, "the latest"),
    ]


def _pending() -> int:
    from django.contrib.auth.models import User

    from tests import factories

    requester = User.objects.get(username="requester")
    return factories.submitted(requester, group_id=group(), config__schema=prefix()).pk


def _digest(pk: int) -> str:
    from connections.models import ConnectionRequest

    return ConnectionRequest.objects.values_list("digest", flat=True).get(pk=pk)
