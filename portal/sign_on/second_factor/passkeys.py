"""Passkeys of a person, and whether a browser can make any here. What they prove is in webauthn.py, which is loaded
where somebody uses one alone: its library takes 10 MB.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest

from portal.environment import is_loopback

MOST = 10  # of one person
LONGEST_ANSWER = 20_000
LONGEST_NAME = 60


@dataclass(frozen=True)
class Place:
    """The portal under a name."""

    host: str
    url: str


class NotAccepted(Exception):
    """The browser's answer proves no passkey."""


def are_possible(request: HttpRequest) -> bool:
    """Browsers bind a passkey to a name: at an address of numbers they make none."""
    return not _is_of_numbers(host_of(request))


def place_with_name(request: HttpRequest, path: str) -> Place | None:
    """Where `path` can be opened by the portal's name."""
    public = urlsplit(settings.PUBLIC_URL)
    if not _is_of_numbers(str(public.hostname)):
        return Place(public.netloc, f"{settings.PUBLIC_URL}{path}")
    if not is_loopback(settings.PUBLIC_URL):
        return None
    port = urlsplit(f"//{request.get_host()}").port
    host = f"localhost:{port}" if port else "localhost"
    return Place(host, f"{request.scheme}://{host}{path}")


def _is_of_numbers(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def passkeys_of(user: User) -> list[Authenticator]:
    return list(Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN).order_by("pk"))


def host_of(request: HttpRequest) -> str:
    """Without the port, and without the brackets of IPv6."""
    host = request.get_host()
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
