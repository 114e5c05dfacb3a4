"""A change's page for one reader: what it says, and what the reader can do."""

from dataclasses import dataclass
from hashlib import blake2s

from django.conf import settings
from django.urls import reverse

from connections import permissions
from connections.evidence import Evidence, evidence_of_change
from connections.forms import ReasonForm
from connections.models import ChangeKind, ConnectionChange, change_step_of
from connections.next_step import ChangeStep
from connections.permissions import Person
from connections.spec import refusals
from connections.states import CHANGE_FINAL, ChangeStatus
from connections.views.changes import change_labels
from connections.views.request_page import queries
from connections.views.request_page.polling import pause_for


@dataclass(frozen=True)
class ChangePage:
    """A change for one reader; `form` holds the reason that was typed, `typed` what of it cannot be sent any more."""

    change: ConnectionChange
    step: ChangeStep
    turn: str
    decides: bool
    denied_reason: str
    rejects: bool
    withdraws: bool
    evidence: list[Evidence]
    form: ReasonForm
    act: str  # what an operator does after a refusal
    tone: str
    differences: list[change_labels.Difference]
    consequence: str
    call: str

    @property
    def tasks(self) -> list[str]:
        """The templates of what the reader can do, or has to know about it."""
        shown = ("evidence", self.evidence), ("not_sent", self.typed), ("withdraw", self.withdraws)
        return [f"connections/changes/_{name}.html" for name, is_shown in shown if is_shown]

    @property
    def notices(self) -> list[str]:
        """The templates of what to know before anything else."""
        change = self.change
        shown = (
            ("note", change.note),
            ("failed", change.state is ChangeStatus.FAILED),
            ("act", self.act),
            ("decided", change.decided_by),
            ("reason", change.decision_reason),
        )
        return [f"connections/changes/_{name}.html" for name, is_shown in shown if is_shown]

    @property
    def tags(self) -> list[tuple[str, str]]:
        """(colour, words) of what stands beside the status."""
        return [("danger", "no longer at Fivetran")] if self.change.request.deleted_at_fivetran_at else []

    @property
    def typed(self) -> str:
        return "" if self.rejects else str(self.form.data.get("decision_reason", ""))[:4000]

    @property
    def label(self) -> str:
        return "Not known" if self.step is ChangeStep.UNCLEAR else self.change.state.label

    @property
    def next(self) -> str:
        return self.step.said_to(acts=self.rejects).format(days=settings.EXPIRE_DAYS)

    @property
    def deletes(self) -> bool:
        return self.change.kind == ChangeKind.DELETE

    @property
    def approve_look(self) -> str:
        return "outline-secondary" if self.denied_reason else "danger" if self.deletes else "primary"

    @property
    def warns(self) -> bool:
        return self.deletes and self.change.state not in CHANGE_FINAL

    @property
    def poll(self) -> int:
        return 0 if self.change.state in CHANGE_FINAL else pause_for(self.step.owner)

    @property
    def status_url(self) -> str:
        return f"{reverse('connections:change_status', args=[self.change.pk])}?seen={fingerprint(self.change)}"


def page_of(user: Person, change: ConnectionChange, form: ReasonForm | None = None) -> ChangePage:
    step, waits = change_step_of(change), change.state is ChangeStatus.PENDING
    decides = waits and permissions.is_approver(user)
    rejects = decides and not queries.denied_reason(permissions.check_can_decide_change, user, change)
    operates = step is ChangeStep.REFUSED_FOR_OPERATORS and permissions.is_operator(user)
    return ChangePage(
        change=change,
        step=step,
        turn="yours" if rejects or operates else step.owner.label,
        decides=decides,
        denied_reason=queries.denied_reason(permissions.check_can_approve_change, user, change) if decides else "",
        rejects=rejects,
        withdraws=not queries.denied_reason(permissions.check_can_withdraw_change, user, change),
        evidence=evidence_of_change(change) if waits and permissions.approves(user, change.request) else [],
        form=form or ReasonForm(),
        act=refusals.act_on_change(change.failure_code) if operates else "",
        tone=change_labels.tone(change.status),
        differences=change_labels.differences(change),
        consequence=change_labels.CONSEQUENCES[ChangeKind(change.kind)],
        call=change_labels.call_line(change),
    )


def fingerprint(change: ConnectionChange) -> str:
    """A text that changes when a live part of the page would look different, ages aside."""
    step = change_step_of(change).name
    marks = [change.version, change.status, step, change.note, change.request.deleted_at_fivetran_at]
    return blake2s(repr(marks).encode(), digest_size=9).hexdigest()
