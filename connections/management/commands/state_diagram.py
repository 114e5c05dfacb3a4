"""`manage.py state_diagram`: the pictures of the states, drawn from the tables that the code obeys."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from connections.states import MACHINES, REQUEST

_BY_NAME = {machine.name: machine for machine in MACHINES}


class Command(BaseCommand):
    # docs/architecture.md holds this very text.
    help = "Print the life of a request, or of another machine, as a Mermaid state diagram."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("machine", nargs="?", default=REQUEST.name, choices=_BY_NAME, help="whose states to print")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("\n".join(_BY_NAME[options["machine"]].mermaid()))
