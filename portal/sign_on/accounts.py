"""Which account a person of the provider has. One person is one account, whatever door they take: a second account
would be a second pair of eyes, and could approve what the first one asked for.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from portal.caller import acting
from portal.sign_on import addresses, second_factor
from portal.sign_on.local_accounts import is_named
from portal.sign_on.record import Topic, put_on_record

THE_COMPANY = "The company’s log-in"
MOST_NAMES = 1_000
_JOINED = (
    "Joined to the company's log-in by the verified e-mail address. The password here has ended, with its factors."
)
_MADE = "Made at the first log-in by the company."


class Refused(Exception):
    """Nobody is logged in. The text is for the person, `why` for the operators' log; of a `why` that quotes what
    anybody may have sent, `on_record` tells the rest.
    """

    def __init__(self, words: str, why: str, user: User | None = None, *, on_record: str = "") -> None:
        super().__init__(words)
        self.why, self.user, self.on_record = why, user, on_record or why


class Away(Exception):
    """The provider does not answer; the text is for operators."""


@dataclass(frozen=True)
class Person:
    """Somebody as the provider describes them."""

    provider: str  # the id under which the portal knows the provider
    issuer: str
    subject: str
    email: str = ""  # a valid address, or nothing: `addresses.address_of`
    email_is_verified: bool = False
    other_emails: tuple[str, ...] = ()  # as valid and as verified: an account may have been made with one of them
    name: str = ""  # that they log in with there
    first_name: str = ""
    last_name: str = ""

    @property
    def verified_email(self) -> str:
        return self.email if self.email_is_verified else ""

    @property
    def verified_emails(self) -> tuple[str, ...]:
        return (self.email, *self.other_emails) if self.verified_email else ()

    @property
    def known_as(self) -> str:
        return self.email or self.name or self.subject

    @property
    def uid(self) -> str:
        """One value for issuer and subject: the subject of one provider may be another person's at the next."""
        return hashlib.sha256(f"{self.issuer}\n{self.subject}".encode()).hexdigest()


def account_of(person: Person) -> User:
    """The account of `person`: known by the subject, else joined by a verified mail, else new. Raises Refused."""
    if not person.subject:
        raise Refused("Your company’s log-in did not say who you are.", "the provider sent no subject")
    for _ in range(3):  # twice at once, by two tabs or two doors: the second one finds what the first one made
        known = SocialAccount.objects.filter(provider=person.provider, uid=person.uid).select_related("user").first()
        if known is not None:
            user = _for_the_company(known.user)
            with acting(THE_COMPANY):
                addresses.follow(user, person.verified_emails)
            return user
        try:
            with transaction.atomic(), acting(THE_COMPANY):
                joined = _with_mail(person)
                user = joined or _new(person)
                SocialAccount.objects.create(provider=person.provider, uid=person.uid, user=user)
                if person.verified_email:
                    addresses.give(user, addresses.of_account(user, person.verified_emails))
                put_on_record(user, _JOINED if joined else _MADE, topic=Topic.ACCOUNT)
                return user
        except IntegrityError:
            continue
    raise Refused("Your account could not be made just now. Try again.", "an account with this name was made meanwhile")


def _for_the_company(user: User) -> User:
    """`user`, where the provider may let somebody into this account."""
    if is_named(user.username):
        # The way in while the provider is away, behind a password and a second factor of the portal's own: these would
        # not protect it from whoever writes the provider's answers.
        raise Refused(
            "The account with your e-mail address is for the time that your company’s log-in is away. Ask an "
            "administrator to give it another address.",
            f"user {user.pk} is one of LOCAL_ADMINISTRATORS",
            user,
        )
    if not user.is_active:
        raise Refused(
            "Your account here is closed. Ask an administrator.", f"the account of user {user.pk} is not active", user
        )
    return user


def _with_mail(person: Person) -> User | None:
    """The one account with the address, if the provider has verified it and no other person of the provider has it."""
    found = addresses.holders(person.email, *person.other_emails)
    if not found:
        _check_new(person)
        return None
    if not person.email_is_verified:
        raise Refused(
            "An account with your e-mail address exists here, and your company’s log-in does not say that the address "
            "is verified. Ask an administrator.",
            "the address is not verified, and another account has it",
        )
    if len(found) > 1:
        raise Refused(
            "More than one account here has your e-mail address. Ask an administrator to leave it to one of them.",
            "several accounts have the verified address",
        )
    [user] = found
    links = set(SocialAccount.objects.filter(user=user).values_list("provider", "uid"))
    if (person.provider, person.uid) in links:
        raise IntegrityError("the same person has joined it meanwhile")
    if links and person.provider not in {provider for provider, _uid in links}:
        raise Refused(
            "The account with your e-mail address is joined to another log-in of your company: use that one, or ask an "
            "administrator.",
            f"user {user.pk} has the address, and comes by another provider",
        )
    if links:
        raise Refused(
            "The account with your e-mail address belongs to somebody else at your company’s log-in, or you were "
            "given a new identity there. Ask an administrator.",
            f"user {user.pk} has the address, and another subject",
        )
    # From now on the provider says who this is: a password that is known to somebody would be a second door, which
    # stays open when the person leaves the company.
    _for_the_company(user)
    user.set_unusable_password()
    # Not by `save`, of which an event would tell once more: the one that the account is joined says it.
    User.objects.filter(pk=user.pk).update(password=user.password)
    second_factor.end(user)
    return user


def _check_new(person: Person) -> None:
    """Whoever has an account already, under an address that the provider does not verify, must not get a second one."""
    if person.verified_email:
        return
    joined = SocialAccount.objects.filter(provider=person.provider).values("user")  # they are other people
    others = User.objects.exclude(pk__in=joined)  # closed ones too: who was shut out would come back as somebody new
    for name in settings.LOCAL_ADMINISTRATORS:
        others = others.exclude(username__iexact=name)
    if some := others.values_list("pk", flat=True).first():
        raise Refused(
            "Your company’s log-in did not confirm your e-mail address, so the portal cannot tell whether you have an "
            "account here already. Ask an administrator.",
            "no verified address, while there are accounts that nobody of this provider has: one could be theirs, such "
            f"as that of user {some}",
        )


def _new(person: Person) -> User:
    if not settings.SIGN_ON_NEW_ACCOUNTS:
        raise Refused(
            "You have no account here, or one with another e-mail address. Ask an administrator.",
            "no account has the verified address, and SIGN_ON_NEW_ACCOUNTS is off",
        )
    # Not an address that is only claimed: the account would be joined by whoever really has it, or get their mail.
    user = User(
        username=_free_name(person),
        email=person.verified_email,
        first_name=_line(person.first_name)[:150],
        last_name=_line(person.last_name)[:150],
    )
    user.set_unusable_password()
    user.save()
    return user


def _free_name(person: Person) -> str:
    """The name at the provider without its domain, with a number where it is taken: readable, and nobody else's."""
    wanted = _plain(person.name) or _plain(person.email) or "person"
    taken = {
        name.lower() for name in User.objects.filter(username__istartswith=wanted).values_list("username", flat=True)
    }
    taken |= {name.lower() for name in settings.LOCAL_ADMINISTRATORS}  # theirs, also before the account is made
    names = (wanted, *(f"{wanted}.{number}" for number in range(2, MOST_NAMES)))
    free = next((name for name in names if name not in taken), None)
    return free or f"{wanted}.{person.uid[:12]}"


def _plain(name: str) -> str:
    local = name.partition("@")[0][:1_000]  # accents are sorted, which takes long for very many
    plain = unicodedata.normalize("NFKD", local).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._-]+", ".", plain).strip(".-_")[:60]


def _line(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()
