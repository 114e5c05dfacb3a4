"""P11: two workers share one budget of creations; Fivetran's side counts."""

import contextlib
import time

from tests import processes
from tests.bench import rows
from tests.bench.calls import fivetran, group, lost_or_doubled, prefix, wait_for_created
from tests.bench.readings import Reading, Site

COUNT = 400
WINDOW = 30.0  # seconds: stands for the hour of Fivetran's limit


def never_exceeded(site: Site) -> list[Reading]:
    """A backlog drains at the set rate, and no window ever holds more than the rate's share divided by 0.9."""
    from django.conf import settings

    per_second = settings.CREATIONS_PER_MINUTE / 60
    allowed = int(per_second * WINDOW / 0.9)
    stand_in = fivetran(create_limit_per_minute=allowed, rate_window_seconds=WINDOW)
    ids = rows.approved(COUNT, prefix(), group())
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(processes.worker({}, concurrency=8))
        started = time.perf_counter()
        stack.enter_context(processes.scheduler({}))
        wait_for_created(ids, patience=4 * COUNT / per_second, pause=0.1)
        took = time.perf_counter() - started
    posts = stand_in.posts()
    times = sorted(_seconds(post["time"]) for post in posts)
    most = max(sum(1 for other in times if at <= other < at + WINDOW) for at in times)
    drained = times[-1] - times[0]
    ideal = COUNT / per_second
    refused = sum(post["status"] == 429 for post in posts)
    return [
        Reading(f"most in any {WINDOW:.0f} s", most, "calls", allowed, f"limiter {per_second * WINDOW:.0f}"),
        Reading("refused by the sandbox's own limit", refused, "calls", 0),
        Reading(
            f"backlog of {COUNT} / ideal", drained / ideal, "x", 1.05, f"{drained:.1f} s, {took:.1f} s with the start"
        ),
        Reading("lost or doubled", lost_or_doubled(ids, stand_in), "requests", 0, f"of {COUNT}"),
    ]


def _seconds(moment: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(moment).timestamp()
