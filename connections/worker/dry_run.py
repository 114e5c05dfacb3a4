"""The dry run that somebody asked for: reading only, so a run whose worker died is simply made again."""

import logging
import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from connections.dry_run.conducting import SECONDS, conduct
from connections.models import CircuitBreaker, DryRun, update_one
from connections.queue import call
from connections.queue.job import Message
from connections.spec.dry_run import Result

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=1.2 * SECONDS)
AT_ONCE = 4  # of a worker's 16 threads: where Fivetran is slow each is held for seconds, and all else waits behind them
GIVE_UP = timedelta(minutes=3)  # since it was asked for, for a run that ends its worker each time
_ALONE = timedelta(minutes=1)  # since a lease ended; longer without a worker, or paused, is no try
DUE = Q(due_at__lte=Now()) & (Q(not_before=None) | Q(not_before__lte=Now()))
_BEGUN = Q(token__isnull=False, due_at__isnull=False)
_TRIED_OFTEN = DUE & _BEGUN & Q(asked_at__lte=Now() - GIVE_UP, not_before__gt=Now() - _ALONE)
_ENDED = {"due_at": None, "not_before": None, "token": None, "finished_at": Now()}
due = DryRun.objects.filter(DUE).order_by("due_at").all


def make_dry_run(request_id: int) -> Iterable[Message]:
    """Make the dry run of this request, if one is due and no other worker makes it; then another is."""
    if DryRun.objects.filter(_TRIED_OFTEN, request_id=request_id).update(**_ENDED):
        log.error("the dry run of request %s ended its worker again and again, and is given up", request_id)
    token = uuid.uuid4()
    row = _claimed(request_id, token)
    if row is None:
        return []
    _make(row, token)
    return [("dry_run", following) for following in due().values_list("request_id", flat=True)[:1]]


def room() -> int:
    """How many more may be made now."""
    return max(0, AT_ONCE - DryRun.objects.filter(_BEGUN, not_before__gt=Now()).count())


def _claimed(request_id: int, token: uuid.UUID) -> DryRun | None:
    columns = {"token": token, "not_before": Now() + LEASE, "checks": [], "finished_at": None}
    with transaction.atomic():
        # Counted behind a lock that all workers share, or many that begin together would each see an empty house.
        list(CircuitBreaker.objects.select_for_update().filter(pk=1).values_list("pk"))
        return update_one(DryRun, Q(request_id=request_id) & DUE, columns=columns) if room() else None


def _make(row: DryRun, token: uuid.UUID) -> None:
    mine = DryRun.objects.filter(pk=row.pk, token=token)  # until somebody asks again, or another worker took over

    def tell(results: list[Result]) -> bool:
        return mine.update(checks=[one.as_json() for one in results]) == 1

    conn_request = row.request
    tested = {"version": conn_request.version, "digest": conn_request.digest}
    try:
        conducted = conduct(conn_request, tell)
    except call.DATABASE_DOWN:
        raise
    except Exception:  # else it would be tried for ever; what was told so far stays
        log.exception("the dry run of request %s could not be made", row.request_id)
        mine.update(**_ENDED, **tested)
        return
    if conducted is not None:
        results = [one.as_json() for one in conducted.results]
        mine.update(**_ENDED, **{**tested, "digest": conducted.digest}, checks=results)
