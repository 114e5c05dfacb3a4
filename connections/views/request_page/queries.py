"""A request as its pages find it: for whom it exists, and what was read with it."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar, cast

from django.contrib.auth.models import User
from django.db.models import Max, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from connections import permissions
from connections.models import (
    Attempt,
    CatalogEntry,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Event,
    Handover,
    Kind,
    Observation,
    with_step,
)
from connections.permissions import Person
from connections.states import CHANGE_OPEN

Subject = TypeVar("Subject")
SHOWN_DIGEST = 16  # characters of the digest that tell one body of a request from another


def reader(request: HttpRequest) -> User:
    """The reader as a user: nobody else passes the log-in."""
    return cast(User, request.user)


def find(user: Person, pk: int) -> ConnectionRequest:
    """The request as far as it exists for `user`, with its people, its connection, and marks of its latest changes."""
    rows = permissions.visible_to(user).select_related(
        "requester",
        "decided_by",
        "approved_by",
        "connection",
        "cloned_from",
        "preset__approvers",
        "batch_row",
        "handover__owner",
    )
    latest = Event.objects.filter(request=OuterRef("pk")).order_by().values("request")
    changes = ConnectionChange.objects.filter(request=OuterRef("pk")).order_by("-pk")
    attempt = Attempt.objects.filter(request=OuterRef("pk")).order_by().values("request")
    rows = rows.annotate(
        latest_event=Subquery(latest.annotate(last=Max("pk")).values("last")),
        listed_at=Subquery(Observation.objects.filter(pk=1).values("finished_at")),
        latest_attempt=Subquery(attempt.annotate(last=Max("pk")).values("last")),
        latest_change=Subquery(changes.values("pk")[:1]),
        open_change=Subquery(changes.filter(status__in=sorted(CHANGE_OPEN)).values("pk")[:1]),
        guide=Subquery(_known(Kind.SERVICE, "service").values(link=KT("data__link_to_docs"))),
        group_told_at=Subquery(_known(Kind.GROUP, "group_id").values("detail_at")),
    )
    return get_object_or_404(with_step(rows), pk=pk)


def _known(kind: Kind, column: str) -> QuerySet[CatalogEntry]:
    """What the catalog holds under the id in this column of the request: one row at most."""
    return CatalogEntry.objects.filter(kind=kind, fivetran_id=OuterRef(column)).order_by()


def connection_of(row: ConnectionRequest) -> Connection | None:
    """The connection that came of the request, if one did."""
    return getattr(row, "connection", None)


def known_at(row: ConnectionRequest) -> datetime | None:
    """As of when Fivetran's words about the connection hold: a list that changed nothing confirmed them too."""
    connection = connection_of(row)
    moments = [connection.seen_at if connection else None, getattr(row, "listed_at", None)]
    return max((moment for moment in moments if moment), default=None)


def handover_of(row: ConnectionRequest) -> Handover | None:
    """The hand-over of its credentials, if there is one."""
    return getattr(row, "handover", None)


def source_owner(row: ConnectionRequest) -> str:
    """Whose credentials they are: whom the hand-over waits for, else whom the request names."""
    handover = handover_of(row)
    return handover.owner_name if handover is not None else row.source_owner or str(row.requester)


def is_paused(connection: Connection | None) -> bool:
    """Whether Fivetran last said that the connection is paused."""
    return bool(connection and connection.is_paused)


def denied_reason(check: Callable[[Person, Subject], None], user: Person, subject: Subject) -> str:
    """The reason for which `check` denies, or an empty text."""
    try:
        check(user, subject)
    except permissions.Denied as denied:
        return denied.reason
    return ""
