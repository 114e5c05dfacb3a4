"""A task that only says when it started."""

import time

from celery import shared_task
from django.conf import settings
from redis import Redis

KEY = "bench-started"


@shared_task(name="bench_started")
def started() -> None:
    """Leave the moment on the machine's monotonic clock, which all its processes share, in a list of the broker."""
    now = time.monotonic()
    with Redis.from_url(settings.REDIS_URL) as client:
        client.rpush(KEY, now)
