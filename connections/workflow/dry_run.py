"""Asking for a dry run of a request."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from connections import limits, permissions, tasks
from connections.models import ConnectionRequest, DryRun, Event, EventKind
from connections.workflow.changes import actor_of


def ask_for_dry_run(*, by: User, conn_request: ConnectionRequest) -> None:
    """Have the request tested as it stands now; the result takes the place of the one before. Raises TooMany."""
    permissions.check_can_test(by, conn_request)
    with transaction.atomic():
        limits.check_action(by, limits.DRY_RUNS)
        Event.objects.note(conn_request, EventKind.DRY_RUN_ASKED, actor=actor_of(by, conn_request), by=by)
        # One that runs is begun anew: the body may be another by now. What the last one found stays until this begins.
        asked = {"asked_by": by, "asked_at": Now(), "due_at": Now(), "not_before": None, "token": None}
        DryRun.objects.update_or_create(request=conn_request, defaults=asked)
        tasks.enqueue_on_commit("dry_run", conn_request.pk)
