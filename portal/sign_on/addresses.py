"""Whose an e-mail address is. The rows are django-allauth's: its constraint lets one account alone have a verified one,
also where two doors make an account at the same moment.
"""

import logging
import unicodedata
from collections.abc import Sequence

from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q

from portal.sign_on.record import Topic, put_on_record

log = logging.getLogger(__name__)
LONGEST = 254


def address_of(value: object) -> str:
    """An e-mail address that can be stored; nothing where it is none."""
    text = value.strip() if isinstance(value, str) else ""
    try:
        validate_email(text)
    except ValidationError:
        return ""
    return text if max(len(text), len(folded(text))) <= LONGEST else ""


def folded(address: str) -> str:
    """As addresses are compared, by Django too: to a database a dotless i may be the i of somebody else's address."""
    return unicodedata.normalize("NFKC", address).casefold()


def holders(*addresses: str) -> list[User]:
    """The accounts that have one of the addresses, closed ones too, locked until the transaction ends."""
    wanted = {folded(address) for address in addresses if address}
    if not wanted:
        return []
    verified = EmailAddress.objects.filter(email__in=wanted, verified=True).values("user")
    users = User.objects.select_for_update()
    alike = Q(pk__in=())
    for address in addresses:
        alike |= Q(email__iexact=address) if address else Q()
    found = {user.pk: user for user in users.filter(alike) if folded(user.email) in wanted}
    found |= {user.pk: user for user in users.filter(pk__in=verified).order_by("pk")}
    return list(found.values())


def give(user: User, address: str) -> None:
    """The address is verified, and this account's alone. Raises IntegrityError where another one has it verified."""
    EmailAddress.objects.update_or_create(
        user=user, primary=True, defaults={"email": folded(address), "verified": True}
    )
    if folded(user.email) != folded(address):
        old, user.email = user.email, address
        user.save(update_fields=["email"])
        if old:
            put_on_record(user, f"The company's log-in changed the e-mail address {old}.", topic=Topic.ADDRESS)


def release(user: User) -> None:
    """An administrator has changed the address: whoever has the old one now is another person."""
    EmailAddress.objects.filter(user=user).delete()


def other_holder(address: str, user: User) -> User | None:
    """Another account than `user` that has the address."""
    with transaction.atomic():
        return next((holder for holder in holders(address) if holder.pk != user.pk), None)


def of_account(user: User, addresses: Sequence[str]) -> str:
    """Of the addresses of a person, which come in any order, the one that the account has; else the first."""
    return next((address for address in addresses if folded(address) == folded(user.email)), addresses[0])


def follow(user: User, verified: Sequence[str]) -> None:
    """The provider has verified these addresses, if any, of somebody who has the account already."""
    if not verified:
        return
    address = of_account(user, verified)
    is_stored = EmailAddress.objects.filter(user=user, email=folded(address), verified=True).exists()
    if is_stored and folded(user.email) == folded(address):
        return
    try:
        with transaction.atomic():
            other = other_holder(address, user)
            if other is None:
                give(user, address)
    except IntegrityError:  # given to another one at this moment
        other = other_holder(address, user)
    if other is not None:
        log.warning(
            "user %s keeps the old e-mail address: the one that the provider verified now is that of user %s",
            user.pk,
            other.pk,
        )
