"""Reading the last syncs of a connection from Fivetran. Nothing but a picture on its page depends on them."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from connections.fivetran import configured
from connections.fivetran.errors import FivetranError, Refused, Unknown
from connections.models import Connection, update_one
from connections.models.connection import moment_of
from connections.queue import circuit_breaker
from connections.worker import account
from connections.worker.connection_status import THERE

AT_ONCE = 20  # connections a sweep: with one each 30 s that is an eighth of the 20,000 calls an hour of an account
LIMITS: dict[str, Any] = {"read_timeout": 5.0, "get_deadline": 8.0}  # seconds: the rest of the lane waits behind it
KEPT = 20  # syncs of a connection
NOT_FOUND_FOR = timedelta(days=7)  # an account that has no history of syncs is not asked for it all the time
_ALLOWED = Q(syncs_not_before=None) | Q(syncs_not_before__lte=Now())
DUE = _ALLOWED & Q(THERE, syncs_due_at__lte=Now())
due = Connection.objects.filter(DUE).order_by("syncs_due_at").all


def read_syncs(request_id: int) -> None:
    """Store the syncs since those that are known, if one ended and no other worker asks (GET, repeatable)."""
    # The claim is also the pause before the next look: after an unclear answer, or where this worker dies.
    pause = {"syncs_not_before": Now() + timedelta(seconds=settings.SYNC_HISTORY_INTERVAL)}
    row = update_one(Connection, Q(request_id=request_id) & DUE, columns=pause)
    if row is None:
        return
    mine, known = Connection.objects.filter(pk=row.pk), row.syncs
    since = moment_of(known[-1]["start"]) if known else None
    try:
        client = configured.client(**LIMITS)
        if not account.same(client, row.request.approved_account):
            return
        found = client.list_syncs(str(row.request.connection_id), since)
        mine.update(syncs=_last([*known, *found]))
    except Refused as error:
        if error.status != 404:
            return
        mine.update(syncs_not_before=Now() + NOT_FOUND_FOR)
    except Unknown:  # which may be of this call alone: it holds up no creation, but the others of its kind
        Connection.objects.filter(DUE).update(**pause)
        return
    except FivetranError as error:
        circuit_breaker.record_failure(error, read=True)
        return
    # Not where one ended meanwhile. SQLite compares texts, to the millisecond.
    soon = timedelta(milliseconds=1)
    mine.filter(syncs_due_at__lte=row.syncs_due_at and row.syncs_due_at + soon).update(syncs_due_at=None)


def _last(found: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The last that ended, oldest first, of what may be in any order, twice, or of any shape."""
    ended, latest = {}, timezone.now() + timedelta(days=1)  # of what lies further ahead nothing newer would be seen
    for item in found:
        start, end = moment_of(item.get("start")), moment_of(item.get("end"))
        if start and end and start <= end <= latest:
            times = {"start": start.isoformat(), "end": end.isoformat()}
            ended[start] = times | {"status": str(item.get("status") or "")[:20]}
    return [ended[start] for start in sorted(ended)[-KEPT:]]
