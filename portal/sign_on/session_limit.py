"""How long a session lasts, by the rights of the person: whoever decides logs in more often, for that is when the
company's directory is asked. Judged at the log-in, and at each request for rights that were given later.
"""

import time
from collections.abc import Callable
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from portal import rights
from portal.sign_on.local_accounts import has_local_password, is_named

BEGUN = "begun"
_DECIDES = "connections.approve_request"
# What the directory gives beside it; for an account with a password here the database is the only word.
_BY_DIRECTORY = ("connections.approve_trust", "connections.operate_portal")


def begin(sender: type, request: HttpRequest, user: User, **_kwargs: Any) -> None:
    """At each log-in, by whatever door."""
    request.session[BEGUN] = int(time.time())
    # A date, which Django keeps: a number of seconds would begin anew with each write.
    longest = settings.SESSION_ABSOLUTE_LIMIT
    limit = min(longest, settings.SESSION_APPROVER_LIMIT) if _is_limited(user) else longest
    request.session.set_expiry(timezone.now() + limit)


def limit_by_rights(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: end a session that is older than the rights held now allow. Of a younger one nothing is read."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if SESSION_KEY in request.session and _is_older(request.session):
            user = request.user
            if isinstance(user, User) and _is_limited(user):
                logout(request)
        return get_response(request)

    return middleware


def _is_older(session: SessionBase) -> bool:
    # Without a beginning it is of a version that wrote none. A clock that was set must not keep it for ever.
    age = abs(time.time() - int(session.get(BEGUN, 0)))
    return bool(age > settings.SESSION_APPROVER_LIMIT.total_seconds())


def _is_limited(user: User) -> bool:
    if user.is_superuser:
        return True
    rights.read(user)
    if user.has_perm(_DECIDES):
        return True
    may_more = user.is_staff or any(user.has_perm(right) for right in _BY_DIRECTORY)
    return may_more and _is_the_companys(user)


def _is_the_companys(user: User) -> bool:
    linked = SocialAccount.objects.filter(user=user)
    return not is_named(user.username) and (not has_local_password(user) or linked.exists())
