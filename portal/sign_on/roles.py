"""What the directory's groups give a person, brought up to date at each log-in."""

import logging
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

from portal.logs import one_line
from portal.sign_on.models import DirectoryRole

log = logging.getLogger(__name__)
MOST_GROUPS = 2_000  # of one person; Entra ID itself leaves the list out above 200
LONGEST = 255


def store_configured() -> None:
    """Add the roles of the environment that the table never had; what an administrator switched off stays off."""
    for setting in ("OIDC_GROUP_ROLES", "SAML_GROUP_ROLES", "LDAP_GROUP_ROLES"):
        for directory_group, names in getattr(settings, setting).items():
            _store(setting, directory_group, names)


def _store(setting: str, directory_group: str, names: Collection[str]) -> None:
    for name in names:
        group = Group.objects.filter(name=name).first()
        if group is None:
            log.error("%s names a group that the portal does not have: %s", setting, one_line(name)[:LONGEST])
            continue
        DirectoryRole.objects.get_or_create(directory_group=directory_group, group=group)


def named_groups(claim: Any) -> frozenset[str]:
    """The groups in what a provider sends: a list of texts, one text, or a list of objects with a name (Keycloak)."""
    items = [claim] if isinstance(claim, str | dict) else claim
    if not isinstance(items, list):
        return frozenset()
    found = [item.get("name") if isinstance(item, dict) else item for item in items[:MOST_GROUPS]]
    return frozenset(name for name in found if isinstance(name, str) and 0 < len(name) <= LONGEST and "\0" not in name)


def apply(user: User, directory_groups: Collection[str]) -> None:
    """Give `user` what the table says of these groups, and take away what it says of none of them.

    Portal groups that no row of the table names stay as an administrator set them; so do `is_staff` and superuser
    while no row gives them.
    """
    table = list(DirectoryRole.objects.select_related("group"))
    held = [role for role in table if role.is_on and role.directory_group in directory_groups]
    managed = {role.group_id for role in table if role.group_id}
    wanted = {role.group_id for role in held if role.group_id}
    with transaction.atomic():
        person = User.objects.select_for_update().get(pk=user.pk)
        before = set(person.groups.filter(pk__in=managed).values_list("pk", flat=True))
        person.groups.remove(*(before - wanted))
        person.groups.add(*(wanted - before))
        if any(role.gives_staff or role.gives_superuser for role in table):
            person.is_superuser = any(role.gives_superuser for role in held)
            person.is_staff = person.is_superuser or any(role.gives_staff for role in held)
            person.save(update_fields=["is_superuser", "is_staff"])
            user.is_superuser, user.is_staff = person.is_superuser, person.is_staff
    if before != wanted:
        names = dict(Group.objects.values_list("pk", "name"))
        gained, lost = ([names[pk] for pk in sorted(change)] for change in (wanted - before, before - wanted))
        log.info("roles of user %s from the directory: gained %s, lost %s", user.pk, gained, lost)
    for cache in ("_perm_cache", "_user_perm_cache", "_group_perm_cache"):
        user.__dict__.pop(cache, None)
