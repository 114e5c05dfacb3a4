"""`manage.py state_diagram`: the picture of the states, drawn from the table that the code obeys."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from connections.states import mermaid, mermaid_of_changes


class Command(BaseCommand):
    """Prints a Mermaid state diagram; the README holds this very text."""

    help = "Print the life of a request as a Mermaid state diagram."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """`--changes`: the picture of the changes of existing connections instead."""
        parser.add_argument("--changes", action="store_true", help="Print the life of a change instead.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the lines of `states.mermaid`, or those of `states.mermaid_of_changes`."""
        self.stdout.write("\n".join(mermaid_of_changes() if options["changes"] else mermaid()))
