"""The hand-over as a request's page shows it: to whom it went, how far it got, and which buttons the reader has."""

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse

from connections import permissions
from connections.models import ConnectionRequest, Handover, HandoverState
from connections.permissions import Denied, Person


@dataclass(frozen=True)
class Shown:
    """A hand-over for one reader. `link` is set for the owner alone; the two others say whether there are buttons."""

    row: Handover
    link: str = ""
    may_pass_on: bool = False
    may_revoke: bool = False

    @property
    def first(self) -> bool:
        """Whether it stands before the setup tests: somebody has to act on it, its owner or who hands it over again."""
        row = self.row
        broken = row.state == HandoverState.DONE and row.request.connection.setup_state in ("incomplete", "broken")
        return self.waits or ((broken or row.state == HandoverState.REVOKED) and not row.request.gone_at)

    @property
    def waits(self) -> bool:
        """Whether it waits for its owner: not once the connection is gone."""
        return self.row.is_live and not self.row.request.gone_at

    @property
    def tone(self) -> str:
        """The colour of its state."""
        return {"done": "success", "revoked": "secondary", "returned": "info"}.get(self.row.state, "warning")


def shown(user: Person, row: ConnectionRequest) -> Shown | None:
    """The hand-over of `row` as `user` may see it; None where there is none."""
    handover: Handover | None = getattr(row, "handover", None)
    if handover is None:
        return None
    handover.request = row  # with what was read of it already
    mine = handover.is_live and not row.gone_at and permissions.is_source_owner(user, handover)
    return Shown(
        handover,
        link=reverse("connections:handover", args=[handover.token]) if mine else "",
        may_pass_on=not row.gone_at and _may(permissions.check_can_pass_on, user, handover),
        may_revoke=not row.gone_at and _may(permissions.check_can_revoke, user, handover),
    )


def _may(check: Callable[[Person, Handover], None], user: Person, handover: Handover) -> bool:
    try:
        check(user, handover)
    except Denied:
        return False
    return True
