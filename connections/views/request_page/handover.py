"""The hand-over as a request's page shows it: to whom it went, how far it got, and which buttons the reader has."""

from dataclasses import dataclass, field
from datetime import datetime

from django.urls import reverse

from connections import permissions
from connections.forms import PersonForm
from connections.models import ConnectionRequest, Handover, HandoverState, find_owner, why_no_mail_reaches
from connections.next_step import UNFINISHED
from connections.people import display_name
from connections.permissions import Person
from connections.views.request_page.queries import denied_reason
from connections.views.request_page.sections import Section


@dataclass(frozen=True)
class CardStep:
    """A Connect Card in words, with up to two moments between them."""

    before: str
    at: datetime | None = None
    after: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class Shown:
    """A hand-over for one reader. `link` is the owner's alone; the two others say whether there are buttons."""

    row: Handover
    link: str = ""
    may_pass_on: bool = False
    may_revoke: bool = False
    form: PersonForm = field(default_factory=PersonForm)

    @property
    def template(self) -> str:
        # What is over is folded.
        return f"connections/request_page/_handover_{'steps' if self.waits else 'over'}.html"

    @property
    def owner_template(self) -> str:
        return f"connections/request_page/_owner_{'account' if self.row.owner else 'words'}.html"

    @property
    def redirects(self) -> list[str]:
        """The templates of the forms that give it to somebody else or revoke it."""
        forms = ("pass_on", self.may_pass_on), ("revoke", self.may_revoke)
        return [f"connections/request_page/_handover_{name}.html" for name, may in forms if may]

    @property
    def waits(self) -> bool:
        return self.row.is_live and not self.row.request.deleted_at_fivetran_at

    @property
    def tone(self) -> str:
        # Plain once nobody has to act on it.
        if self.row.is_live and not self.waits:
            return "secondary"
        return {"done": "success", "revoked": "secondary", "returned": "info"}.get(self.row.state, "warning")

    @property
    def verb(self) -> str:
        if self.row.state == HandoverState.REVOKED:
            return "It was taken back from"
        if self.waits:
            return "Waits for"
        return "Waited for" if self.row.is_live else "Went to"

    @property
    def redirect_words(self) -> str:
        if not self.row.is_live:
            return "Hand over again"
        return "Give it to somebody else, or revoke it" if self.may_revoke else "Give it to somebody else"

    @property
    def reminded(self) -> str:
        count = self.row.reminders
        return f", reminded {count} time{'' if count == 1 else 's'}" if count else ""

    @property
    def card(self) -> CardStep:
        row = self.row
        if not row.card_at:
            return CardStep("none issued yet")
        if row.card_expired_at:
            return CardStep("issued ", row.card_at, ", expired unused")
        return CardStep("issued ", row.card_at, *((", valid until ", row.card_expires_at) if row.is_live else ()))

    @property
    def ends(self) -> list[tuple[str, datetime]]:
        steps = ("Returned", self.row.returned_at), ("Done", self.row.done_at)
        return [(label, at) for label, at in steps if at]


def shown(user: Person, conn_request: ConnectionRequest, form: PersonForm | None = None) -> Shown | None:
    """`form` holds whom to give it to, as it was typed."""
    handover: Handover | None = getattr(conn_request, "handover", None)
    if handover is None:
        return None
    handover.request = conn_request  # with what was read of it already
    there = not conn_request.deleted_at_fivetran_at
    mine = handover.is_live and there and permissions.is_source_owner(user, handover)
    return Shown(
        handover,
        link=reverse("connections:handover", args=[handover.token]) if mine else "",
        may_pass_on=there and not denied_reason(permissions.check_can_pass_on, user, handover),
        may_revoke=there and not denied_reason(permissions.check_can_revoke, user, handover),
        form=form or PersonForm(),
    )


@dataclass(frozen=True)
class Lead:
    """The first thing to do for a connection that lacks credentials: a button that asks `to`."""

    button: str
    url: str
    to: str
    by: str  # who enters them, to the reader
    typed: bool = False  # whom to ask is typed: the one who is named cannot be asked


def lead(user: Person, conn_request: ConnectionRequest, *, busy: bool) -> Lead | None:
    """For who can act; None while tests, an approval or the owner (`busy`) come first."""
    handover: Handover | None = getattr(conn_request, "handover", None)
    waits = handover is not None and handover.is_live
    if (
        busy
        or waits
        or not permissions.can_hand_over(user, conn_request)
        or conn_request.connection.setup_state not in UNFINISHED
    ):
        return None
    to = handover.owner_name if handover is not None else conn_request.source_owner or str(conn_request.requester)
    is_requester = handover is None and not conn_request.source_owner
    person, address = (conn_request.requester, "") if is_requester else find_owner(to)
    view = "handover_begin" if handover is None else "handover_pass_on"
    mine = person is not None and person.pk == user.pk
    again = " again" if handover is not None and handover.state == HandoverState.DONE else ""
    # Whoever may not know every user reads what was typed: a real name behind it would tell who has an account.
    known = is_requester or (handover is not None and handover.owner) or permissions.reads_whole(user, conn_request)
    return Lead(
        button=f"Enter the credentials{again}" if mine else f"Hand over{' again' if handover else ''}",
        url=reverse(f"connections:{view}", args=[conn_request.pk]),
        to=to,
        by="you" if mine else display_name(person) if person and known else to,
        # Others are not told who has an account.
        typed=permissions.reads_whole(user, conn_request) and bool(why_no_mail_reaches(person, address)),
    )


def first_action(user: Person, conn_request: ConnectionRequest, found: Shown | None, *, busy: bool) -> Section:
    """What leads the reader to the credentials: the Connect Card for its owner, else a button that asks somebody."""
    if found is not None and found.link:
        return Section("open_card", found.link)
    return Section("lead", lead(user, conn_request, busy=busy))
