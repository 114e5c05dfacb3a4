"""Who holds which right."""

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet

from connections.models import AccessGroup, ConnectionRequest
from portal import rights
from portal.sign_on import standing

_SEE_EVERYTHING = ("view_all_requests", "operate_portal")
_OF_AUDITORS = {"connections.view_all_requests", "connections.read_record"}
_RULED = "_is_in_a_rule"  # kept on a user as it was read, as Django keeps the rights
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
    if isinstance(user, User):
        rights.read(user)
    return bool(user.is_active and user.has_perm(f"connections.{codename}"))


def holders(codename: str) -> QuerySet[User]:
    """The active users who hold a right."""
    return User.objects.with_perm(f"connections.{codename}", backend=_BACKEND).filter(is_active=True)


def is_approver(user: Person) -> bool:
    return has_right(user, "approve_request")


def is_operator(user: Person) -> bool:
    return has_right(user, "operate_portal")


def rights_of(user: Person) -> tuple[bool, ...]:
    """Those by which `user` sees something of somebody else, and whether it ends there."""
    names = (*_SEE_EVERYTHING, "approve_request", "approve_trust", "work_in_team")
    return (*(has_right(user, name) for name in names), reads_only(user))


def in_a_team(user: Person) -> bool:
    """Whether `user` may be in a team: known from the rights, so that people without one cost no query."""
    return has_right(user, "work_in_team")


def sees_everything(user: Person) -> bool:
    return any(has_right(user, name) for name in _SEE_EVERYTHING)


def sees_others(user: Person) -> bool:
    """Whether there is anything of somebody else among what `user` sees, if only into some destinations."""
    return sees_everything(user) or is_approver(user)


def reads_only(user: Person) -> bool:
    """Whether `user` is an auditor and nothing else. Whoever is in another group too keeps what that group gives: a
    right, or a place in an access rule. The group of a department gives nothing.
    """
    if not isinstance(user, User) or user.is_staff or user.is_superuser or not has_right(user, "view_all_requests"):
        return False
    if not all(_only_looks(right) for right in user.get_all_permissions()):
        return False
    # A group that gives no right may be one of the access rules all the same.
    if not hasattr(user, _RULED):
        others = [group for group, given in rights.by_group(user).items() if not given & _OF_AUDITORS]
        setattr(user, _RULED, bool(others) and AccessGroup.objects.filter(group__in=others).exists())
    return not getattr(user, _RULED)


def who_only_read() -> QuerySet[User]:
    """The active users of whom `reads_only` is true."""
    more = Permission.objects.exclude(Q(codename__startswith="view_") | Q(codename="read_record"))
    auditors = Permission.objects.filter(codename__in=[right.partition(".")[2] for right in _OF_AUDITORS])
    found = holders("view_all_requests").filter(is_staff=False, is_superuser=False)
    found = found.exclude(user_permissions__in=more).exclude(groups__permissions__in=more)
    ruled = Group.objects.filter(pk__in=AccessGroup.objects.values("group")).exclude(permissions__in=auditors)
    return found.exclude(groups__in=ruled)


def _only_looks(right: str) -> bool:
    codename = right.partition(".")[2]
    return codename.startswith("view_") or codename == "read_record"


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
