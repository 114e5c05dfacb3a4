"""The buttons of a request's page, and the context of its decision."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.forms.utils import flatatt
from django.urls import reverse

from connections import permissions
from connections.forms import ReasonForm
from connections.models import ChangeKind, ConnectionRequest
from connections.permissions import Person
from connections.states import FINAL, Status
from connections.views.request_page.queries import connection_of, denied_reason, is_paused


@dataclass(frozen=True)
class Action:
    """A button or link; `denied_reason` disables it."""

    name: str
    url: str
    denied_reason: str = ""
    link: bool = False
    tone: str = "outline-secondary"
    said_by: str = ""  # slug of the action beside which the same reason stands

    @property
    def slug(self) -> str:
        return self.name.lower().replace(" ", "-")

    @property
    def attributes(self) -> str:
        # A disabled link leads nowhere: it has no address.
        if self.denied_reason:
            return flatatt({"aria-disabled": "true", "aria-describedby": f"why-{self.said_by or self.slug}"})
        return flatatt({"id": f"do-{self.slug}", "href": self.url})

    @property
    def why_id(self) -> str:
        return f"why-{self.slug}"


def actions(user: Person, conn_request: ConnectionRequest) -> list[Action]:
    """What the reader's role can do, each disabled with the reason where the request's state forbids it now."""

    def action(name: str, view: str, check: Callable[[Person, ConnectionRequest], None] | None, **more: Any) -> Action:
        reason = denied_reason(check, user, conn_request) if check else ""
        return Action(name, reverse(f"connections:{view}", args=[conn_request.pk]), reason, **more)

    found = []
    mine = conn_request.requester_id == user.pk
    if mine and conn_request.state not in FINAL:
        found.append(action("Edit", "edit", permissions.check_can_edit, link=True))
    tests = connection_of(conn_request) is not None and conn_request.state is Status.CREATED
    if tests and (mine or permissions.is_approver(user) or permissions.is_operator(user)):
        found.append(action("Run setup tests again", "run_tests", permissions.check_can_rerun_tests))
    changing = change_links(user, conn_request)
    found += changing[:-1]
    found.append(action("Clone", "clone", None, link=True))
    if (
        conn_request.connection_id
        and not conn_request.deleted_at_fivetran_at
        and (mine or permissions.is_approver(user) or permissions.is_operator(user))
    ):
        url = f"{reverse('connections:new')}?from_connection={conn_request.connection_id}"
        found.append(Action("Copy as it is at Fivetran", url, link=True))
    found += changing[-1:]  # what cannot be taken back comes last
    if mine and conn_request.state not in FINAL:
        found.append(action("Withdraw", "withdraw", permissions.check_can_withdraw, tone="outline-danger"))
    return found


def change_links(user: Person, conn_request: ConnectionRequest) -> list[Action]:
    connection = connection_of(conn_request)
    if (
        connection is None
        or conn_request.state is not Status.CREATED
        or not permissions.may_ask_for_change(user, conn_request)
    ):
        return []
    reason = denied_reason(permissions.check_can_ask_for_change, user, conn_request)
    pausing = ChangeKind.UNPAUSE if is_paused(connection) else ChangeKind.PAUSE
    address = reverse("connections:change_new", args=[conn_request.pk])
    last = Action(ChangeKind.DELETE.label, f"{address}?kind=delete", reason, link=True, tone="outline-danger")
    others = [
        Action(kind.label, f"{address}?kind={kind.value}", reason, link=True, said_by=last.slug if reason else "")
        for kind in (pausing, ChangeKind.SCHEDULE)
    ]
    return [*others, last]


def decide(user: Person, conn_request: ConnectionRequest, form: ReasonForm | None = None) -> dict[str, Any] | None:
    """The context of the decision, for approvers while the request waits; `form` holds the reason that was typed."""
    if conn_request.state is not Status.PENDING or not permissions.is_approver(user):
        return None
    reason = denied_reason(permissions.check_can_decide, user, conn_request)
    return {"denied_reason": reason, "digest": conn_request.digest, "form": form or ReasonForm()}
