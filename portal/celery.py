"""The Celery application (`celery -A portal worker`, `celery -A portal beat`)."""

import os
from functools import cached_property
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
# Django's checks are for `manage.py`, which runs them before every migration; in a worker and a scheduler they would
# load every page and form, 3 to 5 MB that neither needs.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")


class Portal(Celery):
    @cached_property
    def Beat(self) -> Any:  # noqa: N802  # Celery's name
        return self.subclass_with_self("portal.scheduler:Scheduler")


app = Portal("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].update({"portal.consumer:SweepOnReturn", "portal.consumer:Hearing"})


@setup_logging.connect
def keep_django_logging(**_kwargs: Any) -> None:
    pass  # a connected receiver is what stops Celery's own set-up: `settings.LOGGING` stays


@worker_init.connect
def require_fivetran_credentials(**_kwargs: Any) -> None:
    """Refuse to start a worker that could not call Fivetran; raises ImproperlyConfigured with what to set."""
    settings.FIVETRAN_CREDENTIALS()
