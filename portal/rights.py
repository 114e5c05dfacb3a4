"""The rights of a person, all of them by one statement."""

from collections import defaultdict
from collections.abc import Mapping

from django.contrib.auth.models import User
from django.db.models import Value

_ALL = "_perm_cache"  # where Django looks before it asks the database
_BY_GROUP = "_rights_by_group"
_KEPT = (_ALL, _BY_GROUP, "_user_perm_cache", "_group_perm_cache")


def read(user: User) -> None:
    """Read what `has_perm` needs, once. Django asks for a person's own rights and for those of the groups apart."""
    if user.is_superuser or hasattr(user, _BY_GROUP):  # of a superuser Django asks for none
        return
    name = ("content_type__app_label", "codename")
    # From the groups, because one without rights is a group too.
    of_groups = user.groups.order_by().values_list("pk", *(f"permissions__{column}" for column in name))
    own = user.user_permissions.order_by().values_list(Value(0), *name)
    groups: defaultdict[int, set[str]] = defaultdict(set)
    for group, app, codename in of_groups.union(own):
        groups[group] |= {f"{app}.{codename}"} if codename else set()
    setattr(user, _ALL, set().union(*groups.values()))
    groups.pop(0, None)
    setattr(user, _BY_GROUP, dict(groups))


def by_group(user: User) -> Mapping[int, set[str]]:
    """What each group of a person, who is no superuser, gives, by the group's key: "app.codename"."""
    read(user)
    found: Mapping[int, set[str]] = getattr(user, _BY_GROUP)
    return found


def forget(user: User) -> None:
    """For whoever has just changed them."""
    for cache in _KEPT:
        user.__dict__.pop(cache, None)
