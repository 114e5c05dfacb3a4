"""Forgotten passwords: who is mailed a link, and how often."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction

from connections import notifications
from connections.models import ResetCount

PER_ADDRESS, PER_CLIENT = 3, 20  # an hour; a whole office may stand behind one client's address


def ask_for_password_reset(*, accounts: Iterable[User], address: str, client: str) -> bool:
    """Have `accounts` mailed a link; returns False where `client` or `address` asked too often."""
    # Every try costs the same queries, so that nobody learns who has an account. The broker is not asked, for it may
    # hang: the scheduler has the worker look for mails twice a minute.
    ResetCount.objects.forget_old()
    with transaction.atomic():
        allowed = ResetCount.objects.take("client", client, PER_CLIENT) and ResetCount.objects.take(
            "address", address.casefold(), PER_ADDRESS
        )
        notifications.tell_of_reset(accounts if allowed else ())
    return allowed
