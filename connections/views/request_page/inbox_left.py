"""After a decision: how much is left in the reader's inbox, and which request comes next."""

from dataclasses import dataclass

from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.urls import reverse

from connections import permissions
from connections.models import ConnectionRequest
from connections.spec.characters import visible

COUNTED = 99


@dataclass(frozen=True)
class Left:
    words: str
    address: str


def left_after(request: HttpRequest, conn_request: ConnectionRequest) -> Left | None:
    """For who has just decided, which the banner says that the page is about to show; else None without a query."""
    if conn_request.decided_by_id != request.user.pk or not len(get_messages(request)):
        return None
    waiting = list(permissions.waiting_for(request.user).values_list("pk", "service_name")[: COUNTED + 1])
    if not waiting:
        return Left("Nothing is left to decide", reverse("connections:approvals"))
    count = len(waiting) if len(waiting) <= COUNTED else f"{COUNTED}+"
    pk, service = waiting[0]
    return Left(f"{count} left, next: #{pk} {visible(service)}", reverse("connections:request", args=[pk]))
