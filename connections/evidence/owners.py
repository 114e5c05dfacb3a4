"""Source owners that the portal does not know, or whose address is outside the company."""

from collections.abc import Collection
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q


def remarks(owners: Collection[str]) -> dict[str, str]:
    """Owner as typed (a username or an address) -> what to notice about it, in words.

    Nothing is said about an active account that can be mailed. Other addresses are outside the company, unless their
    domain is that of PUBLIC_URL (or the end of it), of DEFAULT_FROM_EMAIL, or of an active user.
    """
    typed = {owner for owner in owners if owner}
    if not typed:
        return {}
    named = Q(username__in=typed)
    for owner in typed:
        if "@" in owner:
            named |= Q(email__iendswith=f"@{domain_of(owner)}")
    people = list(User.objects.filter(named, is_active=True).values_list("username", "email"))
    # A username without an address cannot be mailed, so it counts as unknown.
    usernames, addresses = {name for name, address in people if address}, {address.lower() for _, address in people}
    inside = {domain_of(address) for address in addresses if address}
    found = {}
    for owner in typed:
        if owner not in usernames and owner.lower() not in addresses:
            found[owner] = remark_on(owner, domain_of(owner) in inside or is_company_domain(domain_of(owner)))
    return found


def remark_on(owner: str, is_inside: bool) -> str:
    if "@" not in owner:
        return f"“{owner}” cannot be mailed here: the requester is asked for the credentials instead"
    if is_inside:
        return f"The source owner {owner} has no account here: whoever reads that mailbox can enter the credentials"
    return f"The source owner {owner} is outside the company: nobody here has an address at {domain_of(owner)}"


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].strip().lower() if "@" in address else ""


def is_company_domain(domain: str) -> bool:
    sender = domain_of(settings.DEFAULT_FROM_EMAIL.rstrip("> "))
    host = (urlsplit(settings.PUBLIC_URL).hostname or "").lower()
    if not domain:
        return False
    return domain in (sender, host) or ("." in domain and host.endswith(f".{domain}"))
