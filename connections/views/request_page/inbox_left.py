"""After a decision: how much is left in the reader's inbox, and what comes next."""

from dataclasses import dataclass
from typing import Any

from django.contrib.messages import get_messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from connections import permissions
from connections.models import ConnectionChange, ConnectionRequest
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
    requests = _listed(permissions.waiting_for(request.user).values_list("pk", "service_name"), "#{} {}")
    changes = _listed(
        permissions.changes_waiting_for(request.user).values_list("pk", "request__service_name"),
        "change #{} of {}",
        "connections:change",
    )
    trust = permissions.trust_waiting_for(request.user).values_list("request", "request__service_name")
    waiting = [*requests, *changes] if isinstance(decided, ConnectionRequest) else [*changes, *requests]
    waiting += _listed(trust, "certificates of #{} {}")
    if not waiting:
        return Left("Nothing is left to decide", reverse("connections:approvals"))
    count = len(waiting) if len(waiting) <= COUNTED else f"{COUNTED}+"
    return Left(f"{count} left, next: {waiting[0].words}", waiting[0].address)


def _listed(rows: QuerySet[Any, Any], words: str, page: str = "connections:request") -> list[Left]:
    found = rows[: COUNTED + 1]
    return [Left(words.format(pk, visible(service)), reverse(page, args=[pk])) for pk, service in found]
