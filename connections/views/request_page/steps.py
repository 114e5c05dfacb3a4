"""The steps of a request from "Requested" to "First data": how far it got, by whom, and when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.forms.utils import flatatt

from connections.models import Connection, ConnectionRequest
from connections.next_step import UNFINISHED
from connections.states import DECIDED, TESTS_OPEN, Labelled, Status
from connections.views.labels import FAILED_TESTS
from connections.views.request_page.queries import connection_of, handover_of
from connections.views.request_page.timeline import Run


class StepState(Labelled):
    """The pages carry the values as `data-step-state`."""

    DONE = "done", "done"
    CURRENT = "current", "now"
    WAITING = "waiting", "to come"
    FAILED = "failed", "failed"
    SKIPPED = "skipped", "not needed"


_ENDED = (Status.FAILED, Status.REJECTED, Status.WITHDRAWN, Status.EXPIRED)  # in which no further step can come
_ICONS = {StepState.DONE: "check", StepState.FAILED: "x-mark", StepState.SKIPPED: "minus"}
_TITLES = {
    "requested": "Requested",
    "approved": "Approved",
    "created": "Created",
    "credentials": "Credentials",
    "tests": "Tests",
    "first_data": "First data",
}


@dataclass(frozen=True)
class Step:
    """`by` is the account of who did it, `who` a name where there is no account; `note` says more than the state."""

    name: str
    state: StepState
    at: datetime | None = None
    by: User | None = None
    who: str = ""
    note: str = ""

    @property
    def title(self) -> str:
        return _TITLES[self.name]

    @property
    def words(self) -> str:
        return self.note or self.state.label

    @property
    def template(self) -> str:
        return f"connections/request_page/_step_{'account' if self.by else 'words'}.html"

    @property
    def icon(self) -> str:
        return _ICONS.get(self.state, "")

    @property
    def attributes(self) -> str:
        return flatatt({"aria-current": "step"} if self.state is StepState.CURRENT else {})


def steps_of(conn_request: ConnectionRequest, runs: list[Run], *, acts: bool) -> list[Step]:
    """At most one is current; what comes after the present one waits, or is left out where nothing more can come.

    `acts`: the present step is the reader's.
    """
    over = conn_request.deleted_at_fivetran_at is not None or conn_request.state in _ENDED
    there = at_fivetran(conn_request, runs, over=over)
    found = [requested(conn_request), approved(conn_request, acts=acts), created(conn_request), *there]
    later, never = (StepState.SKIPPED, "not reached") if over else (StepState.WAITING, "")
    shown: list[Step] = []
    for step in found:
        blocked = any(one.state in (StepState.CURRENT, StepState.FAILED) for one in shown)
        undone = step.state in (StepState.CURRENT, StepState.WAITING)
        shown.append(Step(step.name, later, note=never) if undone and (blocked or over) else step)
    return shown


def requested(row: ConnectionRequest) -> Step:
    if row.submitted_at is None:
        state = StepState.CURRENT if row.state is Status.DRAFT else StepState.SKIPPED
        return Step("requested", state, note="not submitted")
    if row.state is Status.CHANGES_REQUESTED:
        return Step("requested", StepState.CURRENT, row.submitted_at, row.requester, note="to be changed")
    return Step("requested", StepState.DONE, row.submitted_at, row.requester)


def approved(row: ConnectionRequest, *, acts: bool) -> Step:
    connection = connection_of(row)
    if connection is not None and connection.made_elsewhere:
        return Step("approved", StepState.DONE, row.approved_at, row.approved_by, note="adopted")
    if row.approved_at is not None and row.state in DECIDED:
        return Step("approved", StepState.DONE, row.approved_at, row.approved_by)
    match row.state:
        case Status.REJECTED:
            return Step("approved", StepState.FAILED, row.decided_at, row.decided_by, note="rejected")
        case Status.WITHDRAWN | Status.EXPIRED:
            return Step("approved", StepState.SKIPPED, row.status_since, note=row.state.label.lower())
    return Step("approved", StepState.CURRENT, note="waits for you" if acts else "waits for an approver")


_ON_ITS_WAY = {
    Status.APPROVED: "in the queue",
    Status.CLAIMED: "starting",
    Status.SENDING: "Fivetran creates it",
    Status.UNKNOWN: "checking with Fivetran",
}


def created(row: ConnectionRequest) -> Step:
    match row.state:
        case Status.CREATED:
            gone = row.deleted_at_fivetran_at
            return Step("created", StepState.DONE, row.status_since, who="" if gone else "the portal")
        case Status.FAILED:
            return Step("created", StepState.FAILED, row.status_since, who="Fivetran", note="refused")
        case Status.ATTENTION:
            # Nothing is known to have failed: an operator finds out whether it was created.
            return Step("created", StepState.CURRENT, row.status_since, note="needs an operator")
    return Step("created", StepState.CURRENT, note=_ON_ITS_WAY.get(row.state, ""))


def at_fivetran(row: ConnectionRequest, runs: list[Run], *, over: bool) -> Iterator[Step]:
    connection = connection_of(row)
    if connection is None:
        # Without a hand-over nobody is asked: the credentials come with the body, or none are needed.
        asks = over or not row.payload or "connect_card_config" in row.payload
        yield Step("credentials", StepState.WAITING) if asks else Step("credentials", StepState.SKIPPED)
        yield from (Step(name, StepState.WAITING) for name in ("tests", "first_data"))
        return
    yield credentials(row, connection)
    yield tests(connection, runs)
    arrived = connection.first_data_at
    paused = "waits: paused" if connection.is_paused else "awaited"
    yield Step(
        "first_data", StepState.DONE if arrived else StepState.CURRENT, arrived, note=paused if not arrived else ""
    )


def credentials(row: ConnectionRequest, connection: Connection) -> Step:
    handover = handover_of(row)
    if connection.trust_waiting:
        return Step("credentials", StepState.WAITING, note="once it is trusted")
    if handover is None:
        # Nobody was asked: they came with the body or from Fivetran, or they still lack.
        lacks = connection.setup_state == "incomplete"
        return (
            Step("credentials", StepState.CURRENT, note="lacking") if lacks else Step("credentials", StepState.SKIPPED)
        )
    if handover.done_at:
        return Step("credentials", StepState.DONE, handover.done_at, handover.owner, handover.owner_name)
    if connection.setup_state not in UNFINISHED:
        return Step("credentials", StepState.SKIPPED)
    waits = "waits for" if handover.is_live else "lacking"
    return Step("credentials", StepState.CURRENT, by=handover.owner, who=handover.owner_name, note=waits)


def tests(connection: Connection, runs: list[Run]) -> Step:
    if connection.tests in TESTS_OPEN:
        return Step("tests", StepState.CURRENT, note="running")
    if connection.trust_waiting:
        return Step("tests", StepState.CURRENT, note="to be trusted")
    if not runs:
        return Step("tests", StepState.SKIPPED if connection.setup_state == "connected" else StepState.WAITING)
    newest = runs[0]
    failed = sum(test.status in FAILED_TESTS for test in newest.tests)
    if failed:
        return Step("tests", StepState.FAILED, newest.row.finished_at, note=f"{failed} failed")
    return Step("tests", StepState.DONE, newest.row.finished_at)
