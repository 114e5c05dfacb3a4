"""What the reader of a request's page can do: decide, settle, and the buttons."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.forms.utils import flatatt
from django.urls import reverse

from connections import permissions
from connections.evidence import Evidence
from connections.forms import ReasonForm, SettleForm
from connections.models import ChangeKind, ConnectionRequest
from connections.permissions import Person
from connections.spec.refusals import Refusal, refusal_of
from connections.states import FINAL, Status
from connections.views.request_page.queries import connection_of, denied_reason, is_paused
from connections.views.request_page.sections import Section


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
    def template(self) -> str:
        return f"connections/request_page/_action_{'link' if self.link else 'button'}.html"

    @property
    def why(self) -> str:
        """The reason, where it does not stand beside another action already."""
        return "" if self.said_by else self.denied_reason

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


@dataclass(frozen=True)
class Decision:
    """`form` holds the reason that was typed, `evidence` what to notice."""

    row: ConnectionRequest
    denied_reason: str
    evidence: list[Evidence]
    form: ReasonForm

    @property
    def template(self) -> str:
        return f"connections/request_page/_{'reject_denied' if self.denied_reason else 'reject'}.html"


@dataclass(frozen=True)
class ForOperators:
    row: ConnectionRequest
    form: SettleForm
    refusal: Refusal
    evidence: list[Evidence]


@dataclass(frozen=True)
class Actions:
    """`tasks` are for the reader to do now, `buttons` what else the reader can do."""

    tasks: list[Section]
    buttons: list[Action]


def actions_of(
    user: Person,
    conn_request: ConnectionRequest,
    evidence: list[Evidence],
    *,
    first: Section | None,
    form: ReasonForm | None,
    typed: str,
) -> Actions:
    """`first` leads to the credentials; `form` and `typed` are a decision that was sent and not taken."""
    found = [
        first,
        Section("decide", decision(user, conn_request, evidence, form)),
        for_operators(user, conn_request, evidence),
        Section("not_sent", "" if awaits_decision_of(user, conn_request) else typed),
    ]
    return Actions([task for task in found if task and task.shown], actions(user, conn_request))


def awaits_decision_of(user: Person, conn_request: ConnectionRequest) -> bool:
    return conn_request.state is Status.PENDING and permissions.is_approver(user)


def decision(
    user: Person, conn_request: ConnectionRequest, evidence: list[Evidence], form: ReasonForm | None
) -> Decision | None:
    """For approvers while the request waits."""
    if not awaits_decision_of(user, conn_request):
        return None
    denied = denied_reason(permissions.check_can_decide, user, conn_request)
    return Decision(conn_request, denied, evidence, form or ReasonForm())


def for_operators(user: Person, conn_request: ConnectionRequest, evidence: list[Evidence]) -> Section | None:
    if permissions.can_hand_back(user, conn_request):
        name = "for_operators"
    elif permissions.can_settle(user, conn_request):
        name = "settle"
    else:
        return None
    refusal, form = refusal_of(conn_request.failure_code), SettleForm(pk=conn_request.pk)
    return Section(name, ForOperators(conn_request, form, refusal, evidence))
