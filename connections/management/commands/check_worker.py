"""`manage.py check_worker`: the health check of a worker's container."""

import argparse
import socket
from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandError
from kombu.exceptions import OperationalError


class Command(BaseCommand):
    help = "Exit with status 0 if the worker on this host answers a ping through the broker, else with 1."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", default=f"celery@{socket.gethostname()}", help="the worker's node name")
        parser.add_argument("--timeout", type=float, default=5.0, help="seconds to wait for its answer")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            answers = current_app.control.ping(destination=[options["name"]], timeout=options["timeout"])
        except (OperationalError, OSError) as error:
            raise CommandError(f"The broker does not answer: {error}") from error
        if not answers:
            raise CommandError(f"The worker {options['name']} did not answer within {options['timeout']} s.")
        self.stdout.write(f"{options['name']} answers.")
