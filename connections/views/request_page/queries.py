"""A request as its pages read it: for whom it exists, and what is read with it."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar, cast

from django.contrib.auth.models import User
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from connections import permissions
from connections.models import (
    Attempt,
    CatalogEntry,
    CircuitBreaker,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Event,
    EventKind,
    Handover,
    Kind,
    Observation,
    with_step,
)
from connections.people import display_name
from connections.permissions import Person
from connections.spec.characters import visible
from connections.states import CHANGE_OPEN

Subject = TypeVar("Subject")
_BREAKER = CircuitBreaker.objects.filter(pk=1)
_BREAKER_COLUMNS = ("paused_at", "paused_jobs", "reason", "not_before")
# Events that the timeline leaves out: others tell of the first two, and who took a copy along is for the record.
TOLD_ELSEWHERE = (EventKind.TESTS_STORED, EventKind.DRY_RUN_ASKED, EventKind.EXPORTED)
SHOWN_DIGEST = 16  # characters of the digest that tell one body of a request from another


def reader(request: HttpRequest) -> User:
    # The log-in lets nobody else pass.
    return cast(User, request.user)


def find(user: Person, pk: int, *, with_checks: bool = False) -> ConnectionRequest:
    """Raises Http404 where the request does not exist for `user`. `with_checks`: what its dry run found comes along."""
    # All that tells whether something is new comes with it: an open page that shows the present state costs no other.
    rows = ConnectionRequest.objects.select_related(
        "requester",
        "decided_by",
        "approved_by",
        "connection",
        "cloned_from",
        "preset__approvers",
        "batch_row",
        "team__group",
        "handover__owner",
        "dry_run__asked_by",
    )
    if not with_checks:  # 30 KB, for buttons, exports and an open page that shows the present state
        rows = rows.defer("dry_run__checks")
    latest = Event.objects.filter(~Q(kind=EventKind.EXPORTED), request=OuterRef("pk")).order_by().values("request")
    changes = ConnectionChange.objects.filter(request=OuterRef("pk")).order_by("-pk")
    attempt = Attempt.objects.filter(request=OuterRef("pk")).order_by().values("request")
    rows = rows.annotate(
        latest_event=Subquery(latest.annotate(last=Max("pk")).values("last")),
        listed_at=Subquery(Observation.objects.filter(pk=1).values("finished_at")),
        latest_attempt=Subquery(attempt.annotate(last=Max("pk")).values("last")),
        latest_change=Subquery(changes.values("pk")[:1]),
        open_change=Subquery(changes.filter(status__in=sorted(CHANGE_OPEN)).values("pk")[:1]),
        guide=Subquery(catalog_rows(Kind.SERVICE, "service").values(link=KT("data__link_to_docs"))),
        group_told_at=Subquery(catalog_rows(Kind.GROUP, "group_id").values("detail_at")),
        **permissions.answers(user),
        **{f"breaker_{name}": Subquery(_BREAKER.values(name)) for name in _BREAKER_COLUMNS},
    )
    found = get_object_or_404(with_step(permissions.with_reader(rows, user)), pk=pk)
    permissions.read_for(user, found)
    permissions.keep_answer(user, found, found)
    if not permissions.can_see(user, found):
        raise Http404
    return found


def catalog_rows(kind: Kind, column: str) -> QuerySet[CatalogEntry]:
    return CatalogEntry.objects.filter(kind=kind, fivetran_id=OuterRef(column)).order_by()


def connection_of(conn_request: ConnectionRequest) -> Connection | None:
    return getattr(conn_request, "connection", None)


def known_at(conn_request: ConnectionRequest) -> datetime | None:
    # A list that changed nothing confirms Fivetran's words too.
    connection = connection_of(conn_request)
    moments = [connection.seen_at if connection else None, getattr(conn_request, "listed_at", None)]
    return max((moment for moment in moments if moment), default=None)


def handover_of(conn_request: ConnectionRequest) -> Handover | None:
    return getattr(conn_request, "handover", None)


def source_owner(conn_request: ConnectionRequest) -> str:
    """Whom the hand-over waits for, else whom the request names, else its requester."""
    handover = handover_of(conn_request)
    if handover is None:
        return conn_request.source_owner or display_name(conn_request.requester)
    return display_name(handover.owner) if handover.owner else handover.owner_name


def trust_approvers(conn_request: ConnectionRequest, most: int) -> list[str]:
    """Who may approve what is to be trusted, by name; more than `most` are "others"."""
    people = permissions.trust_approvers(conn_request)[: most + 1]
    names = [visible(display_name(person)) for person in people]
    return [*names[:most], "others"] if len(names) > most else names


def denied_reason(check: Callable[[Person, Subject], None], user: Person, subject: Subject) -> str:
    """Empty where `check` denies nothing."""
    try:
        check(user, subject)
    except permissions.Denied as denied:
        return denied.reason
    return ""
