"""What waits for an approver."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, F, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections import permissions
from connections.context_processors import WAITING
from connections.evidence import Evidence, evidence_of, evidence_of_change
from connections.models import Connection, ConnectionRequest
from connections.models.request import ConnectionRequestQuerySet
from connections.permissions import Person
from connections.views.changes import change_labels

SHOWN = 100
# What both lists of certificates and keys that wait show of a connection.
_WHO = tuple(f"request__requester__{name}" for name in ("username", "first_name", "last_name"))
_WHAT = tuple(f"request__{name}" for name in ("service", "service_name", "group_name", "schema"))
_OF_BATCH = 10  # things to notice that the inbox tells of a batch
_LOOKED_AT = 500  # rows of batches whose evidence is gathered for the inbox


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    # The oldest first; the requests of one batch are one line.
    if not permissions.is_approver(request.user):
        raise permissions.Denied("Only approvers see what waits for approval.")
    context = _requests(request.user)
    changes = permissions.changes_waiting_for(request.user).select_related("request", "requester")
    context["changes"] = [
        (change, change_labels.differences(change), evidence_of_change(change)) for change in changes[:SHOWN]
    ]
    context["to_trust"] = to_trust(request.user, SHOWN)
    to_approve = [*context["requests"], *context["changes"], *context["to_trust"]]
    setattr(request, WAITING, len(to_approve) + sum(batch["waiting"] for batch in context["batches"]))
    shown = (name for name in ("batches", "requests", "more", "changes", "to_trust") if context[name])
    context["sections"] = [f"connections/approvals/_{name}.html" for name in shown]
    return render(request, "connections/approvals/inbox.html", context)


def to_trust(user: Person, most: int) -> list[Connection]:
    """The connections with a certificate or key that `user` may approve."""
    rows = permissions.trust_waiting_for(user).select_related("request__requester")
    return list(rows.only("trust_waiting", "trust_since", *_WHAT, *_WHO)[:most])


def _requests(user: Person) -> dict[str, Any]:
    waiting = permissions.waiting_for(user)
    rows = list(waiting.filter(batch_row=None).select_related("requester")[: SHOWN + 1])
    batches = waiting.exclude(batch_row=None).order_by().values("batch_row__batch", "requester__username")
    batches = batches.annotate(waiting=Count("id"), since=Min("submitted_at")).order_by("since", "batch_row__batch")
    listed: list[dict[str, Any]] = [dict(one) for one in batches[:SHOWN]]
    of_batches = _rows_of(waiting, [one["batch_row__batch"] for one in listed])
    evidence = evidence_of([*rows[:SHOWN], *of_batches], user)
    for one in listed:
        mine = [conn_request for conn_request in of_batches if conn_request.batch_of == one["batch_row__batch"]]  # type: ignore[attr-defined]  # annotated by _rows_of()
        summed = summed_evidence(evidence[conn_request.pk] for conn_request in mine)
        one["requester"] = mine[0].requester if mine else User(username=one["requester__username"])
        more = len(summed) > _OF_BATCH or len(mine) < one["waiting"]
        rest = "There may be more to notice: open the batch." if more else "" if summed else "nothing"
        one |= {"evidence": summed[:_OF_BATCH], "rest": rest}
    return {
        "requests": [(conn_request, evidence[conn_request.pk]) for conn_request in rows[:SHOWN]],
        "more": len(rows) > SHOWN,
        "batches": listed,
    }


def _rows_of(waiting: ConnectionRequestQuerySet, batches: list[int]) -> list[ConnectionRequest]:
    # Only the first rows: a batch may have hundreds.
    if not batches:
        return []
    rows = waiting.filter(batch_row__batch__in=batches).select_related("requester")
    return list(rows.annotate(batch_of=F("batch_row__batch"))[:_LOOKED_AT])


def summed_evidence(of_rows: Iterable[list[Evidence]]) -> list[Evidence]:
    """Each piece of evidence once, with the number of rows that it is true of."""
    counted = Counter(one for evidence in of_rows for one in dict.fromkeys(evidence))
    return [
        replace(one, words=f"{one.words} ({count} rows)" if count > 1 else one.words) for one, count in counted.items()
    ]
