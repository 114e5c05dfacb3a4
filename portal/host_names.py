"""Names of hosts in settings, as browsers, mail programs and certificates spell them; raises ImproperlyConfigured."""

import re

import idna
from django.core.exceptions import ImproperlyConfigured
from django.utils.ipv6 import is_valid_ipv6_address

_LONGEST = 253  # characters of a name (RFC 1035), outside the expression, which would look ahead at each of them
# Django answers requests under no other names; an underscore is in none of them.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


def ascii_host(name: str, host: str) -> str:
    """`host` in its ASCII form (IDNA 2008, UTS 46); `name` is the variable that has it."""
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise ImproperlyConfigured(f"{name} has {host!r}, which is no name of a host. Correct it.") from error


def own_host(name: str, host: str) -> str:
    """A host that is compared with what browsers say; an address of IPv6 without its brackets."""
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    found = ascii_host(name, bare).removesuffix(".")  # Django compares names without the point at their end
    is_name = len(found) <= _LONGEST and _NAME.fullmatch(found)
    if not is_name and not is_valid_ipv6_address(found):
        raise ImproperlyConfigured(
            f"{name} has {host!r}, which is no name of a host. Write the name alone, such as portal.example.com, "
            "without https://, port or path."
        )
    return found
