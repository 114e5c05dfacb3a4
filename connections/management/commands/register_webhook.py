"""`manage.py register_webhook`: have Fivetran tell the portal what changes, for the whole account."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from connections.fivetran import configured
from connections.fivetran.errors import FivetranError
from portal.logs import redacted

# Those after which a connection may look different. Not sync_start, which says nothing that the end does not.
EVENTS = (
    "connection_successful",
    "connection_failure",
    "create_connector",
    "edit_connector",
    "delete_connector",
    "pause_connector",
    "resume_connector",
    "force_update_connector",
    "sync_end",
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Command(BaseCommand):
    help = "Register the portal's webhook at Fivetran, or say whether it is registered and active."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        # Fivetran delivers to https, from outside; a sandbox on this machine delivers to this machine.
        secret, parts = settings.FIVETRAN_WEBHOOK_SECRET, urlsplit(settings.PUBLIC_URL)
        local = parts.hostname in _LOOPBACK
        if local != settings.FIVETRAN_IS_LOCAL or (parts.scheme != "https" and not local):
            raise CommandError(f"Fivetran delivers to https only, from outside: PUBLIC_URL is {settings.PUBLIC_URL}.")
        address = settings.PUBLIC_URL + reverse("connections:webhook")
        if not secret:
            raise CommandError("Set FIVETRAN_WEBHOOK_SECRET to a long random text first, and restart the web process.")
        try:
            client = configured.client()
            existing = [one for one in client.list_webhooks() if one.get("url") == address]
            if not existing:
                client.create_account_webhook(address, EVENTS, secret)
        except (FivetranError, ValueError) as error:
            raise CommandError(f"The webhook could not be registered: {redacted(str(error))}") from None
        if existing and not any(one.get("active") is True for one in existing):
            raise CommandError(
                f"There is a webhook for {address}, but it is not active: Fivetran switches one off that did not "
                "answer for a day. Delete it at Fivetran, and run this again."
            )
        if options["verbosity"]:
            now = "is registered already, and active" if existing else "is registered"
            self.stdout.write(f"The webhook for {address} {now}.")
