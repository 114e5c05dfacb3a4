"""What pages say about a change: its colour, what happens next, before and after."""

from dataclasses import dataclass

from django.conf import settings

from connections.models import ChangeKind, ConnectionChange
from connections.spec import payloads
from connections.states import ChangeStatus

_TONES = {
    ChangeStatus.PENDING: "warning",
    ChangeStatus.APPROVED: "info",
    ChangeStatus.RUNNING: "info",
    ChangeStatus.DONE: "success",
    ChangeStatus.FAILED: "danger",
}
_NEXT = {
    ChangeStatus.PENDING: "An approver looks at it next. Who asked gets a mail with the decision.",
    ChangeStatus.APPROVED: "The portal tells Fivetran by itself. You may close this page.",
    ChangeStatus.RUNNING: "The portal is telling Fivetran. You may close this page.",
    ChangeStatus.DONE: "Fivetran has made the change.",
    ChangeStatus.FAILED: "The change was not made. It can be asked for again.",
    ChangeStatus.REJECTED: "It was turned down; nothing was changed.",
    ChangeStatus.WITHDRAWN: "Who asked took it back; nothing was changed.",
    ChangeStatus.EXPIRED: "Nobody decided for {days} days; nothing was changed.",
}
LOST = (
    "Fivetran deletes the connection with its settings, its credentials and its sync history; it never syncs again. "
    "The data that is in the warehouse already stays there. The portal keeps the history of the request, and the "
    "connection's name becomes free."
)
CONSEQUENCES = {
    ChangeKind.PAUSE: "No further sync starts until it is unpaused. A sync that is running comes to its end.",
    ChangeKind.UNPAUSE: "Fivetran syncs again by the connection's schedule.",
    ChangeKind.SCHEDULE: "The new schedule counts from the next sync on.",
    ChangeKind.DELETE: LOST,
}


@dataclass(frozen=True)
class Difference:
    what: str
    before: str
    after: str


def tone(status: str) -> str:
    """The colour's name in Bootstrap."""
    return _TONES.get(ChangeStatus(status), "secondary")


def next_sentence(change: ConnectionChange) -> str:
    if is_unclear(change):
        return "Nobody knows whether the change was made. Look at Fivetran before it is asked for again."
    return _NEXT[change.state].format(days=settings.EXPIRE_DAYS)


def is_unclear(change: ConnectionChange) -> bool:
    # An unclear answer may hide a change that was made.
    return change.state is ChangeStatus.FAILED and change.failure_code == "no_clear_answer"


def differences(change: ConnectionChange) -> list[Difference]:
    match change.kind:
        case ChangeKind.PAUSE | ChangeKind.UNPAUSE:
            before, after = ("paused" if side.get("paused") else "not paused" for side in (change.before, change.body))
            return [Difference("Syncing", before, after)]
        case ChangeKind.SCHEDULE:
            return [
                Difference(
                    "Schedule",
                    payloads.schedule_in_words(change.before)
                    if payloads.tells_schedule(change.before)
                    else "another one, which the portal cannot tell",
                    payloads.schedule_in_words(change.body),
                )
            ]
    return [Difference("Connection", "at Fivetran", "deleted")]


def call_line(change: ConnectionChange) -> str:
    method = "DELETE" if change.kind == ChangeKind.DELETE else "PATCH"
    return f"{method} /v1/connections/{change.request.connection_id}"
