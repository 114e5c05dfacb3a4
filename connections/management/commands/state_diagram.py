"""`manage.py state_diagram`: the pictures of the states, drawn from the tables that the code obeys."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from connections import states

# TRANSITIONS is the table of a request, CHANGE_TRANSITIONS that of a change, and so on.
MACHINES: dict[str, tuple[Any, ...]] = {
    name.removesuffix("TRANSITIONS").strip("_").lower() or "request": table
    for name, table in vars(states).items()
    if name.endswith("TRANSITIONS")
}


class Command(BaseCommand):
    # Syntax: mermaid.js.org. docs/architecture.md holds this very text.
    help = "Print the life of a request, or of another machine, as a Mermaid state diagram."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("machine", nargs="?", default="request", choices=MACHINES, help="whose states to print")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("\n".join(_drawn(MACHINES[options["machine"]])))


def _drawn(moves: tuple[Any, ...]) -> Iterator[str]:
    yield "stateDiagram-v2"
    for move in moves:
        yield f"    {move.source or '[*]'} --> {move.target}: {', '.join(sorted(move.actors))}"
    left = {move.source for move in moves}
    for status in type(moves[0].target):
        if status not in left:
            yield f"    {status} --> [*]"
