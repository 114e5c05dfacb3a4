"""Who holds which right, whatever it is used on."""

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied

from connections.models import (
    ConnectionRequest,
)

Person = User | AnonymousUser


BACKEND = "django.contrib.auth.backends.ModelBackend"


class Denied(PermissionDenied):
    """Not allowed; `reason` says why, in a sentence for the person who tried."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def logged_in(user: Person) -> User:
    """`user` as one who has logged in, which the middleware made sure of; raises Denied otherwise."""
    if not isinstance(user, User):
        raise Denied("Log in first.")
    return user


def has_right(user: Person, codename: str) -> bool:
    """Whether an account that is not closed holds the right of this app."""
    return bool(user.is_active and user.has_perm(f"connections.{codename}"))


def is_approver(user: Person) -> bool:
    """Whether `user` holds the right to decide (group Approvers, or superuser)."""
    return has_right(user, "approve_request")


def is_operator(user: Person) -> bool:
    """Whether `user` holds the right to operate the portal (group Operators, or superuser)."""
    return has_right(user, "operate_portal")


def sees_everything(user: Person) -> bool:
    """Whether `user` sees everybody's requests."""
    return any(has_right(user, name) for name in ("view_all_requests", "approve_request", "operate_portal"))


def as_boolean(check: Callable[[Person, ConnectionRequest], None]) -> Callable[[Person, ConnectionRequest], bool]:
    """The boolean of a `check_can_x`."""

    def can(user: Person, request: ConnectionRequest) -> bool:
        try:
            check(user, request)
        except Denied:
            return False
        return True

    return can
