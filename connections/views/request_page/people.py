"""The section "People": who asked, who has the credentials, who decided, and what the request came from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.urls import reverse

from connections import permissions
from connections.models import ConnectionRequest
from connections.permissions import Person
from connections.spec import characters
from connections.views.request_page.queries import connection_of, handover_of


@dataclass(frozen=True)
class Line:
    """`by` is an account, `words` what is said without one; `marks` are the doubtful characters of either."""

    label: str
    words: str = ""
    by: User | None = None
    at: datetime | None = None
    address: str = ""
    more: str = ""

    @property
    def marks(self) -> list[str]:
        return characters.doubtful(str(self.by) if self.by else self.words)

    @property
    def template(self) -> str:
        kind = "link" if self.address else "account" if self.by else "words"
        return f"connections/request_page/_person_{kind}.html"


_CONTINUES = ", whose members see it and can continue it"
_ALONE = ": it is seen by the requester, and by approvers, operators and auditors"


def lines(user: Person, conn_request: ConnectionRequest) -> Iterator[Line]:
    yield Line("Requester", by=conn_request.requester, more=left(conn_request))
    yield from of_team(conn_request)
    if preset := conn_request.preset:
        yield Line("Preset", str(preset), more=f", decided by {preset.approvers}" if preset.approvers else "")
    yield owner_line(conn_request)
    yield from deciders(conn_request)
    place = getattr(conn_request, "batch_row", None) if permissions.sees_all_of(user, conn_request) else None
    if place is not None:
        address = reverse("connections:batch", args=[place.batch_id])
        yield Line("Asked for with others", f"Batch #{place.batch_id}", address=address, more=f", row {place.number}")
    if pk := conn_request.cloned_from_id:
        yield Line("Copy of", f"#{pk}", address=reverse("connections:request", args=[pk]))
    if permissions.reads_record(user):
        yield Line(
            "Record", "Everything on record", address=f"{reverse('connections:audit')}?request={conn_request.pk}"
        )


def left(conn_request: ConnectionRequest) -> str:
    return "" if conn_request.requester.is_active else ", has no active account any more"


def of_team(conn_request: ConnectionRequest) -> Iterator[Line]:
    if conn_request.team is not None:
        waits = conn_request.submitted_at is None and conn_request.shared_at is None
        yield Line("Team", str(conn_request.team), more=", with whom it is not shared" if waits else _CONTINUES)
    elif conn_request.submitted_at is not None:
        yield Line("Team", "none", more=_ALONE)
    if getattr(conn_request, "has_writers", False):  # no query where nobody else did
        for person in permissions.writers_of(conn_request):
            yield Line("Also written by", by=person, more=", who cannot decide on it")


def owner_line(conn_request: ConnectionRequest) -> Line:
    handover = handover_of(conn_request)
    if handover is not None:
        return Line("Source owner", handover.owner_name, handover.owner)
    named = conn_request.source_owner
    return Line("Source owner", named) if named else Line("Source owner", by=conn_request.requester)


def deciders(conn_request: ConnectionRequest) -> Iterator[Line]:
    connection = connection_of(conn_request)
    if conn_request.approved_by:
        label = "Adopted by" if connection is not None and connection.made_elsewhere else "Approved by"
        yield Line(label, by=conn_request.approved_by, at=conn_request.approved_at)
    elif conn_request.decided_by:
        yield Line("Decided by", by=conn_request.decided_by, at=conn_request.decided_at)
