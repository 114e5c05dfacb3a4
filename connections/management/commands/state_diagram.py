"""`manage.py state_diagram`: the picture of the states, drawn from the table that the code obeys."""

from typing import Any

from django.core.management.base import BaseCommand

from connections.states import mermaid


class Command(BaseCommand):
    """Prints a Mermaid state diagram; the README holds this very text."""

    help = "Print the life of a request as a Mermaid state diagram."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the lines of `states.mermaid`."""
        self.stdout.write("\n".join(mermaid()))
