"""What `manage.py check --deploy` says of the doors: settings that start well, and fail on the day they are for."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import User
from django.core.checks import CheckMessage, Tags, Warning, register

from portal.check_connection import asked


@register(Tags.security, deploy=True)
def check_ways_in(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [*check_named(), *check_accounts()]


def check_named() -> Iterator[CheckMessage]:
    if not settings.LOCAL_ACCOUNTS and not settings.LOCAL_ADMINISTRATORS:
        yield Warning(
            "Nobody can log in while the company's log-in is away.",
            hint="Name one or two administrators with a password here in LOCAL_ADMINISTRATORS.",
            id="sign_on.W001",
        )


def check_accounts() -> Iterator[CheckMessage]:
    if not settings.LOCAL_ADMINISTRATORS:
        return
    if found := asked(without_password):
        yield Warning(
            f"LOCAL_ADMINISTRATORS names {', '.join(found)}: there is no open account with a password here by that "
            "name, so it is no way in.",
            hint="Make the account in the admin under exactly this name, or correct the setting.",
            id="sign_on.W002",
        )


def without_password(cursor: Any) -> list[str]:
    named = settings.LOCAL_ADMINISTRATORS
    people = User.objects.filter(username__in=named, is_active=True).values_list("username", "password")
    cursor.execute(*people.query.sql_with_params())
    able = {name for name, password in cursor.fetchall() if is_password_usable(password)}
    return [name for name in named if name not in able]
