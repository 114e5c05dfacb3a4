"""Real workers with clocks of a few seconds, and the invariants that hold after every fault."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from connections import catalog
from connections.models import ConnectionRequest
from connections.provisioning import account
from connections.states import Status
from tests import factories, processes
from tests.stand_in import Fivetran

CLOCKS = {
    "SUBMIT_CONNECT_TIMEOUT": "1",
    "SUBMIT_READ_TIMEOUT": "2",
    "SUBMIT_DEADLINE": "3",
    "SETTLE_SECONDS": "3",
    "SWEEP_INTERVAL": "1",
    "CLAIM_LEASE": "2",
    "PROBE_SECONDS": "1",
}


@pytest.fixture
def fivetran(groups: None, sandbox: processes.Sandbox) -> Fivetran:
    """The sandbox, with quick setup tests."""
    account._known.clear()
    stand_in = Fivetran(sandbox.url)
    stand_in.settings(test_seconds=0)
    return stand_in


@pytest.fixture
def environment(portal_environment: dict[str, str]) -> dict[str, str]:
    """The environment of the portal's processes, with the clocks above."""
    return {**portal_environment, **CLOCKS}


@pytest.fixture
def approve(fivetran: Fivetran, live_broker: str) -> Callable[..., ConnectionRequest]:
    """`approve("name")` is an approved request; its doorbell was rung."""
    catalog.refresh_all()
    group = catalog.destinations()[0].id

    def make(schema: str, **changes: Any) -> ConnectionRequest:
        return factories.approved(group_id=group, config__schema=schema, config__table="t", **changes)

    return make


@pytest.fixture
def machinery(environment: dict[str, str]) -> Iterator[Callable[[], processes.Process]]:
    """`machinery()` starts a worker and, the first time, a scheduler; returns the worker."""
    with ExitStack() as stack:
        started: list[processes.Process] = []

        def start() -> processes.Process:
            if not started:
                stack.enter_context(processes.scheduler(environment))
            started.append(stack.enter_context(processes.worker(environment)))
            return started[-1]

        yield start


def status(request: ConnectionRequest) -> Status:
    """The row's status now."""
    return ConnectionRequest.objects.get(pk=request.pk).state


def settles(*requests: ConnectionRequest, as_: Status = Status.CREATED, patience: float = 30) -> None:
    """Wait until each request is `as_`, then check that the database and Fivetran agree, one connection each."""
    processes.until(
        lambda: all(status(request) is as_ for request in requests),
        patience,
        story=lambda: str([(r.schema, status(r), ConnectionRequest.objects.get(pk=r.pk).note) for r in requests]),
    )


def exactly_one(fivetran: Fivetran, *requests: ConnectionRequest) -> None:
    """Each request has its one connection at Fivetran, under the id that we say, with one event for each move."""
    there: dict[str, list[str]] = {}
    for connection in fivetran.connections():
        there.setdefault(connection["schema"], []).append(connection["id"])
    for request in requests:
        request.refresh_from_db()
        assert there.get(request.schema) == [request.connection_id], (request.schema, there)
        moves = list(request.events.order_by("version").values_list("version", flat=True))
        assert moves == sorted(set(moves))
        assert request.events.filter(target=Status.APPROVED, by=request.approved_by).count() == 1
