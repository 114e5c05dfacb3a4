"""`manage.py refresh_catalog`: fetch now what Fivetran offers, without waiting for the scheduler."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connections import catalog
from connections.models import CatalogEntry


class Command(BaseCommand):
    help = "Fetch the services, destinations, agents and links that the form offers."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            outcome = catalog.refresh_all()
        except ValueError as error:
            raise CommandError(f"Fivetran cannot be called with these settings: {error}") from error
        for kind, why in outcome.items():
            if options["verbosity"]:
                count = CatalogEntry.objects.filter(kind=kind).count()
                self.stdout.write(f"{kind.label}: " + (f"not refreshed, {count} kept ({why})" if why else str(count)))
        if all(outcome.values()):  # a kind that fails keeps its last good copy, so one that succeeds is enough
            raise CommandError(f"Nothing could be fetched: {next(iter(outcome.values()), 'there is nothing to fetch')}")
