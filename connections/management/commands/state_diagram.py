"""`manage.py state_diagram`: the Mermaid picture of the states, from the table that the code obeys. The README holds
it.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from connections.states import mermaid, mermaid_of_changes


class Command(BaseCommand):
    help = "Print the life of a request as a Mermaid state diagram."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--changes", action="store_true", help="Print the life of a change instead.")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("\n".join(mermaid_of_changes() if options["changes"] else mermaid()))
