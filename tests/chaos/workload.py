"""What is asked for: requests whose names make the sandbox answer well, badly or not at all, filed over time."""

import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError
from django.db import connections as databases

from connections import workflow
from connections.models import ConnectionRequest
from connections.states import Status
from tests import factories

T = TypeVar("T")
AGAIN = 0.3  # seconds after which a person tries again

# Prefix of the destination name -> requests in 100. What each does: connections/sandbox/faults.py.
FAULTY = {
    "lost_": 4,
    "lost_before_": 3,
    "late_": 4,
    "drop_": 3,
    "drop_before_": 2,
    "reset_": 2,
    "cut_": 3,
    "short_": 1,
    "noid_": 2,
    "drip_": 1,
    "html_": 3,
    "error_": 3,
    "error_after_": 2,
    "busy_": 1,
    "unauthorized_": 1,
    "refused_": 1,
}
GOOD = {"fine_": 58, "slow_": 2, "fails_": 2, "odd_": 2}
REFUSED = ("refused_",)  # a definite refusal: such a request ends as failed, without a connection


@dataclass
class Workload:
    """Files and approves `total` requests, `per_second` of them on average; the rest of a second is drawn."""

    total: int
    per_second: float
    seed: int
    group_id: str
    slowest_approval: float = 0.0  # seconds
    faulty: dict[str, int] = field(default_factory=dict)
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self._random = random.Random(f"workload {self.seed}")
        self._thread = threading.Thread(target=self._run, name="workload")

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether everything is filed and approved; raises what went wrong instead."""
        if self.failure is not None:
            raise self.failure
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            requesters = [factories.person(username=f"requester{n}") for n in range(3)]
            approvers = [factories.person("approver", username=f"approver{n}") for n in range(2)]
            for number in range(self.total):
                self._one(number, self._random.choice(requesters), self._random.choice(approvers))
                time.sleep(self._random.expovariate(self.per_second))
        except BaseException as error:  # noqa: BLE001  (told to the main thread)
            self.failure = error
        finally:
            databases.close_all()

    def _one(self, number: int, requester: User, approver: User) -> None:
        [prefix] = self._random.choices([*GOOD, *FAULTY], [*GOOD.values(), *FAULTY.values()])
        if prefix in FAULTY:
            self.faulty[prefix] = self.faulty.get(prefix, 0) + 1
        filing = factories.filing(group_id=self.group_id, config__schema=f"{prefix}{number:05}", config__table="t")
        filing = type(filing)(
            **{**vars(filing), "idempotency_key": uuid.UUID(int=self._random.getrandbits(128), version=4)}
        )
        conn_request = _patiently(lambda: workflow.submit(by=requester, filing=filing))
        _patiently(lambda: self._approve(approver, conn_request.pk))

    def _approve(self, by: User, request_id: int) -> None:
        conn_request = ConnectionRequest.objects.get(pk=request_id)
        if conn_request.state is not Status.PENDING:
            return  # it is approved, and the database crashed before it could say so
        started = time.monotonic()
        workflow.approve(by=by, conn_request=conn_request, digest=conn_request.digest)
        self.slowest_approval = max(self.slowest_approval, time.monotonic() - started)


def _patiently(act: Callable[[], T]) -> T:
    """`act`, as a person does it who reads that the database is away: again, until it is done."""
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError):
            databases.close_all()
            time.sleep(AGAIN)
