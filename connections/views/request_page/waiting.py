"""Why a request waits: what holds an approved request back, or when the portal looks at Fivetran again."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from connections.models import BreakerReason, ConnectionRequest
from connections.states import Status


@dataclass(frozen=True)
class Waiting:
    """What a request waits for, in the requester's words, and until when if that is known."""

    sentence: str
    until: datetime | None = None


_PAUSED = Waiting("An operator paused sending. The request keeps its place and goes on by itself afterwards.")
_KEY_REFUSED = Waiting(
    "Fivetran does not accept the portal's API key. Operators can correct it; the request goes on by itself afterwards."
)


def waiting_for(conn_request: ConnectionRequest) -> Waiting | None:
    """None while the request just runs."""
    lookup_at = ahead(conn_request.next_lookup_at)
    if conn_request.state is Status.UNKNOWN and lookup_at:
        return Waiting("The portal looks again whether it exists at Fivetran", lookup_at)
    if conn_request.state is not Status.APPROVED:
        return None
    if held_back := _held_back(conn_request):
        return held_back
    return Waiting(conn_request.note, ahead(conn_request.next_try_at)) if conn_request.note else None


def _held_back(conn_request: ConnectionRequest) -> Waiting | None:
    """By the circuit breaker, as `queries.find` has read it."""
    if conn_request.breaker_paused_at or "submit" in (conn_request.breaker_paused_jobs or ()):  # type: ignore[attr-defined]
        return _PAUSED
    until = ahead(conn_request.breaker_not_before)  # type: ignore[attr-defined]
    match conn_request.breaker_reason:  # type: ignore[attr-defined]
        case BreakerReason.RATE_LIMITED if until:
            return Waiting("Fivetran asked us to wait. The request goes on by itself", until)
        case BreakerReason.AUTH:
            return _KEY_REFUSED
        case BreakerReason.OPEN:
            return Waiting("Fivetran gives no clear answers at the moment. The portal asks again", until)
    return None


def ahead(moment: datetime | None) -> datetime | None:
    return moment if moment and moment > timezone.now() else None
