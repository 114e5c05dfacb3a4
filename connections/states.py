"""The life of a request: its statuses and every allowed transition.

Nothing here touches the database. `connections.models.transition` is the only writer of a status and refuses all else;
pages, admin and documents read the same table. Whose turn it is: `connections.next_step`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar


class Owner(StrEnum):
    REQUESTER = "requester"
    APPROVER = "approver"
    PORTAL = "portal"
    OPERATOR = "operator"
    SOURCE_OWNER = "source owner"
    NOBODY = "nobody"


class Actor(StrEnum):
    """Who makes a transition: a person in a role, or a part of the portal."""

    REQUESTER = "requester"
    APPROVER = "approver"
    OPERATOR = "operator"
    SOURCE_OWNER = "source owner"
    WORKER = "worker"
    SWEEPER = "sweeper"
    RECONCILER = "reconciler"


class _Labelled(StrEnum):
    """A stored value, which is part of the outside contract, with a label for people."""

    label: str

    def __new__(cls, value: str, label: str = "") -> "_Labelled":
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        return [(member.value, member.label) for member in cls]


class Status(_Labelled):
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


S = TypeVar("S", bound=_Labelled)


@dataclass(frozen=True)
class Transition(Generic[S]):
    """`source` is None where a row begins."""

    source: S | None
    target: S
    actors: frozenset[Actor]
    needs_reason: bool = False


def _move(source: S | None, target: S, *actors: Actor, needs_reason: bool = False) -> Transition[S]:
    return Transition(source, target, frozenset(actors), needs_reason)


_S, _A = Status, Actor

TRANSITIONS: tuple[Transition[Status], ...] = (
    # What people decide.
    _move(None, _S.DRAFT, _A.REQUESTER),
    _move(None, _S.PENDING, _A.REQUESTER),
    # A connection that was made elsewhere, adopted for the person who answers for it from now on.
    _move(None, _S.CREATED, _A.OPERATOR, needs_reason=True),
    _move(_S.DRAFT, _S.PENDING, _A.REQUESTER),
    _move(_S.PENDING, _S.PENDING, _A.REQUESTER),
    _move(_S.CHANGES_REQUESTED, _S.PENDING, _A.REQUESTER),
    _move(_S.PENDING, _S.CHANGES_REQUESTED, _A.APPROVER, needs_reason=True),
    _move(_S.PENDING, _S.REJECTED, _A.APPROVER, needs_reason=True),
    _move(_S.PENDING, _S.APPROVED, _A.APPROVER),
    _move(_S.DRAFT, _S.WITHDRAWN, _A.REQUESTER),
    _move(_S.PENDING, _S.WITHDRAWN, _A.REQUESTER),
    _move(_S.CHANGES_REQUESTED, _S.WITHDRAWN, _A.REQUESTER),
    _move(_S.APPROVED, _S.WITHDRAWN, _A.REQUESTER),
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

_TABLE = {(move.source, move.target): move for move in TRANSITIONS}

# A destination name is taken while one of these requests asks for it (`created` until it is seen gone at Fivetran).
LIVE: frozenset[Status] = frozenset(
    {_S.PENDING, _S.CHANGES_REQUESTED, _S.APPROVED, _S.CLAIMED, _S.SENDING, _S.UNKNOWN, _S.ATTENTION}
)
FINAL: frozenset[Status] = frozenset(set(Status) - {move.source for move in TRANSITIONS})
EDITABLE: frozenset[Status] = frozenset({_S.DRAFT, _S.PENDING, _S.CHANGES_REQUESTED})
WITHDRAWABLE: frozenset[Status] = frozenset({_S.DRAFT, _S.PENDING, _S.CHANGES_REQUESTED, _S.APPROVED})
# Every status behind an approval: rows in them carry an approver, a digest and an account.
DECIDED: frozenset[Status] = frozenset(
    {_S.APPROVED, _S.CLAIMED, _S.SENDING, _S.UNKNOWN, _S.ATTENTION, _S.CREATED, _S.FAILED}
)


def find_transition(source: Status | None, target: Status) -> Transition[Status] | None:
    """The transition from `source` (None: a new request) to `target`, or None where it is not allowed."""
    return _TABLE.get((source, target))


# --- changes of a connection that exists -----------------------------------------------------------------------------
class ChangeStatus(_Labelled):
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
CHANGE_TRANSITIONS: tuple[Transition[ChangeStatus], ...] = (
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

_CHANGE_TABLE = {(move.source, move.target): move for move in CHANGE_TRANSITIONS}

# One of these at a time for a connection.
CHANGE_OPEN: frozenset[ChangeStatus] = frozenset({_C.PENDING, _C.APPROVED, _C.RUNNING})
CHANGE_FINAL: frozenset[ChangeStatus] = frozenset(set(ChangeStatus) - {move.source for move in CHANGE_TRANSITIONS})
CHANGE_WITHDRAWABLE: frozenset[ChangeStatus] = frozenset({_C.PENDING, _C.APPROVED})
# Every status behind an approval: rows in them carry an approver, a digest and an account.
CHANGE_DECIDED: frozenset[ChangeStatus] = frozenset({_C.APPROVED, _C.RUNNING, _C.DONE, _C.FAILED})


def change_transition(source: ChangeStatus | None, target: ChangeStatus) -> Transition[ChangeStatus] | None:
    return _CHANGE_TABLE.get((source, target))


# --- what is kept beside the status of a created request -------------------------------------------------------------
class HandoverState(_Labelled):
    WAITING = "waiting", "Not opened yet"
    OPEN = "open", "Opened"
    RETURNED = "returned", "Back from Fivetran, being checked"
    DONE = "done", "Done"
    REVOKED = "revoked", "Revoked"


class TrustState(_Labelled):
    """A lost call is due again."""

    DUE = "due", "Waiting to be sent"
    RUNNING = "running", "Being sent"
    SENT = "sent", "Fivetran knows"
    REFUSED = "refused", "Refused by Fivetran"
    LAPSED = "lapsed", "Fivetran asked again"  # sent, yet a later run named it once more


class SetupTestsState(_Labelled):
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

HANDOVER_TRANSITIONS: tuple[Transition[HandoverState], ...] = (
    _move(None, _H.WAITING, *_OVERSEEING, _A.WORKER),
    _move(_H.WAITING, _H.OPEN, _A.SOURCE_OWNER),
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
TRUST_TRANSITIONS: tuple[Transition[TrustState], ...] = (
    _move(None, _T.DUE, _A.APPROVER, _A.OPERATOR),
    _move(_T.DUE, _T.RUNNING, _A.WORKER),
    _move(_T.DUE, _T.REFUSED, _A.WORKER),
    _move(_T.RUNNING, _T.DUE, _A.WORKER, _A.SWEEPER),
    _move(_T.RUNNING, _T.SENT, _A.WORKER),
    _move(_T.RUNNING, _T.REFUSED, _A.WORKER),
    _move(_T.SENT, _T.LAPSED, _A.APPROVER, _A.OPERATOR),
)
TESTS_TRANSITIONS: tuple[Transition[SetupTestsState], ...] = (
    *(_move(None, first, _A.WORKER, _A.RECONCILER, _A.OPERATOR) for first in (_R.NONE, _R.DUE)),
    _move(None, _R.STORED, _A.WORKER),  # with the answer to the creation
    # Asked for; or after a hand-over or a trust that was sent, of which an earlier run cannot know.
    *(_move(idle, _R.DUE, *_OVERSEEING, _A.WORKER, _A.RECONCILER) for idle in (_R.NONE, _R.STORED)),
    _move(_R.DUE, _R.RUNNING, _A.WORKER),
    _move(_R.RUNNING, _R.DUE, _A.WORKER, _A.SWEEPER),
    _move(_R.RUNNING, _R.STORED, _A.WORKER, _A.RECONCILER),
    _move(_R.DUE, _R.STORED, _A.RECONCILER),  # the connection is gone
)
