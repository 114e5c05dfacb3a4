"""Setup tests that were approved are owed until their result is stored: an answer without any makes them due."""

from typing import Any

import pytest

from connections import worker
from connections.models import Connection, SetupTestsState
from connections.states import Actor, Status
from connections.worker import outcome
from tests import factories

pytestmark = pytest.mark.django_db
ABSENT = object()


def created(answered: Any, **changes: Any) -> Connection:
    """The connection of a request whose 201 brought `answered` as its tests."""
    conn_request = factories.request_in(Status.SENDING, **changes)
    data = factories.created_data(conn_request, setup_tests=answered)
    if answered is ABSENT:
        del data["setup_tests"]
    outcome.to_created(conn_request, Actor.WORKER, data)
    return Connection.objects.get(request=conn_request)


@pytest.mark.parametrize("answered", [ABSENT, [], None, "later", {}, [None], ["PASSED"]])
def test_tests_that_did_not_come_with_the_201_are_due(answered: Any) -> None:
    connection = created(answered)
    assert connection.tests == SetupTestsState.DUE and connection.tests_next_try_at is not None
    assert not connection.runs.exists()
    assert worker.sweep()["run_tests"] == [connection.request_id]


def test_tests_that_came_are_stored_and_tests_nobody_asked_for_are_not_run() -> None:
    passed = [{"title": "Connecting", "status": "PASSED", "message": "", "details": None}]
    assert created(passed).tests == SetupTestsState.STORED
    for answered in ([], passed, ABSENT):
        assert created(answered, run_setup_tests=False).tests == SetupTestsState.NONE
