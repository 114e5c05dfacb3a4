"""The scheduler (`celery -A portal beat`). It sends names, so it loads nothing of the product, which is a third less.

As a program it prints the schedule as JSON: the period in seconds and the lane of each scheduled job.
"""

import json
import os
import subprocess
import sys
from datetime import timedelta
from importlib import import_module
from logging.config import dictConfig

from celery.apps.beat import Beat
from celery.schedules import schedule
from django.conf import settings

from portal.clock import steady


class Scheduler(Beat):
    def init_loader(self) -> None:
        dictConfig(settings.LOGGING)
        # The schedule is in the list of jobs, with what they do: another process reads it, and ends.
        paths = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # Celery adds the folder
        command = [sys.executable, "-m", "portal.scheduler"]
        read = subprocess.run(command, env=paths, stdout=subprocess.PIPE, check=False)
        if read.returncode:
            sys.exit(read.returncode)  # it has said why
        # By a clock that nobody sets, and without an age at which a message is dropped: the worker's host would judge
        # it by its own clock. Of the messages that pile up, the first one does the work.
        self.app.conf.beat_schedule = {
            name: {
                "task": name,
                "schedule": schedule(timedelta(seconds=seconds), nowfun=steady),
                "options": {"queue": lane},
            }
            for name, (seconds, lane) in json.loads(read.stdout).items()
        }
        self.app.finalize()


def main() -> None:
    from portal.celery import app

    app.loader.import_default_modules()
    print(json.dumps(import_module("connections.tasks").SCHEDULED))


if __name__ == "__main__":
    main()
