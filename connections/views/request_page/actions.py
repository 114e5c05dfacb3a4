"""What the reader of a request's page can do: decide, settle, and the buttons."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.forms.utils import flatatt
from django.urls import reverse

from connections import permissions
from connections.forms import ReasonForm, SettleForm
from connections.models import ChangeKind, ConnectionRequest
from connections.next_step import NextStep
from connections.permissions import Person
from connections.spec.refusals import Refusal, refusal_of
from connections.states import FINAL, Status
from connections.views.request_page import sharing
from connections.views.request_page.head import may_act
from connections.views.request_page.queries import connection_of, denied_reason
from connections.views.request_page.sections import Section

API_HOST, DASHBOARD = "api.fivetran.com", "https://fivetran.com"


@dataclass(frozen=True)
class Action:
    """A button or link; `denied_reason` disables it."""

    name: str
    url: str
    denied_reason: str = ""
    link: bool = False
    tone: str = "outline-secondary"
    in_sight: bool = False  # however long the menu is
    said_by: str = ""  # slug of the action beside which the same reason stands

    @property
    def slug(self) -> str:
        return self.name.lower().replace(" ", "-")

    @property
    def is_primary(self) -> bool:
        return self.tone == "primary"

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
    mine = permissions.continues(user, conn_request)
    if mine and conn_request.state not in FINAL:
        found.append(action("Edit", "edit", permissions.check_can_edit, link=True))
    found += [Action(name, url, in_sight=True) for name, url in sharing.buttons(user, conn_request)]
    tests = connection_of(conn_request) is not None and conn_request.state is Status.CREATED
    if tests and permissions.oversees(user, conn_request):
        found.append(action("Run setup tests again", "run_tests", permissions.check_can_rerun_tests))
    changing = change_links(user, conn_request)
    found += changing[:-1]
    if not permissions.reads_only(user):
        found.append(action("Clone", "clone", None, link=True))
    if (
        conn_request.connection_id
        and not conn_request.deleted_at_fivetran_at
        and permissions.oversees(user, conn_request)
    ):
        url = f"{reverse('connections:new')}?from_connection={conn_request.connection_id}"
        found.append(Action("Copy as it is at Fivetran", url, link=True))
    found += changing[-1:]  # what cannot be taken back comes last
    if permissions.is_operator(user) and conn_request.submitted_at is not None:
        address = f"{reverse('connections:reassign')}?request={conn_request.pk}"
        found.append(Action("Hand over to somebody else", address, link=True))
    if mine and conn_request.state not in FINAL:
        found.append(action("Withdraw", "withdraw", permissions.check_can_withdraw, tone="outline-danger"))
    return found


def change_links(user: Person, conn_request: ConnectionRequest) -> list[Action]:
    connection = connection_of(conn_request)
    if connection is None or conn_request.state is not Status.CREATED or not permissions.oversees(user, conn_request):
        return []
    reason = denied_reason(permissions.check_can_ask_for_change, user, conn_request)
    pausing = ChangeKind.UNPAUSE if connection.is_paused else ChangeKind.PAUSE
    address = reverse("connections:change_new", args=[conn_request.pk])
    last = Action(ChangeKind.DELETE.label, f"{address}?kind=delete", reason, link=True, tone="outline-danger")
    others = [
        Action(kind.label, f"{address}?kind={kind.value}", reason, link=True, said_by=last.slug if reason else "")
        for kind in (pausing, ChangeKind.SCHEDULE)
    ]
    return [*others, last]


# --- what to do now --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Decision:
    """`form` holds the reason that was typed."""

    row: ConnectionRequest
    denied_reason: str
    form: ReasonForm
    rejects_only: str  # why it cannot be approved, where it can be rejected

    @property
    def approve_look(self) -> str:
        return "outline-secondary" if self.rejects_only else "primary"

    @property
    def template(self) -> str:
        return f"connections/request_page/_{'decide_denied' if self.denied_reason else 'decide'}.html"


@dataclass(frozen=True)
class ForOperators:
    """`form` settles the request, or hands a `refusal` back to its requester."""

    form: SettleForm
    refusal: Refusal
    template: str


@dataclass(frozen=True)
class Actions:
    """`tasks` hold the one primary button, `buttons` what else the reader often does, `more` the rest in a menu."""

    tasks: list[Section]
    buttons: list[Action]
    more: list[Action]
    dashboard: str = ""  # the connection's page at Fivetran

    @property
    def links(self) -> list[str]:
        return [self.dashboard] if self.dashboard else []


def actions_of(user: Person, conn_request: ConnectionRequest, step: NextStep, first: Section) -> Actions:
    """`first` leads to the credentials."""
    found, leads = actions(user, conn_request), first.shown is not None
    if not leads and may_act(user, conn_request, step):
        found = [*review_of(conn_request, step), *with_primary(found, _PRIMARY.get(step, ""))]
    wanted = [one for one in found if (one.in_sight or one.name in _IN_SIGHT) and not one.denied_reason]
    in_sight = [one for one in found if one.is_primary or one in wanted]
    return Actions(
        tasks=[first] if leads else [],
        buttons=sorted(in_sight, key=lambda one: not one.is_primary),
        more=[one for one in found if one not in in_sight],
        dashboard=dashboard_of(conn_request),
    )


_IN_SIGHT = frozenset({"Review what is to be trusted", "Edit", "Run setup tests again", "Clone", "Withdraw"})
_PRIMARY = {
    NextStep.DRAFT: "Edit",
    NextStep.CHANGES_REQUESTED: "Edit",
    NextStep.FAILED: "Clone",
    NextStep.REFUSAL_MENDED: "Clone",
}


def with_primary(found: list[Action], name: str) -> list[Action]:
    return [replace(one, tone="primary") if one.name == name else one for one in found]


def review_of(conn_request: ConnectionRequest, step: NextStep) -> list[Action]:
    # What is decided elsewhere than in the bar at the bottom, or needs a look at more than the bar shows.
    if step is NextStep.TRUST:
        return [Action("Review what is to be trusted", "#trust-heading", link=True, tone="outline-primary")]
    if step is NextStep.ATTENTION:
        return [Action("Settle this request", "#for-operators-heading", link=True, tone="primary")]
    if step is NextStep.CHANGE_PENDING:
        address = reverse("connections:change", args=[conn_request.open_change])  # type: ignore[attr-defined]  # annotated by find()
        return [Action("Review the change", address, link=True, tone="primary")]
    return []


def dashboard_of(conn_request: ConnectionRequest) -> str:
    if not conn_request.connection_id or conn_request.deleted_at_fivetran_at:
        return ""
    return connection_page(settings.FIVETRAN_BASE_URL, conn_request.connection_id)


def connection_page(api_root: str, connection_id: str) -> str:
    """Source: the address that Fivetran's own Connector SDK prints; another API root than Fivetran's has its own."""
    root = urlsplit(api_root)
    site = DASHBOARD if root.hostname == API_HOST else f"{root.scheme}://{root.netloc}"
    return f"{site}/dashboard/connections/{quote(connection_id, safe='')}/status"


def decision(user: Person, conn_request: ConnectionRequest, form: ReasonForm | None) -> Decision | None:
    """For approvers while the request waits."""
    if conn_request.state is not Status.PENDING or not permissions.is_approver(user):
        return None
    denied = denied_reason(permissions.check_can_decide, user, conn_request)
    rejects_only = "" if denied else denied_reason(permissions.check_can_approve, user, conn_request)
    return Decision(conn_request, denied, form or ReasonForm(), rejects_only)


def for_operators(user: Person, conn_request: ConnectionRequest) -> ForOperators | None:
    if permissions.can_hand_back(user, conn_request):
        template = "connections/operations/_hand_back.html"
    elif permissions.can_settle(user, conn_request):
        template = "connections/operations/_form.html"
    else:
        return None
    return ForOperators(SettleForm(pk=conn_request.pk), refusal_of(conn_request.failure_code), template)
