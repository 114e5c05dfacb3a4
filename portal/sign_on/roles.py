"""What the directory's groups give a person, brought up to date at each log-in."""

import logging
from collections.abc import Collection, Iterable
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from portal.caller import acting
from portal.logs import one_line
from portal.rights import forget
from portal.sign_on.models import DirectoryGrant, DirectoryLook, DirectoryRole, Flag
from portal.sign_on.record import Topic, put_on_record

log = logging.getLogger(__name__)
MOST_GROUPS = 2_000  # of one person; Entra ID itself leaves the list out above 200
LONGEST = 255
NO_MORE = " (no more)"  # behind the name of a setting that had the row
_PROVIDERS = {"OIDC_GROUP_ROLES": "company", "SAML_GROUP_ROLES": "saml", "LDAP_GROUP_ROLES": "ldap"}
Right = tuple[int | None, str]  # a portal group, or a flag of the account


def store_configured() -> None:
    """Add the roles of the environment that the table does not have; what an administrator switched off stays off."""
    if DirectoryRole._meta.db_table not in connection.introspection.table_names():
        return  # another app is migrated first, or this one is taken back
    for setting in _PROVIDERS:
        configured = getattr(settings, setting)
        for directory_group, names in configured.items():
            _store(setting, directory_group, names)
        if _PROVIDERS[setting] not in providers_on():
            continue  # a shell without the environment of the portal has no say in it
        for role in DirectoryRole.objects.filter(from_setting=setting).select_related("group"):
            if role.group is None or role.group.name not in configured.get(role.directory_group, ()):
                _release(role)


def _release(role: DirectoryRole) -> None:
    # Whoever took it out of the setting believes it gone. Until it is there again it is a row like those made by hand.
    log.warning("%s has no “%s” any more: the row is switched off", role.from_setting, role)
    role.from_setting, role.is_on = role.from_setting + NO_MORE, False
    role.save(update_fields=["from_setting", "is_on"])


def _store(setting: str, directory_group: str, names: Collection[str]) -> None:
    for name in names:
        group = Group.objects.filter(name=name).first()
        if group is None:
            log.error("%s names a group that the portal does not have: %s", setting, one_line(name)[:LONGEST])
            continue
        role, _ = DirectoryRole.objects.get_or_create(
            provider=_PROVIDERS[setting],
            directory_group=directory_group,
            group=group,
            defaults={"from_setting": setting},
        )
        if role.from_setting != setting:  # by hand before, or not in the setting for a while
            role.is_on = role.is_on or role.from_setting == setting + NO_MORE
            role.from_setting = setting
            role.save(update_fields=["from_setting", "is_on"])
        elif not role.is_on:
            log.warning("the row “%s” of %s was switched off in the admin, and gives nothing", role, setting)


def is_configured(role: DirectoryRole) -> bool:
    """Whether a setting has it now."""
    return role.from_setting in _PROVIDERS


def providers_on() -> set[str]:
    on = {"company": settings.OIDC_ISSUER, "saml": settings.SAML_IS_ON, "ldap": settings.LDAP_IS_ON}
    return {provider for provider, is_on in on.items() if is_on}


def named_groups(claim: Any) -> frozenset[str]:
    """The groups in what a provider sends: a list of texts, one text, or a list of objects with a name (Keycloak)."""
    items = [claim] if isinstance(claim, str | dict) else claim
    if not isinstance(items, list):
        return frozenset()
    found = [item.get("name") if isinstance(item, dict) else item for item in items[:MOST_GROUPS]]
    return frozenset(name for name in found if isinstance(name, str) and 0 < len(name) <= LONGEST and "\0" not in name)


def apply(user: User, directory_groups: Collection[str], provider: str) -> None:
    """Give `user` what the table says of these groups of `provider`, and take away what it gave before and no longer
    does. A portal group that the table names is the directory's to give: set by hand, it is taken away as well.
    """
    table = [role for role in DirectoryRole.objects.all() if role.provider in ("", provider)]
    held = [role for role in table if role.is_on and role.directory_group in directory_groups]
    wanted: set[Right] = {right for role in held for right in _rights_of(role)}
    with transaction.atomic(), acting("The company’s directory"):
        person = User.objects.select_for_update().get(pk=user.pk)
        grants = DirectoryGrant.objects.filter(user=person)
        others = providers_on() - {provider}
        # What a provider gave that is no longer set up is nobody's to keep.
        given: set[Right] = set(grants.exclude(provider__in=others).values_list("group_id", "flag"))
        by_others: set[Right] = set(grants.filter(provider__in=others).values_list("group_id", "flag"))
        named: set[Right] = {(role.group_id, "") for role in table if role.group_id}
        lost = (given | (named & _memberships(person))) - wanted - by_others
        taken = _take(person, lost, stays=wanted | by_others)
        _give(person, wanted, provider)
        grants.exclude(provider__in=others).filter(_any_of(given - wanted - (lost - taken))).delete()
        DirectoryLook.objects.update_or_create(user=person, provider=provider, defaults={"at": timezone.now()})
        named_by = sorted({role.directory_group for role in held})
        told = f"Of the groups that it named these count here: {', '.join(named_by) or 'none'}."
        _record(person, gained=wanted - given, lost=taken, why=told)
    user.is_superuser, user.is_staff = person.is_superuser, person.is_staff
    forget(user)


def take_back(**_signal: Any) -> None:
    """Take away at once what no row of the table gives any more; called after each change of a row."""
    rows = DirectoryRole.objects.filter(is_on=True)
    given = {(role.provider, right) for role in rows for right in _rights_of(role)}
    with transaction.atomic():
        for grant in DirectoryGrant.objects.select_related("user"):
            right = (grant.group_id, grant.flag)
            if given & {("", right), (grant.provider, right)}:
                continue
            person = User.objects.select_for_update().get(pk=grant.user_id)
            others = DirectoryGrant.objects.filter(user=person).exclude(pk=grant.pk).values_list("group_id", "flag")
            _take_back_one(person, grant, others, "The table of roles was changed.")


def take_back_of_link(instance: SocialAccount, origin: Any = None, **_signal: Any) -> None:
    """Take away what came by a link that is deleted: nobody is asked about it any more."""
    if getattr(origin, "model", type(origin)) is User:
        return  # the person is deleted, with all that is theirs
    with transaction.atomic():
        person = User.objects.select_for_update().get(pk=instance.user_id)
        for grant in DirectoryGrant.objects.filter(user=person, provider=instance.provider):
            others = DirectoryGrant.objects.filter(user=person).exclude(pk=grant.pk).values_list("group_id", "flag")
            _take_back_one(person, grant, others, "The link to the log-in of the company was deleted.")


def _take_back_one(person: User, grant: DirectoryGrant, others: Iterable[Right], why: str) -> None:
    stays = set(others)
    lost = {(grant.group_id, grant.flag)} - stays
    taken = _take(person, lost, stays=stays)
    _record(person, gained=set(), lost=taken, why=why)
    if taken == lost:
        grant.delete()


def _rights_of(role: DirectoryRole) -> set[Right]:
    groups: set[Right] = {(role.group_id, "")} if role.group_id else set()
    return groups | {(None, flag.value) for flag in role.flags}


def _memberships(person: User) -> set[Right]:
    return {(pk, "") for pk in person.groups.values_list("pk", flat=True)}


def _take(person: User, rights: set[Right], *, stays: set[Right]) -> set[Right]:
    """What of it was taken away; the rest is to be tried again. `stays`: what somebody else gives."""
    person.groups.remove(*(pk for pk, _ in rights if pk))
    flags = {flag for _, flag in rights if flag}
    if Flag.SUPERUSER in flags and not _is_spared(person):
        person.is_superuser = False
    # A superuser who cannot open the admin would be of no use.
    keeps_staff = person.is_superuser or any(flag for _, flag in stays)
    if flags and not keeps_staff:
        person.is_staff = False
    person.save(update_fields=["is_superuser", "is_staff"])
    kept = {Flag.STAFF.value} if keeps_staff else set()
    kept |= {Flag.SUPERUSER.value} if person.is_superuser else set()
    return {(pk, flag) for pk, flag in rights if pk or flag not in kept}


def _is_spared(person: User) -> bool:
    """Whether nobody would be left to mend it: who edits the table is a superuser."""
    if person.username in settings.LOCAL_ADMINISTRATORS:
        return True
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=person.pk)
    if others.exists():
        return False
    log.error("user %s stays superuser, against the directory: there is no other one", person.pk)
    return True


def _give(person: User, rights: set[Right], provider: str) -> None:
    person.groups.add(*(pk for pk, _ in rights if pk))
    if flags := {flag for _, flag in rights if flag}:
        person.is_superuser = person.is_superuser or Flag.SUPERUSER in flags
        person.is_staff = True  # a superuser who cannot open the admin would be of no use
        person.save(update_fields=["is_superuser", "is_staff"])
    for group_id, flag in rights:
        group = Group(pk=group_id) if group_id else None
        DirectoryGrant.objects.get_or_create(user=person, provider=provider, group=group, flag=flag)


def _any_of(rights: set[Right]) -> Q:
    found = Q(pk__in=())
    for group_id, flag in rights:
        found |= Q(group=group_id, flag=flag) if group_id else Q(group=None, flag=flag)
    return found


def _record(person: User, *, gained: set[Right], lost: set[Right], why: str) -> None:
    if not gained and not lost:
        return
    names = dict(Group.objects.values_list("pk", "name"))

    def in_words(rights: set[Right]) -> str:
        return ", ".join(sorted(names.get(pk, "") if pk else Flag(flag).label for pk, flag in rights)) or "nothing"

    put_on_record(
        person,
        f"The company's directory gave {in_words(gained)} and took away {in_words(lost)}. {why}",
        topic=Topic.ROLES,
    )
    log.info("roles of user %s by the directory: gained %s, lost %s", person.pk, in_words(gained), in_words(lost))
