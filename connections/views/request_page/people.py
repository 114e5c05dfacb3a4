"""The section "People": who asked, who has the credentials, who decided, and what the request came from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from connections import permissions
from connections.models import ConnectionRequest
from connections.permissions import Person
from connections.spec import characters
from connections.views.request_page.queries import connection_of, source_owner


@dataclass(frozen=True)
class Line:
    """`address` makes a link of `words`; `marks` are their doubtful characters."""

    label: str
    words: str
    marks: list[str]
    at: datetime | None = None
    address: str = ""
    more: str = ""


def line(label: str, words: object, *, at: datetime | None = None, address: str = "", more: str = "") -> Line:
    return Line(label, str(words), characters.doubtful(str(words)), at, address, more)


def lines(user: Person, conn_request: ConnectionRequest) -> Iterator[Line]:
    yield line("Requester", conn_request.requester)
    if preset := conn_request.preset:
        yield line("Preset", preset, more=f", decided by {preset.approvers}" if preset.approvers else "")
    yield line("Source owner", source_owner(conn_request))
    yield from deciders(conn_request)
    place = getattr(conn_request, "batch_row", None) if permissions.sees_all_of(user, conn_request) else None
    if place is not None:
        address = reverse("connections:batch", args=[place.batch_id])
        yield line("Asked for with others", f"Batch #{place.batch_id}", address=address, more=f", row {place.number}")
    if pk := conn_request.cloned_from_id:
        yield line("Copy of", f"#{pk}", address=reverse("connections:request", args=[pk]))


def deciders(conn_request: ConnectionRequest) -> Iterator[Line]:
    connection = connection_of(conn_request)
    if conn_request.approved_by:
        label = "Adopted by" if connection is not None and connection.made_elsewhere else "Approved by"
        yield line(label, conn_request.approved_by, at=conn_request.approved_at)
    elif conn_request.decided_by:
        yield line("Decided by", conn_request.decided_by, at=conn_request.decided_at)
