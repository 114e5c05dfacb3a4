"""Whose turn a request is and what it waits for: derived here and nowhere else. Pure, so that a test can walk through
every state.
"""

from enum import Enum
from functools import lru_cache

from connections.states import OPEN_TRUST, TESTS_OPEN, ChangeStatus, HandoverState, Owner, Status, TrustState

MENDED = "mended_by_operator"  # an operator did what was to be done: the requester can submit a copy
NOT_FOUND = "NotFound"  # and every code that begins so
# What Fivetran refuses for these is the operators' to mend. Any other code is about the request itself.
OPERATORS_CODES = frozenset(
    {"Forbidden", "AuthFailed", NOT_FOUND, "MethodNotAllowed", "NotAcceptable", "UnsupportedMediaType"}
)


class Step(Enum):
    """Who acts next, and where something stands; `{days}` is how long it may wait for people.

    `yours` says it to whoever acts, `to_requester` to the requester where it speaks of that person.
    """

    owner: Owner
    sentence: str
    yours: str
    to_requester: str

    def __init__(self, owner: Owner, sentence: str, yours: str = "", to_requester: str = "") -> None:
        self.owner = owner
        self.sentence = sentence
        self.yours = yours
        self.to_requester = to_requester

    def said_to(self, *, acts: bool, is_requester: bool = False) -> str:
        return (acts and self.yours) or (is_requester and self.to_requester) or self.sentence


class NextStep(Step):
    """Of a request; named as the statuses."""

    DRAFT = Owner.REQUESTER, "Nobody has been asked yet. Submit it when it is complete."
    PENDING = (
        Owner.APPROVER,
        "An approver looks at it next. The requester gets a mail with the decision.",
        "You decide. What to notice and what will be sent stand below.",
        "An approver looks at it next. You get a mail with the decision.",
    )
    CHANGES_REQUESTED = (
        Owner.REQUESTER,
        "The requester changes what was asked for below, and submits it again.",
        "Change what the approver asked for, and submit it again.",
    )
    APPROVED = Owner.PORTAL, "The portal sends it to Fivetran by itself. You may close this page."
    CLAIMED = Owner.PORTAL, "The portal is about to send it to Fivetran. You may close this page."
    SENDING = (
        Owner.PORTAL,
        "Fivetran is creating the connection; with setup tests this can take some minutes. You may close this page.",
    )
    UNKNOWN = (
        Owner.PORTAL,
        "Fivetran may or may not have created this. We are checking and will not send it twice.",
    )
    ATTENTION = (
        Owner.OPERATOR,
        "The portal cannot settle this alone. The operators were told; nothing more is sent until one of them decides.",
        "The portal cannot settle this alone. Look at Fivetran, then adopt it, send it again or close it; nothing is "
        "sent before that.",
    )
    CREATED = Owner.NOBODY, "The connection exists at Fivetran."
    FAILED = (
        Owner.REQUESTER,
        "Fivetran refused it and created nothing. The requester corrects what it names, and submits a copy.",
        "Fivetran refused it and created nothing. Correct what it names, and submit a copy.",
    )
    REJECTED = Owner.NOBODY, "It was turned down; nothing was created. A copy can be changed and submitted."
    WITHDRAWN = (
        Owner.NOBODY,
        "The requester took it back; nothing was created.",
        "",
        "You took it back; nothing was created.",
    )
    EXPIRED = Owner.NOBODY, "Nobody acted on it for {days} days; nothing was created. A copy can be submitted."

    # More than the status alone tells.
    KEY_REFUSED = Owner.OPERATOR, "The portal sends it to Fivetran by itself. You may close this page."
    REFUSED_FOR_OPERATORS = (
        Owner.OPERATOR,
        "Fivetran refused it for a reason that is not the requester's, and created nothing. The operators were told "
        "and look at it.",
        "Fivetran refused it for a reason that is yours to mend, and created nothing. Then hand it back.",
        "Fivetran refused it for a reason that is not yours, and created nothing. The operators were told and look at "
        "it.",
    )
    REFUSAL_MENDED = (
        Owner.REQUESTER,
        "An operator mended what Fivetran refused it for. Nothing was created: submit a copy.",
    )

    # A created request, by its connection.
    DELETED = Owner.NOBODY, "The connection was created, and is no longer there at Fivetran."
    TRUST = (
        Owner.APPROVER,
        "The connection exists at Fivetran, but its source is not trusted yet: see “To be trusted”.",
        "The connection exists at Fivetran, but its source is not trusted yet: compare what it showed, and approve it.",
    )
    TRUST_APPROVED = (
        Owner.PORTAL,
        "The connection exists at Fivetran. What its source showed is approved; the tests run again.",
    )
    CREDENTIALS = (
        Owner.SOURCE_OWNER,
        "The connection exists at Fivetran and waits for its credentials, which the source owner enters there.",
        "The connection exists at Fivetran and waits for its credentials: you enter them there.",
    )
    REVOKED = (
        Owner.REQUESTER,
        "The connection exists at Fivetran without credentials: the hand-over was revoked. It can be handed over "
        "again.",
    )
    AGAIN = (
        Owner.REQUESTER,
        "The connection exists at Fivetran, but does not work with the credentials that were handed over: see the "
        "setup tests. It can be handed over again.",
    )
    INCOMPLETE = (
        Owner.SOURCE_OWNER,
        "The connection exists at Fivetran, but its setup is incomplete: it lacks credentials or something else that "
        "the setup tests name.",
        "The connection exists at Fivetran, but its setup is incomplete: enter the credentials, or what else the setup "
        "tests name.",
    )
    BROKEN = (
        Owner.SOURCE_OWNER,
        "The connection exists at Fivetran, but it does not work yet: see the setup tests.",
    )
    CHANGE_PENDING = (
        Owner.APPROVER,
        "The connection exists at Fivetran. A change of it waits for an approver: see “Changes”.",
        "The connection exists at Fivetran. A change of it waits for your decision: see “Changes”.",
    )
    CHANGE_APPROVED = (
        Owner.PORTAL,
        "The connection exists at Fivetran. The portal tells Fivetran of a change of it: see “Changes”.",
    )
    DRIFTED = (
        Owner.NOBODY,
        "The connection exists at Fivetran and is set up, but not as it was approved: see “Different at Fivetran”.",
    )
    PAUSED = (
        Owner.NOBODY,
        "The connection exists at Fivetran and is set up. It is paused: nothing syncs until it is unpaused.",
    )
    CONNECTED = Owner.NOBODY, "The connection exists at Fivetran and is set up: it syncs as asked for."


# The setup states in which Fivetran lacks something.
UNFINISHED: dict[str | None, NextStep] = {"incomplete": NextStep.INCOMPLETE, "broken": NextStep.BROKEN}
_BY_HANDOVER: dict[str | None, NextStep] = {
    HandoverState.WAITING: NextStep.CREDENTIALS,
    HandoverState.OPEN: NextStep.CREDENTIALS,
    HandoverState.DONE: NextStep.AGAIN,
    HandoverState.REVOKED: NextStep.REVOKED,
}
_BY_CHANGE: dict[str | None, NextStep] = {
    ChangeStatus.PENDING: NextStep.CHANGE_PENDING,
    ChangeStatus.APPROVED: NextStep.CHANGE_APPROVED,
    ChangeStatus.RUNNING: NextStep.CHANGE_APPROVED,
}


class ChangeStep(Step):
    """Of a change of a connection; named as the statuses."""

    PENDING = (
        Owner.APPROVER,
        "An approver looks at it next. Who asked gets a mail with the decision.",
        "You decide. What would change and the exact call stand below.",
    )
    APPROVED = Owner.PORTAL, "The portal tells Fivetran by itself. You may close this page."
    RUNNING = Owner.PORTAL, "The portal is telling Fivetran. You may close this page."
    DONE = Owner.NOBODY, "Fivetran has made the change."
    FAILED = Owner.NOBODY, "The change was not made. It can be asked for again."
    REJECTED = Owner.NOBODY, "It was turned down; nothing was changed."
    WITHDRAWN = Owner.NOBODY, "Who asked took it back; nothing was changed."
    EXPIRED = Owner.NOBODY, "Nobody decided for {days} days; nothing was changed."

    # More than the status alone tells.
    KEY_REFUSED = Owner.OPERATOR, "The portal tells Fivetran by itself. You may close this page."
    REFUSED_FOR_OPERATORS = (
        Owner.OPERATOR,
        "Fivetran refused the change for a reason that whoever asked cannot mend, and changed nothing. The operators "
        "were told and look at it; then it can be asked for again.",
    )
    UNCLEAR = (
        Owner.NOBODY,
        "Nobody knows whether the change was made. Look at Fivetran before it is asked for again.",
    )
    POINTLESS = (
        Owner.APPROVER,
        "The connection is no longer at Fivetran, so this change can only be rejected or withdrawn.",
    )


NO_CLEAR_ANSWER = "no_clear_answer"  # the failure code of a change that Fivetran may have made


def change_step(status: str, *, failure_code: str = "", deleted: bool = False, key_refused: bool = False) -> ChangeStep:
    """The next step of a change; `deleted` says that its connection is no longer at Fivetran."""
    match ChangeStatus(status):
        case ChangeStatus.APPROVED if key_refused:
            return ChangeStep.KEY_REFUSED
        case ChangeStatus.PENDING if deleted:
            return ChangeStep.POINTLESS
        case ChangeStatus.FAILED if failure_code == NO_CLEAR_ANSWER:
            return ChangeStep.UNCLEAR
        case ChangeStatus.FAILED if refused_to(failure_code) is Owner.OPERATOR and not deleted:
            return ChangeStep.REFUSED_FOR_OPERATORS
        case stands:
            return ChangeStep[stands.name]


@lru_cache(maxsize=4096)
def next_step(
    status: str,
    *,
    failure_code: str = "",
    setup_state: str | None = None,
    handover: str | None = None,
    trust_waiting: bool = False,
    trust: str | None = None,
    tests: str | None = None,
    change: str | None = None,
    deleted: bool = False,
    key_refused: bool = False,
    drifted: bool = False,
    paused: bool = False,
) -> NextStep:
    """The next step of a request in `status`.

    `handover` is "returned" also while what came back is not enough. `trust` is the least advanced approval since the
    newest run of the tests. `change` is the open one. `key_refused`: Fivetran does not accept the API key.
    """
    match Status(status):
        case Status.APPROVED if key_refused:
            return NextStep.KEY_REFUSED
        case Status.FAILED:
            return _after_refusal(failure_code)
        case Status.CREATED if deleted:
            return NextStep.DELETED
        case Status.CREATED if trust_waiting:  # even where a test only warns and the connection is connected
            return NextStep.TRUST
        case Status.CREATED if setup_state in UNFINISHED:
            # A run that was given up after Fivetran was told of the trust comes to no end by itself.
            if trust in OPEN_TRUST or (trust == TrustState.SENT and tests in TESTS_OPEN):
                return NextStep.TRUST_APPROVED
            return _BY_HANDOVER.get(handover, UNFINISHED[setup_state])
        case Status.CREATED if change in _BY_CHANGE:
            return _BY_CHANGE[change]
        case Status.CREATED if setup_state == "connected":
            return NextStep.DRIFTED if drifted else NextStep.PAUSED if paused else NextStep.CONNECTED
        case stands:
            return NextStep[stands.name]


def _after_refusal(code: str) -> NextStep:
    if refused_to(code) is Owner.OPERATOR:
        return NextStep.REFUSED_FOR_OPERATORS
    return NextStep.REFUSAL_MENDED if code == MENDED else NextStep.FAILED


def refused_to(code: str) -> Owner:
    """Whose turn it is after Fivetran refused something with this code."""
    return Owner.OPERATOR if code in OPERATORS_CODES or code.startswith(NOT_FOUND) else Owner.REQUESTER
