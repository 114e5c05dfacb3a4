"""A request's page: its top and its sections in order, the same for the page and for its live updates."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from connections import permissions
from connections.evidence import Evidence
from connections.forms import PersonForm, ReasonForm
from connections.models import Attempt, ConnectionRequest
from connections.next_step import NextStep
from connections.permissions import Person
from connections.states import TESTS_OPEN, Status
from connections.views.changes import change_labels
from connections.views.request_page import (
    actions,
    asked,
    connection_facts,
    diagnosis,
    dry_run,
    handover,
    people,
    polling,
    steps,
    timeline,
    trust,
)
from connections.views.request_page.head import Head, head, present_step
from connections.views.request_page.queries import SHOWN_DIGEST, connection_of
from connections.views.request_page.sections import Section


@dataclass(frozen=True)
class Open:
    """What the page that a browser has open shows: the start of a digest, and a marker of what is to be trusted."""

    digest: str
    trust: str = ""

    def is_older_than(self, conn_request: ConnectionRequest) -> bool:
        return conn_request.state is Status.PENDING and self.digest != conn_request.digest[:SHOWN_DIGEST]


@dataclass(frozen=True)
class Sent:
    """Forms that were sent from the page and not taken: it shows what was typed, and what is wrong with it."""

    decision: ReasonForm | None = None
    typed: str = ""
    handover: PersonForm | None = None


_OF_THE_BODY = frozenset({"actions", "evidence", "decision"})


@dataclass(frozen=True)
class RequestPage:
    """`seen` tells one state of the page from the next, `shown` and `trusted` what an approver reads on it.

    `poll` is in seconds, 0 for never. `sections` stand in the main column between `top` and the `bar` at the bottom,
    `aside` beside them.
    """

    row: ConnectionRequest
    head: Head
    top: list[Section]
    sections: list[Section]
    aside: list[Section]
    bar: list[Section]
    poll: int
    seen: str
    shown: str
    trusted: str
    edited: bool
    failed_form: ReasonForm | PersonForm | None

    @property
    def status_url(self) -> str:
        query = {"seen": self.seen, "shown": self.shown, **({"trust": self.trusted} if self.trusted else {})}
        return f"{reverse('connections:status', args=[self.row.pk])}?{urlencode(query)}"

    @property
    def body_heading(self) -> str:
        return asked.heading_of(self.row)

    @property
    def place(self) -> tuple[str, str, str, str]:
        """As "to", "Warehouse_Production", "/", "shop_orders", as far as it was chosen."""
        group, name = self.row.group_name, self.row.schema
        return ("to" if group else "", group, "/" if name else "", name)

    @property
    def live_sections(self) -> Iterator[Section]:
        # A body that changed since the page was opened does not replace the one that an approver reads: the decision
        # keeps the old digest, which cannot approve any more, and the page says that it is out of date.
        for section in (*self.top, *self.sections, *self.aside, *self.bar):
            if section.live and not (self.edited and section.name in _OF_THE_BODY):
                yield section


@dataclass(frozen=True)
class Read:
    """What the sections are made of, read once for `user`."""

    user: Person
    row: ConnectionRequest
    attempts: list[Attempt]
    runs: list[timeline.Run]
    facts: connection_facts.Facts | None
    cards: diagnosis.Cards
    to_trust: trust.Section | None
    handover: handover.Shown | None
    evidence: list[Evidence]

    @property
    def noticed(self) -> asked.Noticed | None:
        return asked.noticed(self.user, self.row, self.evidence)

    @cached_property
    def first_action(self) -> Section:
        return handover.first_action(self.user, self.row, self.handover, busy=self.busy)

    @property
    def busy(self) -> bool:
        """Whether tests or an approval come before anybody enters credentials."""
        return self.to_trust is not None or (self.facts is not None and self.facts.connection.tests in TESTS_OPEN)


def read(user: Person, conn_request: ConnectionRequest, open_page: Open, sent: Sent) -> Read:
    runs = timeline.runs_of(connection_of(conn_request))
    return Read(
        user=user,
        row=conn_request,
        attempts=list(conn_request.attempts.all()[: timeline.MOST]),
        runs=runs,
        facts=connection_facts.facts_of(connection_of(conn_request)),
        cards=diagnosis.cards(conn_request, runs),
        to_trust=trust.kept(trust.section(user, conn_request, runs), open_page.trust),
        handover=handover.shown(user, conn_request, sent.handover),
        evidence=asked.shown_evidence(user, conn_request),
    )


def page_of(
    user: Person, conn_request: ConnectionRequest, *, open_page: Open | None = None, sent: Sent | None = None
) -> RequestPage:
    """`open_page` for a live update of it, `sent` for the answer to a form."""
    sent, open_page = sent or Sent(), open_page or Open(conn_request.digest[:SHOWN_DIGEST])
    found, waiting = read(user, conn_request, open_page, sent), polling.waiting_for(conn_request)
    step, edited = present_step(conn_request), open_page.is_older_than(conn_request)
    newest = next(iter(found.attempts), None)
    return RequestPage(
        row=conn_request,
        head=head(user, conn_request, step, waiting=waiting, newest=newest, edited=edited),
        top=top_of(found, step),
        sections=list(sections_of(found, sent)),
        aside=[
            Section("people", list(people.lines(user, conn_request))),
            Section("timeline", timeline.grouped(timeline.entries(conn_request, found.attempts, found.runs))),
        ],
        bar=[
            Section(
                "decision",
                actions.decision(user, conn_request, sent.decision) or trust.decision(found.to_trust),
                look="action-bar",
            )
        ],
        poll=poll_of(found),
        seen=polling.fingerprint(conn_request, waiting),
        shown=open_page.digest,
        trusted=found.to_trust.marker if found.to_trust else "",
        edited=edited,
        failed_form=next((form for form in (sent.decision, sent.handover) if form is not None and form.errors), None),
    )


def top_of(found: Read, step: NextStep) -> list[Section]:
    todo = actions.actions_of(found.user, found.row, step, found.first_action)
    decides = step is NextStep.PENDING and permissions.can_decide(found.user, found.row)
    return [
        Section("actions", todo, look="request-actions"),
        Section("steps", steps.steps_of(found.row, found.runs, acts=decides), look="panel"),
    ]


def sections_of(found: Read, sent: Sent) -> Iterator[Section]:
    """In one order for every state: nothing moves while somebody reads, whether the page follows or is loaded again."""
    user, row, facts = found.user, found.row, found.facts
    yield Section("not-sent", "" if permissions.can_decide(user, row) else sent.typed)
    yield Section("evidence", found.noticed)
    yield Section("for-operators", actions.for_operators(user, row))
    tells = found.noticed is not None and found.noticed.tested is not None
    yield Section("dry-run", dry_run.panel_of(row, in_short=tells))
    yield Section("trust", found.to_trust)
    yield Section("handover", found.handover)
    tests = (found.runs, found.cards, found.handover, found.first_action)
    yield Section("results", facts and diagnosis.Results(facts, *tests))
    yield Section("at-fivetran", facts)
    yield Section("drift", facts and not facts.is_gone and facts.differences)
    yield Section("changes", changes_of(row) if permissions.sees_all_of(user, row) else [])
    yield Section("asked", asked.Asked(row), live=False)
    yield Section("attempts", [(attempt, timeline.answer_of(attempt)) for attempt in found.attempts])


def poll_of(found: Read) -> int:
    asks = (
        polling.poll_seconds(found.row),
        trust.poll_seconds(found.to_trust),
        diagnosis.poll_seconds(found.cards),
    )
    return min(filter(None, asks), default=0)


def changes_of(conn_request: ConnectionRequest) -> list[dict[str, Any]]:
    # No query where there is no change.
    if getattr(conn_request, "latest_change", None) is None:
        return []
    found = conn_request.changes.select_related("requester")[: timeline.MOST_RUNS]
    return [{"row": change, "tone": change_labels.tone(change.status)} for change in found]
