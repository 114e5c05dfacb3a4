"""The rights of a person, all of them by one statement."""

from django.contrib.auth.models import Permission, User

_KEPT = "_perm_cache"  # where Django looks before it asks the database


def read(user: User) -> None:
    """Read what `has_perm` needs. Django asks for a person's own rights and for those of the groups apart."""
    if hasattr(user, _KEPT) or user.is_superuser:  # of whom Django asks for none
        return
    name = ("content_type__app_label", "codename")
    by_groups = Permission.objects.filter(group__in=user.groups.order_by()).order_by().values_list(*name)
    found = user.user_permissions.order_by().values_list(*name).union(by_groups)
    setattr(user, _KEPT, {f"{app}.{codename}" for app, codename in found})
