"""What pages say about a change: its colour, its next step, before and after."""

from dataclasses import dataclass

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
