"""After a decision: how much is left in the reader's inbox, and what comes next."""

from dataclasses import dataclass

from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.urls import reverse

from connections import permissions
from connections.models import ConnectionChange, ConnectionRequest
from connections.permissions import Person
from connections.spec.characters import visible

COUNTED = 99


@dataclass(frozen=True)
class Left:
    words: str
    address: str


def left_after(request: HttpRequest, decided: ConnectionRequest | ConnectionChange) -> Left | None:
    """For who has just decided, which the banner says that the page is about to show; else None without a query.

    What is of the kind that was decided comes first.
    """
    if decided.decided_by_id != request.user.pk or not len(get_messages(request)):
        return None
    requests, changes = _requests(request.user), _changes(request.user)
    waiting = [*requests, *changes] if isinstance(decided, ConnectionRequest) else [*changes, *requests]
    waiting += _to_trust(request.user)
    if not waiting:
        return Left("Nothing is left to decide", reverse("connections:approvals"))
    count = len(waiting) if len(waiting) <= COUNTED else f"{COUNTED}+"
    return Left(f"{count} left, next: {waiting[0].words}", waiting[0].address)


def _requests(user: Person) -> list[Left]:
    rows = permissions.waiting_for(user).values_list("pk", "service_name")[: COUNTED + 1]
    return [Left(f"#{pk} {visible(service)}", reverse("connections:request", args=[pk])) for pk, service in rows]


def _to_trust(user: Person) -> list[Left]:
    rows = permissions.trust_waiting_for(user).values_list("request", "request__service_name")[: COUNTED + 1]
    return [
        Left(f"certificates of #{pk} {visible(service)}", reverse("connections:request", args=[pk]))
        for pk, service in rows
    ]


def _changes(user: Person) -> list[Left]:
    rows = permissions.changes_waiting_for(user).values_list("pk", "request__service_name")[: COUNTED + 1]
    return [
        Left(f"change #{pk} of {visible(service)}", reverse("connections:change", args=[pk])) for pk, service in rows
    ]
