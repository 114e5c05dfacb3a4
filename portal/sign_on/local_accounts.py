"""Who may log in by a password of the portal's own."""

from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


def is_named(username: str) -> bool:
    """Whether it is, in any spelling, one of LOCAL_ADMINISTRATORS, whom no provider lets in."""
    return username.strip().casefold() in {name.casefold() for name in settings.LOCAL_ADMINISTRATORS}


def is_open_to(username: str) -> bool:
    """Whether a local password is taken for this name at all."""
    return settings.LOCAL_ACCOUNTS or username in settings.LOCAL_ADMINISTRATORS


def has_local_password(user: User | AnonymousUser) -> bool:
    """Whether a password of the portal's own lets this person in; nobody else needs a second factor here."""
    return isinstance(user, User) and user.has_usable_password() and is_open_to(user.get_username())


class NamedAlone:
    """Stands before Django's own backend: with LOCAL_ACCOUNTS off only the named administrators come to it.

    Everybody else is answered, counted and kept waiting as for a wrong password, however right it is.
    """

    def authenticate(
        self, request: HttpRequest, username: str | None = None, password: str | None = None, **_more: Any
    ) -> None:
        if username is None or password is None or is_open_to(username):
            return
        make_password(password)  # as long as Django's own takes
        raise PermissionDenied
