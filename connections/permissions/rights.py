"""Who holds which right."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet

from connections.models import ConnectionRequest
from portal.sign_on import standing

_SEE_EVERYTHING = ("view_all_requests", "operate_portal")
_OF_AUDITORS = {"connections.view_all_requests", "connections.read_record"}
Person = User | AnonymousUser
# Named, because `with_perm` needs the one backend that stores rights.
_BACKEND = "django.contrib.auth.backends.ModelBackend"


class Denied(PermissionDenied):
    """Not allowed; `reason` says why, in a sentence for the person who tried."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def logged_in(user: Person) -> User:
    """`user` as a `User`, which the middleware made sure of."""
    if not isinstance(user, User):
        raise Denied("Log in first.")
    return user


def check_standing(by: User) -> None:
    """Whether the company's directory still says of `by` what it said, for whoever is about to decide. Raises Denied.
    It may take seconds: call it before the transaction.
    """
    try:
        standing.check(by)
    except standing.NotConfirmed as reason:
        raise Denied(str(reason)) from None


def has_right(user: Person, codename: str) -> bool:
    return bool(user.is_active and user.has_perm(f"connections.{codename}"))


def holders(codename: str) -> QuerySet[User]:
    """The active users who hold a right."""
    return User.objects.with_perm(f"connections.{codename}", backend=_BACKEND).filter(is_active=True)


def is_approver(user: Person) -> bool:
    return has_right(user, "approve_request")


def is_operator(user: Person) -> bool:
    return has_right(user, "operate_portal")


def rights_of(user: Person) -> tuple[bool, ...]:
    """All that decides what `user` sees, besides who `user` is."""
    names = (*_SEE_EVERYTHING, "approve_request", "approve_trust", "work_in_team")
    return tuple(has_right(user, name) for name in names)


def sees_everything(user: Person) -> bool:
    return any(has_right(user, name) for name in _SEE_EVERYTHING)


def sees_others(user: Person) -> bool:
    """Whether there is anything of somebody else among what `user` sees, if only into some destinations."""
    return sees_everything(user) or is_approver(user)


def reads_only(user: Person) -> bool:
    """Whether `user` is an auditor and nothing else. Whoever is in another group too keeps what that group may."""
    if not isinstance(user, User) or user.is_staff or user.is_superuser or not has_right(user, "view_all_requests"):
        return False
    if user.get_all_permissions() - _OF_AUDITORS:
        return False
    # The rights are known; of a group that gives none, as one of the directory, only the database knows. It is asked
    # once a minute for each log-in, for every page would cost one query more.
    if user.last_login is None:
        return not _other_groups(user.pk)
    return not _in_other_group(user.pk, user.last_login, int(time.monotonic() // 60))


def _other_groups(person_id: int) -> bool:
    return Group.objects.filter(user=person_id).exclude(permissions__codename="view_all_requests").exists()


@lru_cache(maxsize=512)
def _in_other_group(person_id: int, _log_in: datetime, _minute: int) -> bool:
    return _other_groups(person_id)


def check_writes(user: Person) -> None:
    """Raise Denied for an auditor: whoever looks into everything changes nothing."""
    if reads_only(user):
        raise Denied(
            "You read everything as an auditor, so you change nothing: ask an administrator for another group."
        )


def as_boolean(check: Callable[[Person, ConnectionRequest], None]) -> Callable[[Person, ConnectionRequest], bool]:
    def can(user: Person, conn_request: ConnectionRequest) -> bool:
        try:
            check(user, conn_request)
        except Denied:
            return False
        return True

    return can
