"""Workers killed with SIGKILL at every point of a sending: one connection, and the request ends Created."""

from collections.abc import Callable

import pytest

from connections.models import ConnectionRequest
from connections.states import Status
from tests.faults.conftest import exactly_one, settles, status
from tests.processes import Process, until
from tests.stand_in import Fivetran

Approve = Callable[..., ConnectionRequest]
Machinery = Callable[[], Process]
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("phase", ["headers", "body", "effect", "half", "answered"])
def test_a_worker_killed_while_sending(fivetran: Fivetran, approve: Approve, machinery: Machinery, phase: str) -> None:
    worker = machinery()
    fivetran.hold(phase)
    request = approve(f"kill_{phase}")
    until(fivetran.holding)
    assert status(request) in {Status.SENDING, Status.CREATED}  # created only once the answer was on its way
    assert phase == "answered" or status(request) is Status.SENDING
    worker.kill()
    fivetran.release()
    machinery()
    settles(request)
    exactly_one(fivetran, request)


def test_a_worker_killed_between_claim_and_sending(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    worker = machinery()
    fivetran.call("hold", {"phase": "headers", "method": "GET", "path": "/v1/connections*"})
    request = approve("kill_claimed")
    until(fivetran.holding)
    assert status(request) is Status.CLAIMED
    worker.kill()
    fivetran.release()
    machinery()
    settles(request)
    exactly_one(fivetran, request)
    assert len(fivetran.posts()) == 1


def test_a_deploy_in_the_middle(fivetran: Fivetran, approve: Approve, machinery: Machinery) -> None:
    worker = machinery()
    fivetran.settings(create_seconds=1)
    request = approve("deploy_now")
    until(lambda: status(request) is Status.SENDING)
    worker.stop(patience=10)  # SIGTERM: the running call is finished
    assert status(request) is Status.CREATED
    exactly_one(fivetran, request)
