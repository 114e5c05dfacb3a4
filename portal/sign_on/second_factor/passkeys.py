"""Passkeys of a person, and whether a browser can make any here. What they prove is in webauthn.py, which is loaded
where somebody uses one alone: its library takes 10 MB.
"""

from ipaddress import ip_address

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.http import HttpRequest

MOST = 10  # of one person
LONGEST_ANSWER = 20_000
LONGEST_NAME = 60


class NotAccepted(Exception):
    """The browser's answer proves no passkey."""


def are_possible(request: HttpRequest) -> bool:
    """Browsers bind a passkey to a name: at an address of numbers they make none."""
    try:
        ip_address(host_of(request))
    except ValueError:
        return True
    return False


def passkeys_of(user: User) -> list[Authenticator]:
    return list(Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN).order_by("pk"))


def host_of(request: HttpRequest) -> str:
    """Without the port, and without the brackets of IPv6."""
    host = request.get_host()
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
