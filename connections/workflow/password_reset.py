"""A forgotten password: who is mailed a link, and how often. The mail itself is made and sent by the worker."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction

from connections import notifications
from connections.models import ResetCount

PER_ADDRESS, PER_CLIENT = 3, 20  # an hour; a whole office may stand behind one client's address


def ask_for_password_reset(*, accounts: Iterable[User], address: str, client: str) -> bool:
    """Have `accounts` mailed a link, unless `client` or `address` asked too often; whether it did not.

    Every try costs the same queries, whether or not there is an account. The broker is not asked, for it may hang:
    the scheduler has the worker look for mails twice a minute.
    """
    ResetCount.objects.forget_old()
    with transaction.atomic():
        allowed = ResetCount.objects.take("client", client, PER_CLIENT) and ResetCount.objects.take(
            "address", address.casefold(), PER_ADDRESS
        )
        notifications.tell_of_reset(accounts if allowed else ())
    return allowed
