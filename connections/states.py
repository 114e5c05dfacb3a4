"""The life of a request, and of what belongs to it: the states of each machine and every allowed move between them.

Nothing here touches the database. `connections.models.state_columns` is the only writer of a state and refuses all
else; pages, admin and documents read the same tables. Whose turn it is: `connections.next_step`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Generic, Self, TypeVar


class Labelled(StrEnum):
    """A value with a label for people."""

    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        return [(member.value, member.label) for member in cls]


class Owner(Labelled):
    REQUESTER = "requester", "the requester"
    APPROVER = "approver", "an approver"
    PORTAL = "portal", "the portal"
    OPERATOR = "operator", "an operator"
    SOURCE_OWNER = "source owner", "the source owner"
    NOBODY = "nobody", "nobody"


class Actor(StrEnum):
    """Who makes a transition: a person in a role, or a part of the portal."""

    REQUESTER = "requester"
    APPROVER = "approver"
    OPERATOR = "operator"
    SOURCE_OWNER = "source owner"
    WORKER = "worker"
    SWEEPER = "sweeper"
    RECONCILER = "reconciler"


class State(Labelled):
    """A stored value, which is part of the outside contract."""


class Status(State):
    DRAFT = "draft", "Draft"
    PENDING = "pending", "Waiting for approval"
    CHANGES_REQUESTED = "changes_requested", "Changes requested"
    APPROVED = "approved", "Approved, in the queue"
    CLAIMED = "claimed", "Starting"
    SENDING = "sending", "Creating at Fivetran"
    UNKNOWN = "unknown", "Checking with Fivetran"
    ATTENTION = "attention", "Needs an operator"
    CREATED = "created", "Created"
    FAILED = "failed", "Refused by Fivetran"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"


S = TypeVar("S", bound=State)


class IllegalTransition(Exception):
    """The table has no such move, or not for this actor, or it needs a reason."""


@dataclass(frozen=True)
class Transition(Generic[S]):
    """`source` is None where a row begins."""

    source: S | None
    target: S
    actors: frozenset[Actor]
    needs_reason: bool = False


@dataclass(frozen=True)
class Machine(Generic[S]):
    """Every allowed move of one column."""

    name: str
    column: str
    moves: tuple[Transition[S], ...]

    @property
    def states(self) -> type[S]:
        return type(self.moves[0].target)

    @cached_property
    def final(self) -> frozenset[S]:
        return frozenset(set(self.states) - {move.source for move in self.moves})

    def find(self, source: S | None, target: S) -> Transition[S] | None:
        """The move from `source` (None: a new row) to `target`, or None where it is not allowed."""
        return next((move for move in self.moves if (move.source, move.target) == (source, target)), None)

    def check(self, source: S | None, target: S, actor: Actor, reason: str | None = None) -> None:
        """Raises IllegalTransition. Without `reason` the caller answers for it."""
        move = self.find(source, target)
        if move is None or actor not in move.actors:
            raise IllegalTransition(f"{actor} cannot move a {self.name} from {source} to {target}.")
        if reason is not None and move.needs_reason and not reason.strip():
            raise IllegalTransition(f"Moving a {self.name} from {source} to {target} needs a reason.")

    def sources(self, target: S, actor: Actor) -> list[S]:
        """The states from which `actor` may move a row to `target`. Raises IllegalTransition where there is none."""
        mine = [move.source for move in self.moves if move.target is target and actor in move.actors]
        if not (found := [source for source in mine if source is not None]):
            raise IllegalTransition(f"{actor} cannot move any {self.name} to {target}.")
        return found

    def mermaid(self) -> Iterator[str]:
        """The lines of a Mermaid state diagram (mermaid.js.org)."""
        yield "stateDiagram-v2"
        for move in self.moves:
            source = "[*]" if move.source is None else move.source.name.lower()
            yield f"    {source} --> {move.target.name.lower()}: {', '.join(sorted(move.actors))}"
        for state in self.states:
            if state in self.final:
                yield f"    {state.name.lower()} --> [*]"


def _move(source: S | None, target: S, *actors: Actor, needs_reason: bool = False) -> Transition[S]:
    return Transition(source, target, frozenset(actors), needs_reason)


_S, _A = Status, Actor
# What its requester may still change or take back.
EDITABLE = (_S.DRAFT, _S.PENDING, _S.CHANGES_REQUESTED)
WITHDRAWABLE = (*EDITABLE, _S.APPROVED)

_REQUEST: tuple[Transition[Status], ...] = (
    # What people decide.
    _move(None, _S.DRAFT, _A.REQUESTER),
    _move(None, _S.PENDING, _A.REQUESTER),
    # A connection that was made elsewhere, adopted for the person who answers for it from now on.
    _move(None, _S.CREATED, _A.OPERATOR, needs_reason=True),
    *(_move(own, _S.PENDING, _A.REQUESTER) for own in EDITABLE),
    _move(_S.PENDING, _S.CHANGES_REQUESTED, _A.APPROVER, needs_reason=True),
    _move(_S.PENDING, _S.REJECTED, _A.APPROVER, needs_reason=True),
    _move(_S.PENDING, _S.APPROVED, _A.APPROVER),
    *(_move(own, _S.WITHDRAWN, _A.REQUESTER) for own in WITHDRAWABLE),
    _move(_S.PENDING, _S.EXPIRED, _A.SWEEPER),
    _move(_S.CHANGES_REQUESTED, _S.EXPIRED, _A.SWEEPER),
    # What the machine does with an approved request. Only `claimed → sending` leads to a POST.
    _move(_S.APPROVED, _S.CLAIMED, _A.WORKER),
    _move(_S.CLAIMED, _S.APPROVED, _A.WORKER, _A.SWEEPER),
    _move(_S.CLAIMED, _S.FAILED, _A.WORKER),
    _move(_S.CLAIMED, _S.CREATED, _A.WORKER),
    _move(_S.CLAIMED, _S.SENDING, _A.WORKER),
    _move(_S.SENDING, _S.CREATED, _A.WORKER),
    _move(_S.SENDING, _S.APPROVED, _A.WORKER),
    _move(_S.SENDING, _S.FAILED, _A.WORKER),
    _move(_S.SENDING, _S.UNKNOWN, _A.WORKER, _A.SWEEPER),
    # An unclear ending is left only by asking Fivetran, never by sending again blindly.
    _move(_S.UNKNOWN, _S.CREATED, _A.RECONCILER),
    _move(_S.UNKNOWN, _S.APPROVED, _A.RECONCILER),
    _move(_S.UNKNOWN, _S.ATTENTION, _A.RECONCILER),
    _move(_S.APPROVED, _S.ATTENTION, _A.WORKER, _A.SWEEPER),
    _move(_S.CLAIMED, _S.ATTENTION, _A.WORKER, _A.SWEEPER),
    # The operator's three ways out.
    _move(_S.ATTENTION, _S.CREATED, _A.OPERATOR, needs_reason=True),
    _move(_S.ATTENTION, _S.APPROVED, _A.OPERATOR, needs_reason=True),
    _move(_S.ATTENTION, _S.FAILED, _A.OPERATOR, needs_reason=True),
)

REQUEST = Machine("request", "status", _REQUEST)

# A destination name is taken while one of these requests asks for it (`created` until it is seen gone at Fivetran).
LIVE: frozenset[Status] = frozenset(
    {_S.PENDING, _S.CHANGES_REQUESTED, _S.APPROVED, _S.CLAIMED, _S.SENDING, _S.UNKNOWN, _S.ATTENTION}
)
FINAL = REQUEST.final
# Every status behind an approval: rows in them carry an approver, a digest and an account.
DECIDED: frozenset[Status] = frozenset(
    {_S.APPROVED, _S.CLAIMED, _S.SENDING, _S.UNKNOWN, _S.ATTENTION, _S.CREATED, _S.FAILED}
)


# --- changes of a connection that exists -----------------------------------------------------------------------------
class ChangeStatus(State):
    PENDING = "pending", "Waiting for approval"
    APPROVED = "approved", "Approved, in the queue"
    RUNNING = "running", "Telling Fivetran"
    DONE = "done", "Done"
    FAILED = "failed", "Not made"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"


_C = ChangeStatus
_ASKING = (Actor.REQUESTER, Actor.APPROVER, Actor.OPERATOR)

# PATCH of fixed values and DELETE may be repeated, so an unclear ending needs no status of its own: it is tried again,
# and after the last try looked up.
_CHANGE: tuple[Transition[ChangeStatus], ...] = (
    _move(None, _C.PENDING, *_ASKING, needs_reason=True),
    _move(_C.PENDING, _C.APPROVED, _A.APPROVER),
    _move(_C.PENDING, _C.REJECTED, _A.APPROVER, needs_reason=True),
    _move(_C.PENDING, _C.WITHDRAWN, *_ASKING),
    _move(_C.PENDING, _C.EXPIRED, _A.SWEEPER),
    _move(_C.APPROVED, _C.WITHDRAWN, *_ASKING),
    _move(_C.APPROVED, _C.RUNNING, _A.WORKER),
    _move(_C.RUNNING, _C.APPROVED, _A.WORKER, _A.SWEEPER),
    _move(_C.RUNNING, _C.DONE, _A.WORKER),
    _move(_C.RUNNING, _C.FAILED, _A.WORKER),
)

CHANGE = Machine("change", "status", _CHANGE)

# One of these at a time for a connection.
CHANGE_OPEN: frozenset[ChangeStatus] = frozenset({_C.PENDING, _C.APPROVED, _C.RUNNING})
CHANGE_FINAL = CHANGE.final
CHANGE_WITHDRAWABLE: frozenset[ChangeStatus] = frozenset({_C.PENDING, _C.APPROVED})
# Every status behind an approval: rows in them carry an approver, a digest and an account.
CHANGE_DECIDED: frozenset[ChangeStatus] = frozenset({_C.APPROVED, _C.RUNNING, _C.DONE, _C.FAILED})


# --- what is kept beside the status of a created request -------------------------------------------------------------
class HandoverState(State):
    WAITING = "waiting", "Not opened yet"
    OPEN = "open", "Opened"
    RETURNED = "returned", "Back from Fivetran, being checked"
    DONE = "done", "Done"
    REVOKED = "revoked", "Revoked"


class TrustState(State):
    """A lost call is due again."""

    DUE = "due", "Waiting to be sent"
    RUNNING = "running", "Being sent"
    SENT = "sent", "Fivetran knows"
    REFUSED = "refused", "Refused by Fivetran"
    LAPSED = "lapsed", "Fivetran asked again"  # sent, yet a later run named it once more


class SetupTestsState(State):
    """A lost run is due again."""

    NONE = "none", "Not asked for"
    DUE = "due", "Waiting to run"
    RUNNING = "running", "Running"
    STORED = "stored", "Finished"


LIVE_HANDOVER = (HandoverState.WAITING, HandoverState.OPEN, HandoverState.RETURNED)
OPEN_TRUST = (TrustState.DUE, TrustState.RUNNING)
TESTS_OPEN = (SetupTestsState.DUE, SetupTestsState.RUNNING)

_H, _T, _R = HandoverState, TrustState, SetupTestsState
_OVERSEEING = (_A.REQUESTER, _A.APPROVER, _A.OPERATOR)

_HANDOVER: tuple[Transition[HandoverState], ...] = (
    _move(None, _H.WAITING, *_OVERSEEING, _A.WORKER),
    _move(_H.WAITING, _H.OPEN, _A.SOURCE_OWNER),
    _move(_H.OPEN, _H.OPEN, _A.SOURCE_OWNER),  # by another card
    _move(_H.OPEN, _H.RETURNED, _A.SOURCE_OWNER),
    # What came back was not enough, or another card was made.
    _move(_H.RETURNED, _H.OPEN, _A.RECONCILER, _A.SOURCE_OWNER),
    # Fivetran calls the connection connected, however that came about.
    *(_move(live, _H.DONE, _A.RECONCILER) for live in LIVE_HANDOVER),
    *(_move(live, _H.REVOKED, *_OVERSEEING) for live in LIVE_HANDOVER),
    # Given to somebody else, or to the same once more.
    *(_move(live, _H.WAITING, *_OVERSEEING, _A.SOURCE_OWNER) for live in LIVE_HANDOVER),
    *(_move(over, _H.WAITING, *_OVERSEEING) for over in (_H.DONE, _H.REVOKED)),
)
_TRUST: tuple[Transition[TrustState], ...] = (
    _move(None, _T.DUE, _A.APPROVER, _A.OPERATOR),
    _move(_T.DUE, _T.RUNNING, _A.WORKER),
    _move(_T.DUE, _T.REFUSED, _A.WORKER),
    _move(_T.RUNNING, _T.DUE, _A.WORKER, _A.SWEEPER),
    _move(_T.RUNNING, _T.SENT, _A.WORKER),
    _move(_T.RUNNING, _T.REFUSED, _A.WORKER),
    _move(_T.SENT, _T.LAPSED, _A.APPROVER, _A.OPERATOR),
)
_SETUP_TESTS: tuple[Transition[SetupTestsState], ...] = (
    *(_move(None, first, _A.WORKER, _A.RECONCILER, _A.OPERATOR) for first in (_R.NONE, _R.DUE)),
    _move(None, _R.STORED, _A.WORKER),  # with the answer to the creation
    # Asked for; or after a hand-over or a trust that was sent, of which an earlier run cannot know.
    *(_move(idle, _R.DUE, *_OVERSEEING, _A.WORKER, _A.RECONCILER) for idle in (_R.NONE, _R.STORED)),
    _move(_R.DUE, _R.DUE, _A.WORKER),  # at once, as if it had never been tried
    _move(_R.DUE, _R.RUNNING, _A.WORKER),
    _move(_R.RUNNING, _R.DUE, _A.WORKER, _A.SWEEPER),
    _move(_R.RUNNING, _R.STORED, _A.WORKER, _A.RECONCILER),
    _move(_R.DUE, _R.STORED, _A.RECONCILER),  # the connection is gone
)

HANDOVER = Machine("handover", "state", _HANDOVER)
TRUST = Machine("trust", "state", _TRUST)
SETUP_TESTS = Machine("setup_tests", "tests", _SETUP_TESTS)


# --- the circuit breaker before the Fivetran account -----------------------------------------------------------------
class BreakerReason(State):
    """The labels are of the time when the breaker was called a gate, and people know them so."""

    CLOSED = "", "Open"
    RATE_LIMITED = "rate_limited", "Fivetran asked to wait"
    AUTH = "auth", "Fivetran does not accept the API key"
    OPEN = "unwell", "Fivetran gives no clear answers"
    HALF_OPEN = "trial", "Fivetran answers again; one request goes ahead"


_B = BreakerReason

# The worker moves it by how a call ended, a page that asks Fivetran too; the reconciler by what the probe found.
_BREAKER: tuple[Transition[BreakerReason], ...] = (
    _move(None, _B.CLOSED, _A.WORKER),
    # A key that is not accepted outweighs the rest: only a probe leaves it, never time.
    *(_move(before, _B.RATE_LIMITED, _A.WORKER) for before in _B if before != "auth"),
    *(_move(before, _B.AUTH, _A.WORKER, _A.RECONCILER) for before in _B),
    *(_move(before, _B.OPEN, _A.WORKER) for before in (_B.CLOSED, _B.RATE_LIMITED, _B.HALF_OPEN)),
    _move(_B.RATE_LIMITED, _B.CLOSED, _A.WORKER, _A.RECONCILER),
    _move(_B.AUTH, _B.CLOSED, _A.RECONCILER),
    _move(_B.OPEN, _B.CLOSED, _A.RECONCILER),
    _move(_B.OPEN, _B.HALF_OPEN, _A.RECONCILER),
    _move(_B.HALF_OPEN, _B.CLOSED, _A.WORKER),
)
BREAKER = Machine("breaker", "reason", _BREAKER)

MACHINES: tuple[Machine[Any], ...] = (REQUEST, CHANGE, HANDOVER, TRUST, SETUP_TESTS, BREAKER)
