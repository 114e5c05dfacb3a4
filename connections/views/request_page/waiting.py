"""Why a request waits: what holds an approved request back, or when the portal looks at Fivetran again."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from connections.models import BreakerReason, CircuitBreaker, ConnectionRequest
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
    if held_back := held_back_by(CircuitBreaker.objects.filter(pk=1).first()):
        return held_back
    return Waiting(conn_request.note, ahead(conn_request.next_try_at)) if conn_request.note else None


def held_back_by(breaker: CircuitBreaker | None) -> Waiting | None:
    if breaker is None:
        return None
    if breaker.paused_at:
        return _PAUSED
    until = ahead(breaker.not_before)
    match breaker.reason:
        case BreakerReason.RATE_LIMITED if until:
            return Waiting("Fivetran asked us to wait. The request goes on by itself", until)
        case BreakerReason.AUTH:
            return _KEY_REFUSED
        case BreakerReason.OPEN:
            return Waiting("Fivetran gives no clear answers at the moment. The portal asks again", until)
    return None


def ahead(moment: datetime | None) -> datetime | None:
    return moment if moment and moment > timezone.now() else None
