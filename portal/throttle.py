"""How many wrong passwords are too many."""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone


class LoginThrottle(AxesDatabaseHandler):
    """Counts in the database, so that a flushed cache forgives nobody.

    Two limits in AXES_COOLOFF_TIME: AXES_FAILURE_LIMIT for one name from one address, which does not lock that person
    out elsewhere, and LOGIN_FAILURES_PER_ADDRESS for an address that tries many names.
    """

    def get_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> list[QuerySet[Any]]:
        """The failures of the last AXES_COOLOFF_TIME, without those further ahead than that: the clock was set back."""
        latest = timezone.now() + settings.AXES_COOLOFF_TIME
        found = super().get_user_attempts(request, credentials)
        return [attempts.filter(attempt_time__lte=latest) for attempts in found]

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Failures that count against AXES_FAILURE_LIMIT; the address alone counts once its own limit is reached."""
        pair, address = (_failures(attempts) for attempts in self.get_user_attempts(request, credentials))
        if address >= settings.LOGIN_FAILURES_PER_ADDRESS:
            return max(pair, settings.AXES_FAILURE_LIMIT)
        return pair

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Forget the failures of the pair that just logged in, not those of its address; returns how many rows went."""
        pair, _address = self.get_user_attempts(request, credentials)
        return int(pair.delete()[0])


def _failures(attempts: QuerySet[Any]) -> int:
    return int(attempts.aggregate(total=Sum("failures_since_start"))["total"] or 0)
