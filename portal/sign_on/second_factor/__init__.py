"""The second factor of people with a password here: codes of an app, passkeys, recovery codes. Rules for all of it."""

import logging

from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.db.models import OuterRef, QuerySet
from django.http import HttpRequest

from portal.logs import one_line
from portal.sign_on.local_accounts import has_local_password
from portal.sign_on.models import SecondFactor

log = logging.getLogger(__name__)
EVERYBODY = "*"
OWED = "second_factor_owed"  # in the session of somebody who has to set one up before anything else
WANTED = "second_factor_then"  # and the page that they came for
_MAIN = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def main_factors(user: User | OuterRef) -> "QuerySet[Authenticator]":
    """Without recovery codes, which only stand in for one of these."""
    found: QuerySet[Authenticator] = Authenticator.objects.filter(user=user, type__in=_MAIN).order_by("pk")
    return found


def is_set_up(user: User) -> bool:
    return main_factors(user).exists()


def is_demanded(user: User) -> bool:
    """Whether SECOND_FACTOR_GROUPS names the person: by a group or a right of one, with everybody, or as staff, who
    can do more.
    """
    wanted = settings.SECOND_FACTOR_GROUPS
    if not wanted or not has_local_password(user):
        return False
    if EVERYBODY in wanted or user.is_staff or user.is_superuser or user.groups.filter(name__in=wanted).exists():
        return True
    return user.user_permissions.filter(group__name__in=wanted).exists()


def name_unknown_groups() -> None:
    """Of a group that is spelled wrong nobody is a member: whoever migrates reads it."""
    if Group._meta.db_table not in connection.introspection.table_names():
        return  # another app is migrated first
    known = {EVERYBODY, *Group.objects.values_list("name", flat=True)}
    for name in settings.SECOND_FACTOR_GROUPS:
        if name not in known:
            log.error("SECOND_FACTOR_GROUPS names a group that the portal does not have: %s", one_line(name)[:255])


def was_removed(user: User) -> bool:
    """Whether an administrator took the last one, and none was set up since."""
    return SecondFactor.objects.filter(user=user, is_owed=True).exists()


def is_owed(user: User) -> bool:
    """Whether the person has to set one up now."""
    if not has_local_password(user):
        return False
    return (was_removed(user) or is_demanded(user)) and not is_set_up(user)


def remember_what_is_owed(sender: type, request: HttpRequest, user: User, **_more: object) -> None:
    """At each log-in, by whatever door; no page asks again."""
    if is_owed(user):
        request.session[OWED] = True


def may_remove(user: User, factor: Authenticator) -> bool:
    """Not the last one where one is demanded."""
    return main_factors(user).exclude(pk=factor.pk).exists() or not is_demanded(user)


def remove(factor: Authenticator) -> bool:
    """Whether it was: of two that go at once the last one stays, where one is demanded. Recovery codes go with the last
    factor that they stand in for.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=factor.user_id)
        if not may_remove(factor.user, factor):
            return False
        factor.delete()
        if not is_set_up(factor.user):
            Authenticator.objects.filter(user=factor.user).delete()
    return True


def unused_codes(recovery: Authenticator) -> int:
    """How many recovery codes are left, without reading any."""
    used = bin(recovery.data["used_mask"]).count("1")
    return int(app_settings.RECOVERY_CODE_COUNT) - used


def remove_all(user: User) -> None:
    """As an administrator does for somebody who lost theirs: it is owed again."""
    with transaction.atomic():
        Authenticator.objects.filter(user=user).delete()
        SecondFactor.objects.update_or_create(user=user, defaults={"is_owed": True, "wrong_codes": 0})


def end(user: User) -> None:
    """With the password here, beside which it was asked for."""
    Authenticator.objects.filter(user=user).delete()
    SecondFactor.objects.filter(user=user).delete()


def settle(request: HttpRequest, user: User) -> None:
    """It is set up: nothing is owed any more."""
    SecondFactor.objects.filter(user=user).update(is_owed=False)
    request.session.pop(OWED, None)
