"""`manage.py fivetran_sandbox`: the sandbox of Fivetran's API, as ``python -m connections.sandbox`` starts it."""

import argparse
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand

from connections.sandbox import cli


class Command(BaseCommand):
    help = "Run the local stand-in for Fivetran's API; its start page lists what it can do."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        # Django's commands have a --settings of their own. SANDBOX_PORT moves the sandbox, as under `make run`.
        cli.add_options(parser, settings_flag="--sandbox-settings")
        parser.set_defaults(port=int(os.environ.get("SANDBOX_PORT") or parser.get_default("port")), catalog=cli.OTHERS)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(cli.run(argparse.Namespace(**options | {"settings": options["sandbox_settings"]})))
