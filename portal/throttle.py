"""How many wrong passwords are too many."""

import logging
import math
import unicodedata
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.db.models import F, Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import salted_hmac

from portal.logs import one_line
from portal.middleware import client_address

log = logging.getLogger(__name__)
Credentials = dict[str, Any] | None
NONE = timedelta(0)
_LONGEST_NAME = 1_000  # what is longer is no name, and may share a counter
_ONE_CUSTOMER = 64  # bits: who has one IPv6 address has all that begin like it, each good for a new counter


def counted_address(request: HttpRequest) -> str:
    """The address under which a client's tries are counted: for IPv6 its network of 64 bits."""
    address = ip_address(client_address(request))
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), _ONE_CUSTOMER), strict=False).network_address)
    return str(address)


def counted_name(_request: HttpRequest, credentials: Credentials = None) -> str:
    # What was typed as the name is sometimes the password.
    return hashed_name(str((credentials or {}).get("username") or ""))


def hashed_name(typed: str) -> str:
    # A directory takes a name in any spelling, Active Directory without accents too (MS-ADTS, NORM_IGNORENONSPACE):
    # each with a counter of its own would be a try more for a guesser.
    # Cut before, because sorting many accents takes longer than the square of their number.
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", typed[:_LONGEST_NAME]).casefold())
    letters = "".join(letter for letter in apart if unicodedata.category(letter) not in ("Mn", "Cf"))
    name = " ".join(unicodedata.normalize("NFKC", letters).split())
    return salted_hmac("portal.throttle", name, algorithm="sha256").hexdigest()


# In the database, so that a flushed cache forgives nobody; and nothing of what was sent is kept. Two limits within
# AXES_COOLOFF_TIME refuse further tries: AXES_FAILURE_LIMIT for one name from one address, which does not lock that
# person out elsewhere, and LOGIN_FAILURES_PER_ADDRESS for an address that tries many names. The third,
# LOGIN_FAILURES_PER_NAME for one name from all addresses, makes each address wait before each try, each for itself:
# with one wait for all, an attacker who goes on guessing would take every turn and so lock the person out.
class LoginThrottle(AxesDatabaseHandler):
    def get_failures(self, request: Any, credentials: Credentials = None) -> int:
        pair, address, _name = (failures_in(attempts) for attempts in self.get_user_attempts(request, credentials))
        if address >= settings.LOGIN_FAILURES_PER_ADDRESS:
            return max(pair, int(settings.AXES_FAILURE_LIMIT))
        return pair

    def is_allowed(self, request: Any, credentials: Credentials = None) -> bool:
        return super().is_allowed(request, credentials) and self._has_waited(request, credentials)

    def _has_waited(self, request: Any, credentials: Credentials) -> bool:
        """Whether this address has waited for this name, from its first try on; then the next wait begins."""
        pause = self._pause(request, credentials)
        if not pause:
            return True
        self.clean_expired_user_attempts(request, credentials)
        now = request.axes_attempt_time
        attempt, is_first = self._pair(request, credentials)
        # One conditional update, so that many requests at once are not many tries.
        waited = AccessAttempt.objects.filter(pk=attempt.pk, attempt_time__lte=now - pause)
        return bool(not is_first and waited.update(attempt_time=now))

    def _pause(self, request: Any, credentials: Credentials) -> timedelta:
        """The wait before each try, longer with more wrong ones; none for a person who is known at the address."""
        *_, name = self.get_user_attempts(request, credentials)
        times = failures_in(name) // settings.LOGIN_FAILURES_PER_NAME
        if not times or self._is_known_here(request, credentials):
            return NONE
        return min(times * settings.LOGIN_PAUSE, settings.LOGIN_LONGEST_PAUSE)

    def _is_known_here(self, request: Any, credentials: Credentials) -> bool:
        since = request.axes_attempt_time - settings.LOGIN_KNOWN_FOR
        typed = (credentials or {}).get("username")
        earlier = AccessLog.objects.filter(username=typed, ip_address=request.axes_ip_address, attempt_time__gte=since)
        return bool(earlier.exists())

    def wait(self, request: Any, credentials: Credentials) -> timedelta:
        """How long from now the next try is refused, at most."""
        pair, address, _name = self.get_user_attempts(request, credentials)
        if failures_in(pair) >= settings.AXES_FAILURE_LIMIT:
            return time_left(pair, settings.AXES_COOLOFF_TIME, request)
        if failures_in(address) >= settings.LOGIN_FAILURES_PER_ADDRESS:
            return time_left(address, settings.AXES_COOLOFF_TIME, request)
        return time_left(pair, self._pause(request, credentials), request)

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **_kwargs: Any) -> None:
        # Axes' own method keeps what was sent as well, and counts each browser apart.
        if request is None:
            return
        request.axes_credentials = credentials
        if request.axes_locked_out:
            return
        self.clean_expired_user_attempts(request, credentials)
        attempt, _is_first = self._pair(request, credentials)
        counted = AccessAttempt.objects.filter(pk=attempt.pk)
        counted.update(failures_since_start=F("failures_since_start") + 1, attempt_time=request.axes_attempt_time)
        if self.is_locked(request, credentials):
            request.axes_locked_out = True
            log.warning("log-in is closed for %s after too many wrong passwords", request.axes_ip_address)

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        # The browser's name, as far as a line of text can hold it.
        request.axes_user_agent = one_line(request.axes_user_agent)[:255]
        request.axes_http_accept = ""
        super().user_logged_in(sender, request, user, **kwargs)

    def reset_user_attempts(self, request: Any, credentials: Credentials = None) -> int:
        """Forget the failures of the pair that just logged in; returns how many rows were deleted."""
        pair, *_ = self.get_user_attempts(request, credentials)
        return int(pair.delete()[0])

    def reset_attempts(
        self, *, ip_address: str | None = None, username: str | None = None, ip_or_username: bool = False
    ) -> int:
        """For the commands `axes_reset…`, which have the name as people write it."""
        hashed = hashed_name(username) if username else None
        return int(super().reset_attempts(ip_address=ip_address, username=hashed, ip_or_username=ip_or_username))

    def get_user_attempts(self, request: Any, credentials: Credentials = None) -> list[QuerySet[Any]]:
        """What counts: by name and address, by address, by name."""
        # Not what a wrong clock dated far ahead.
        ahead = request.axes_attempt_time + settings.AXES_COOLOFF_TIME
        return [one.filter(attempt_time__lte=ahead) for one in super().get_user_attempts(request, credentials)]

    def clean_expired_user_attempts(self, request: Any = None, credentials: Credentials = None) -> int:
        ahead = request.axes_attempt_time + settings.AXES_COOLOFF_TIME
        AccessAttempt.objects.filter(attempt_time__gt=ahead).delete()
        return int(super().clean_expired_user_attempts(request, credentials))

    def _pair(self, request: Any, credentials: Credentials) -> tuple[Any, bool]:
        nothing = {"get_data": "", "post_data": "", "http_accept": "", "path_info": "", "failures_since_start": 0}
        attempt, is_first = AccessAttempt.objects.get_or_create(
            username=get_client_username(request, credentials),
            ip_address=request.axes_ip_address,
            user_agent="",
            defaults=nothing,
        )
        return attempt, is_first


_CLOSED = "Logging in from here is closed for a quarter of an hour. It opens again by itself, in {} at the latest."
_EACH_TRY_WAITS = (
    "Somebody tries many passwords for this name, from many places, so each try has to wait. Log in again in {}; the "
    "right password works then."
)


def refused(request: HttpRequest, _response: HttpResponse, credentials: Credentials) -> HttpResponse:
    """The page for a person who has to wait; `Retry-After` says how long."""
    throttle = LoginThrottle()
    seconds = max(1, math.ceil(throttle.wait(request, credentials).total_seconds()))
    wait = f"{seconds} seconds" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"
    words = _CLOSED if throttle.is_locked(request, credentials) else _EACH_TRY_WAITS
    # Whoever types codes has typed the right password.
    context = {"words": words.format(wait), "after_codes": request.path == reverse("log_in_code")}
    answer = render(request, "registration/locked_out.html", context, status=429)
    answer["Retry-After"] = str(seconds)
    return answer


# A wrong code at the log-in counts as a wrong password does: whoever types one has typed the password before it, and
# only a log-in that is whole forgets the failures. The wait before each try was kept before the password.


def closed_to(request: HttpRequest, user: User) -> HttpResponse | None:
    """The page for who has to wait before typing a code; None for everybody else."""
    credentials = {"username": user.get_username()}
    AxesProxyHandler.update_request(request)
    return refused(request, HttpResponse(), credentials) if LoginThrottle().is_locked(request, credentials) else None


def count_wrong(request: HttpRequest, user: User) -> None:
    user_login_failed.send(__name__, credentials={"username": user.get_username()}, request=request)


def failures_in(attempts: QuerySet[Any]) -> int:
    return int(attempts.aggregate(total=Sum("failures_since_start"))["total"] or 0)


def time_left(attempts: QuerySet[Any], pause: timedelta, request: Any) -> timedelta:
    last = attempts.aggregate(last=Max("attempt_time"))["last"]
    return min(pause, pause - (request.axes_attempt_time - last)) if last else pause
