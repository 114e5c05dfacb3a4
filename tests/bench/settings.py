"""The site's settings for a worker that also serves the benchmark's own empty task."""

from portal.settings import *  # noqa: F403

CELERY_IMPORTS = ["tests.bench.empty_task"]
CELERY_TASK_ROUTES = {"bench_started": {"queue": "slow"}}
