"""`manage.py state_diagram`: the pictures of the states, drawn from the tables that the code obeys."""

from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from connections.states import mermaid, mermaid_of_changes

PICTURES: dict[str, Callable[[], Iterator[str]]] = {"request": mermaid, "change": mermaid_of_changes}


class Command(BaseCommand):
    """Prints a Mermaid state diagram; docs/architecture.md holds this very text of each machine."""

    help = "Print the life of a request, or of another machine, as a Mermaid state diagram."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Which machine."""
        parser.add_argument("machine", nargs="?", default="request", choices=PICTURES, help="whose states to print")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the picture of `machine`."""
        self.stdout.write("\n".join(PICTURES[options["machine"]]()))
