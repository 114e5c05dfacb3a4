"""How many statements the work of one request costs: on one interpreter they are what a worker's speed is made of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections import worker
from connections.models import ConnectionRequest
from connections.states import Actor, Status
from connections.worker import outcome
from tests import factories
from tests.handover import CARD
from tests.sandbox_client import Fivetran
from tests.views.test_request_page import poll_url

CREATION, APPROVAL = 7, 12
POLL = {"requester": 3, "approver": 5, "operator": 5, "auditor": 5}
_FRAME = ("BEGIN", "COMMIT")
# SQLite takes no rows with an UPDATE, so each is a statement of its own there.
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="the budget is of PostgreSQL")


@contextmanager
def statements() -> Iterator[list[str]]:
    """Yields a list that has them afterwards, without the frames of transactions."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    found += [query["sql"] for query in captured.captured_queries if not query["sql"].startswith(_FRAME)]


@on_postgresql
@pytest.mark.parametrize("budget", [0, 600])
@pytest.mark.parametrize("tested", [True, False])
def test_a_creation(
    fivetran: Fivetran, approve: Callable[..., ConnectionRequest], settings: Any, budget: int, tested: bool
) -> None:
    settings.CREATIONS_PER_MINUTE = budget
    worker.run("submit", approve("before").pk)  # the key's account is asked for once
    conn_request = approve("counted", run_setup_tests=tested)
    with statements() as found:
        worker.run("submit", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.state is Status.CREATED
    assert len(found) <= CREATION, "\n".join(found)


@on_postgresql
def test_the_end_of_a_creation_that_is_handed_over(cast: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.SENDING, cast["requester"], **CARD)
    data = factories.created_data(conn_request, status={"setup_state": "incomplete"})
    conn_request = ConnectionRequest.objects.get(pk=conn_request.pk)  # as the claim returns it
    with statements() as found:
        outcome.to_created(conn_request, Actor.WORKER, data)
    # In a test its BEGIN and COMMIT are two savepoints. Before it the breaker, what is left of the limit, the budget,
    # the claim and the sending; beside it the breaker. One more than without: who is mailed.
    assert len(found) - 2 + 6 <= CREATION + 1, "\n".join(found)


@on_postgresql
@pytest.mark.parametrize("role", POLL)
def test_a_question_of_an_open_page_with_nothing_new(
    as_user: Callable[[str], Client], cast: dict[str, User], role: str
) -> None:
    conn_request = factories.approved(cast["requester"], cast["approver"])
    reader = as_user(role)
    page = reader.get(f"/requests/{conn_request.pk}/").content.decode()
    url = poll_url(page) or ""
    with statements() as found:
        assert reader.get(url).status_code == 204
    assert len(found) <= POLL[role], "\n".join(found)


@on_postgresql
def test_an_approval(as_user: Callable[[str], Client], cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    reader = as_user("approver")
    reader.get("/requests/")
    with statements() as found:
        answer = reader.post(f"/requests/{conn_request.pk}/approve/", {"digest": conn_request.digest})
    assert answer.status_code == 302
    conn_request.refresh_from_db()
    assert conn_request.state is Status.APPROVED
    assert len(found) <= APPROVAL, "\n".join(found)
