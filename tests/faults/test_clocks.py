"""Clocks that are wrong, and people who leave."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connections
from django.db.models.deletion import ProtectedError
from django.test import Client
from django.urls import reverse

from connections import permissions, worker, workflow
from connections.models import ConnectionRequest
from connections.states import Status
from tests import factories
from tests.faults.conftest import CLOCKS, IMPATIENT, exactly_one, fresh, status
from tests.processes import until
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]


@pytest.fixture(autouse=True)
def clocks(settings: Any) -> Any:
    """The short clocks in this process: here it is the worker."""
    for name, value in CLOCKS.items():
        setattr(settings, name, float(value))
    settings.CREATIONS_PER_MINUTE = 0
    return settings


@pytest.mark.parametrize("minutes", [10, -10, 60 * 24])
def test_a_worker_whose_clock_is_wrong(fivetran: Fivetran, approve: Approve, minutes: int) -> None:
    """Fault 59: leases and waits are the database's; a second worker with the right time claims nothing twice."""
    conn_request, other = approve("clock_one"), approve("clock_two")
    fivetran.hold("effect")

    def wrong() -> None:
        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=minutes), tick=True):
            worker.run("submit", conn_request.pk)
        connections.close_all()

    thread = threading.Thread(target=wrong)
    thread.start()
    until(fivetran.holding)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=minutes), tick=True):
        worker.sweep()
        worker.run("submit", conn_request.pk)
        assert status(conn_request) is Status.SENDING
    fivetran.release()
    thread.join()
    worker.run("submit", other.pk)
    assert {status(conn_request), status(other)} == {Status.CREATED}
    exactly_one(fivetran, conn_request, other)
    assert len(fivetran.posts()) == 2


def test_a_clock_that_jumps_back_during_a_call(fivetran: Fivetran, approve: Approve, clocks: Any) -> None:
    """Fault 60: the deadline of a call counts seconds that pass, not what a clock shows."""
    fivetran.settings(hold_seconds=10)
    for name, value in IMPATIENT.items():
        setattr(clocks, name, float(value))
    conn_request = approve("lost_jump")
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        thread = threading.Thread(target=lambda: (worker.run("submit", conn_request.pk), connections.close_all()))
        thread.start()
        until(fivetran.connections)
        traveller.shift(timedelta(hours=-1))
        thread.join(timeout=clocks.SUBMIT_DEADLINE + 5)
        assert not thread.is_alive() and status(conn_request) is Status.UNKNOWN
        worker.run("reconcile", conn_request.pk)
    assert status(conn_request) is Status.CREATED
    exactly_one(fivetran, conn_request)


def test_people_who_leave(fivetran: Fivetran, approve: Approve) -> None:
    """Fault 67: what was approved is sent, the history keeps the names, and nobody's row can be deleted."""
    conn_request = approve("left_behind")
    approver = conn_request.approved_by
    assert approver is not None
    for person in (conn_request.requester, approver):
        person.is_active = False
        person.save()
        with pytest.raises(ProtectedError):
            person.delete()
    worker.run("submit", conn_request.pk)
    assert status(conn_request) is Status.CREATED
    exactly_one(fivetran, conn_request)
    auditor = Client()
    auditor.force_login(factories.person("auditor"))
    page = auditor.get(reverse("connections:request", args=[conn_request.pk])).content.decode()
    assert conn_request.requester.username in page and approver.username in page


def test_the_right_is_lost_between_page_and_press(fivetran: Fivetran, group: str, caplog: Any) -> None:
    """Fault 30: 403 for who may still read it, 404 for who may not even that; nothing is approved."""
    conn_request = factories.submitted(group_id=group)
    approver = factories.person("approver")
    client = Client()
    client.force_login(approver)
    assert client.get(reverse("connections:request", args=[conn_request.pk])).status_code == 200
    url, form = reverse("connections:approve", args=[conn_request.pk]), {"digest": conn_request.digest}
    approver.groups.set(factories.person("auditor").groups.all())
    assert client.post(url, form).status_code == 403 and status(conn_request) is Status.PENDING
    assert f"Forbidden (Permission denied): {url}" in caplog.text
    approver.groups.clear()
    assert client.post(url, form).status_code == 404 and status(conn_request) is Status.PENDING
    assert f"Not Found: {url}" in caplog.text


def test_edited_between_page_and_press(fivetran: Fivetran, group: str) -> None:
    """Fault 29: the body on the page is not the body any more; the approver reads so."""
    conn_request = factories.submitted(group_id=group)
    seen = conn_request.digest
    approver = factories.person("approver")
    client = Client()
    client.force_login(approver)
    changed = factories.filing(group_id=group, sync_frequency=60)
    workflow.submit(by=conn_request.requester, filing=changed, conn_request=fresh(conn_request))
    answer = client.post(reverse("connections:approve", args=[conn_request.pk]), {"digest": seen}, follow=True)
    assert status(conn_request) is Status.PENDING and "changed" in answer.content.decode()
    assert permissions.can_decide(approver, fresh(conn_request))
