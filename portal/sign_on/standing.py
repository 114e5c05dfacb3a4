"""Whether what the company's directory said of a person is still to be relied on, asked before that person decides."""

import time
from datetime import timedelta

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

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
    said = SocialAccount.objects.filter(user=user, provider__in=_asked_at_log_in()).order_by("-last_login")
    latest = said.values_list("last_login", flat=True).first()
    if latest is not None and not timedelta() <= timezone.now() - latest <= settings.SESSION_APPROVER_LIMIT:
        raise NotConfirmed(AGAIN)


def _asked_at_log_in() -> list[str]:
    """The providers that tell a person's groups at the log-in alone."""
    on = {"company": settings.OIDC_ISSUER, "saml": settings.SAML_IS_ON}
    return [provider for provider, is_on in on.items() if is_on]
