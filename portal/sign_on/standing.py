"""Whether what the company's directory said of a person is still to be relied on, asked before that person decides."""

import logging
import time
from datetime import timedelta

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Max
from django.utils import timezone

from portal.logs import one_line
from portal.sign_on import roles, words
from portal.sign_on.accounts import Away
from portal.sign_on.local_accounts import has_local_password
from portal.sign_on.models import DirectoryLook

log = logging.getLogger(__name__)
AGAIN = "Your company’s log-in was asked about you too long ago. Log out, log in again, and decide then."


ONE_DECISION = 5  # seconds: the rows of a table, each decided for itself, are asked about once
_CHECKED = "_standing_checked"


class NotConfirmed(Exception):
    """The text is for the person."""


def check(user: User) -> None:
    """Raises NotConfirmed. People with a local account alone are as the database has them."""
    now = time.monotonic()
    if now - getattr(user, _CHECKED, -ONE_DECISION) >= ONE_DECISION:
        _check(user)
        setattr(user, _CHECKED, now)


def _check(user: User) -> None:
    if user.username in settings.LOCAL_ADMINISTRATORS:  # who may decide while the provider is away
        return
    if settings.LDAP_IS_ON and (known := SocialAccount.objects.filter(user=user, provider="ldap").first()):
        _ask_directory(user, known.extra_data.get("subject", ""))
        return
    on = roles.providers_on()
    asked = on - {"ldap"}  # they tell a person's groups at the log-in alone
    if not SocialAccount.objects.filter(user=user, provider__in=asked).exists():
        # The link was deleted, or its provider is off: the directory's word is no less needed for that.
        if on and not has_local_password(user) and DirectoryLook.objects.filter(user=user).exists():
            raise NotConfirmed(AGAIN)
        return
    latest = DirectoryLook.objects.filter(user=user, provider__in=asked).aggregate(at=Max("at"))["at"]
    if latest is None or not timedelta() <= timezone.now() - latest <= settings.SESSION_APPROVER_LIMIT:
        raise NotConfirmed(AGAIN)


def _ask_directory(user: User, subject: str) -> None:
    from portal.sign_on import directory  # its library is there where it is used

    try:
        with directory.connection() as link:
            entry = directory.with_subject(link, subject) if subject else None
            groups = directory.groups_of(link, entry) if entry else []
    except Away as away:
        log.warning("user %s could not decide: the directory does not answer: %s", user.pk, one_line(str(away))[:300])
        raise NotConfirmed(words.NOT_ASKED) from None
    roles.apply(user, roles.named_groups(groups), "ldap")
    if entry is None:
        raise NotConfirmed(words.GONE)
