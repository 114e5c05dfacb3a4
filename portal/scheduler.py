"""The scheduler (`celery -A portal beat`). It sends names, so it loads nothing of the product: half of its memory."""

from concurrent.futures import ProcessPoolExecutor
from logging.config import dictConfig
from multiprocessing import get_context
from typing import Any

from celery.apps.beat import Beat
from django.conf import settings


class Scheduler(Beat):
    def init_loader(self) -> None:
        dictConfig(settings.LOGGING)
        # The schedule is in the list of jobs, with what they do: a process reads it and ends.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            self.app.conf.beat_schedule = process.submit(schedule).result()
        self.app.finalize()


def schedule() -> dict[str, Any]:
    """Celery's `beat_schedule`: for each scheduled job its name, period and lane."""
    from portal.celery import app

    app.loader.import_default_modules()
    return dict(app.conf.beat_schedule)
