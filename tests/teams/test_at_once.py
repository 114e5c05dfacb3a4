"""A hand-over and an approval at the same time: whoever comes second sees what the first did."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from connections import workflow
from connections.models import ChangeKind, ConnectionRequest
from connections.permissions import Denied
from connections.spec import trust_candidates
from connections.states import Status
from connections.worker import setup_tests
from tests import factories
from tests.views.test_trust import CERTIFICATE, failed

pytestmark = [
    pytest.mark.sql,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
    pytest.mark.django_db(transaction=True),
]
Act = Callable[[], Any]


def second(first: Act, then: Act) -> list[BaseException]:
    """What `then` raised, which began while the transaction of `first` was open, and had to wait for it."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            then()
        except BaseException as error:  # noqa: BLE001  # the test looks at it
            raised.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic(), connection.cursor() as cursor:
        first()
        thread.start()
        waits = False
        while thread.is_alive() and not waits:
            thread.join(0.05)
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            waits = cursor.fetchone()[0] > 0
    thread.join(60)
    return raised


@pytest.fixture(params=["trust", "change"])
def acts(request: pytest.FixtureRequest) -> Iterator[tuple[Act, Act]]:
    """To approve something of a connection, and to hand the connection to whoever approves it."""
    robin, ada = factories.person(), factories.person("approver", username="ada")
    other, operator = factories.person("approver"), factories.person("operator")
    conn_request = factories.request_in(Status.CREATED, robin, other)

    def read() -> ConnectionRequest:
        return ConnectionRequest.objects.get(pk=conn_request.pk)

    def hand_over() -> None:
        workflow.reassign(by=operator, conn_request=read(), to=ada, reason="Robin left")

    yield _approval(request.param, read, ada, other), hand_over


def _approval(what: str, read: Callable[[], ConnectionRequest], ada: User, other: User) -> Act:
    if what == "trust":
        [one] = trust_candidates.candidates(CERTIFICATE)
        conn_request = read()
        setup_tests.store(conn_request, conn_request.connection, {"setup_tests": failed(CERTIFICATE)})
        return lambda: workflow.approve_trust(
            by=ada, conn_request=read(), kind=one.kind, hash=one.hash, shown=one.digest
        )
    change = workflow.ask_for_change(by=other, conn_request=read(), kind=ChangeKind.PAUSE, reason="Holidays")
    return lambda: workflow.approve_change(by=ada, change=change, digest=change.digest)


def test_nobody_is_handed_what_they_approve_at_that_moment(acts: tuple[Act, Act]) -> None:
    approve, hand_over = acts
    [error] = second(approve, hand_over)
    assert isinstance(error, Denied) and "ada approved" in str(error)


def test_nobody_approves_what_is_handed_to_them_at_that_moment(acts: tuple[Act, Act]) -> None:
    approve, hand_over = acts
    [error] = second(hand_over, approve)
    assert isinstance(error, Denied) and "handed to you" in str(error)
