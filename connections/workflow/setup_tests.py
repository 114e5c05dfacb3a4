"""Asking for another run of the setup tests."""

from functools import partial

from django.contrib.auth.models import User
from django.db import transaction

from connections import limits, permissions, tasks
from connections.models import (
    Connection,
    ConnectionRequest,
    Event,
    EventKind,
    SetupTestsState,
    StaleRow,
    move,
    store_turn,
)
from connections.models.connection import DUE_NOW
from connections.workflow.changes import actor_of


def rerun_tests(*, by: User, conn_request: ConnectionRequest) -> None:
    """Ask for another run of the setup tests. Raises TooMany and StaleRow."""
    permissions.check_can_rerun_tests(by, conn_request)
    with transaction.atomic():
        limits.check_action(by, limits.TEST_RUNS)
        connection, actor = Connection.objects.filter(request=conn_request), actor_of(by, conn_request)
        asked = partial(Event.objects.note, conn_request, EventKind.TESTS_REQUESTED, actor=actor, by=by)
        if move(connection, SetupTestsState.DUE, actor=actor, event=asked, **DUE_NOW) != 1:
            raise StaleRow("The setup tests are already on their way.")
        store_turn(conn_request.pk)
        tasks.enqueue_on_commit("run_tests", conn_request.pk)
