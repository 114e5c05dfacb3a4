"""`manage.py sweep`: one round of the sweeper, for cron beside (or instead of) the scheduler."""

from typing import Any

from django.core.management.base import BaseCommand

from connections import tasks


class Command(BaseCommand):
    help = "Release dead claims, expire what is old, and enqueue for everything that is due."

    def handle(self, *args: Any, **options: Any) -> None:
        # Safe at any time, and several times at once. A broker that does not answer is no error: the next round
        # enqueues.
        due = tasks.sweep()
        if options["verbosity"]:
            found = [f"{len(due[name])} {words}" for name, words in _WORDS.items()]
            self.stdout.write(f"Due: {', '.join(found)}.")


_WORDS = {"submit": "to send", "reconcile": "to look up", "run_tests": "to test"}
