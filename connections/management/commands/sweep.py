"""`manage.py sweep`: one round of the sweeper, for cron beside (or instead of) the scheduler."""

from typing import Any

from django.core.management.base import BaseCommand

from connections import tasks, worker


class Command(BaseCommand):
    help = "Release dead claims, expire what is old, and enqueue for everything that is due."

    def handle(self, *args: Any, **options: Any) -> None:
        # Safe at any time, and several times at once. A broker that does not answer is no error: the next round
        # enqueues.
        due = worker.sweep()
        tasks.enqueue_due(due)
        if options["verbosity"]:
            self.stdout.write(
                f"Due: {len(due.submit)} to send, {len(due.reconcile)} to look up, {len(due.run_tests)} to test."
            )
