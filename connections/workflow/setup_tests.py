"""Asking for another run of the setup tests."""

from functools import partial

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from connections import limits, permissions, tasks
from connections.models import (
    TESTS_OPEN,
    Connection,
    ConnectionRequest,
    Event,
    EventKind,
    SetupTestsState,
    StaleRow,
    store_turn,
)
from connections.workflow.changes import actor_of


def rerun_tests(*, by: User, conn_request: ConnectionRequest) -> None:
    """Ask for another run of the setup tests. Raises TooMany and StaleRow."""
    permissions.check_can_rerun_tests(by, conn_request)
    with transaction.atomic():
        limits.check_action(by, limits.TEST_RUNS)
        changed = (
            Connection.objects.filter(request=conn_request)
            .exclude(tests__in=TESTS_OPEN)
            .update(tests=SetupTestsState.DUE, tests_next_try_at=Now(), tests_attempts=0, tests_note="")
        )
        if changed != 1:
            raise StaleRow("The setup tests are already on their way.")
        store_turn(conn_request.pk)
        Event.objects.note(conn_request, EventKind.TESTS_REQUESTED, actor=actor_of(by, conn_request), by=by)
        transaction.on_commit(partial(tasks.enqueue, tasks.run_tests, conn_request.pk), robust=True)
