"""The dry run that somebody asked for: reading only, so a run whose worker died is simply made again."""

import logging
import uuid
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from connections.dry_run.conducting import SECONDS, conduct
from connections.models import DryRun, update_one
from connections.queue import call
from connections.spec.dry_run import Result

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=1.2 * SECONDS)
DUE = Q(due_at__lte=Now()) & (Q(not_before=None) | Q(not_before__lte=Now()))
due = DryRun.objects.filter(DUE).order_by("due_at").all


def make_dry_run(request_id: int) -> None:
    """Make the dry run of this request, if one is due and no other worker makes it."""
    token = uuid.uuid4()
    held = {"token": token, "not_before": Now() + LEASE, "checks": []}
    row = update_one(DryRun, Q(request_id=request_id) & DUE, columns=held)
    if row is None:
        return
    mine = DryRun.objects.filter(pk=row.pk, token=token)  # until somebody asks again, or another worker took over

    def tell(results: list[Result]) -> bool:
        return mine.update(checks=[one.as_json() for one in results]) == 1

    conn_request = row.request
    ended = {"due_at": None, "not_before": None, "token": None, "finished_at": Now(), "version": conn_request.version}
    try:
        conducted = conduct(conn_request, tell)
    except call.DATABASE_DOWN:
        raise
    except Exception:  # else it would be tried for ever; what was told so far stays
        log.exception("the dry run of request %s could not be made", request_id)
        mine.update(digest=conn_request.digest, **ended)
        return
    if conducted is not None:
        mine.update(checks=[one.as_json() for one in conducted.results], digest=conducted.digest, **ended)
