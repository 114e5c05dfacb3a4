"""What a request's page shows: read once for the page and again for its live parts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2s
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import Max, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from connections import payloads, permissions
from connections.models import (
    ApiGate,
    Attempt,
    CatalogEntry,
    ChangeKind,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Event,
    GateReason,
    Handover,
    HandoverState,
    Kind,
    Observation,
    SetupTestsState,
)
from connections.permissions import Person
from connections.states import CHANGE_OPEN, FINAL, ChangeStatus, Owner, Status
from connections.views import cards, change_words, facts, handover_panel, timeline, trusted, words

SHOWN_DIGEST = 16  # characters of the digest that tell one body of a request from another

_WORKING = frozenset({Status.APPROVED, Status.CLAIMED, Status.SENDING, Status.UNKNOWN})
_PERSONS = frozenset({Status.PENDING, Status.CHANGES_REQUESTED, Status.ATTENTION})
_TESTS_OPEN = frozenset({SetupTestsState.DUE.value, SetupTestsState.RUNNING.value})


@dataclass(frozen=True)
class Action:
    """A button or link. `why_not` is the reason it is disabled, empty where the reader may use it."""

    name: str
    url: str
    why_not: str = ""
    link: bool = False
    tone: str = "outline-secondary"
    said_by: str = ""  # slug of the action beside which the same reason stands

    @property
    def slug(self) -> str:
        """The name as part of an element's id."""
        return self.name.lower().replace(" ", "-")


@dataclass(frozen=True)
class Waiting:
    """What a request waits for, in the requester's words, and until when if that is known."""

    sentence: str
    until: datetime | None


def reader(request: HttpRequest) -> User:
    """The reader as a user: nobody else passes the log-in."""
    return cast(User, request.user)


def find(user: Person, pk: int) -> ConnectionRequest:
    """The request as far as it exists for `user`, with its people, its connection, and marks of its latest changes."""
    rows = permissions.visible_to(user).select_related(
        "requester",
        "decided_by",
        "approved_by",
        "connection",
        "cloned_from",
        "preset__approvers",
        "batch_row",
        "handover__owner",
    )
    latest = Event.objects.filter(request=OuterRef("pk")).order_by().values("request")
    attempt = Attempt.objects.filter(request=OuterRef("pk")).order_by().values("request")
    rows = rows.annotate(
        latest_event=Subquery(latest.annotate(last=Max("pk")).values("last")),
        listed_at=Subquery(Observation.objects.filter(pk=1).values("finished_at")),
        latest_attempt=Subquery(attempt.annotate(last=Max("pk")).values("last")),
        **_changes_of_the_row(),
        guide=Subquery(_known(Kind.SERVICE, "service").values(link=KT("data__link_to_docs"))),
        group_told_at=Subquery(_known(Kind.GROUP, "group_id").values("detail_at")),
    )
    return get_object_or_404(rows, pk=pk)


def _changes_of_the_row() -> dict[str, Subquery]:
    """Columns: the newest change of the connection, and the open one with its status."""
    changes = ConnectionChange.objects.filter(request=OuterRef("pk")).order_by("-pk")
    waiting = changes.filter(status__in=sorted(CHANGE_OPEN))
    return {
        "latest_change": Subquery(changes.values("pk")[:1]),
        "open_change": Subquery(waiting.values("pk")[:1]),
        "open_change_status": Subquery(waiting.values("status")[:1]),
    }


def _known(kind: Kind, column: str) -> QuerySet[CatalogEntry]:
    """What the catalog holds under the id in this column of the request: one row at most."""
    return CatalogEntry.objects.filter(kind=kind, fivetran_id=OuterRef(column)).order_by()


def connection_of(row: ConnectionRequest) -> Connection | None:
    """The connection that came of the request, if one did."""
    return getattr(row, "connection", None)


def known_at(row: ConnectionRequest) -> datetime | None:
    """As of when Fivetran's words about the connection hold: a list that changed nothing confirmed them too."""
    connection = connection_of(row)
    moments = [connection.seen_at if connection else None, getattr(row, "listed_at", None)]
    return max((moment for moment in moments if moment), default=None)


def handover_of(row: ConnectionRequest) -> Handover | None:
    """The hand-over of its credentials, if there is one."""
    return getattr(row, "handover", None)


def poll_seconds(row: ConnectionRequest) -> int:
    """Seconds between two questions of the open page: 2 while the portal works, 5 while a person has to, else 0."""
    connection = connection_of(row)
    if row.state in _WORKING or (connection is not None and connection.tests in _TESTS_OPEN):
        return 2
    change = getattr(row, "open_change_status", None)
    handover = handover_of(row)
    handing_over = handover is not None and handover.is_live and not row.gone_at
    if handing_over or change in (ChangeStatus.APPROVED, ChangeStatus.RUNNING):
        return 2
    return 5 if row.state in _PERSONS or change else 0


def fingerprint(row: ConnectionRequest, waiting: Waiting | None) -> str:
    """A text that changes when a live part of the page would look different, ages aside."""
    connection = connection_of(row)
    marks: list[Any] = [row.version, row.status, row.note, row.gone_at, row.latest_event, row.latest_attempt, waiting]  # type: ignore[attr-defined]  # annotated by find()
    if connection is not None:
        marks.append(row.group_told_at)  # type: ignore[attr-defined]  # annotated by find()
        marks += [connection.tests, connection.tests_next_try_at, connection.tests_note, connection.setup_state]
        marks += [connection.fivetran_status, connection.succeeded_at, connection.failed_at, connection.drift]
        marks += [is_paused(connection), connection.trust_waiting]
    if (handover := handover_of(row)) is not None:
        marks += [handover.state, handover.nonce, handover.card_expires_at, handover.card_expired_at]
    return blake2s(repr(marks).encode(), digest_size=9).hexdigest()


def waiting_for(row: ConnectionRequest) -> Waiting | None:
    """What the request waits for: the gate before Fivetran, its own next try or look; None while it just runs."""
    now = timezone.now()
    if row.state is Status.UNKNOWN and row.next_lookup_at and row.next_lookup_at > now:
        return Waiting("The portal looks again whether it exists at Fivetran", row.next_lookup_at)
    if row.state is not Status.APPROVED:
        return None
    gate = ApiGate.objects.filter(pk=1).first()
    if gate is not None and gate.paused_at:
        return Waiting(
            "An operator paused sending. The request keeps its place and goes on by itself afterwards.", None
        )
    if gate is not None:
        ahead = gate.not_before if gate.not_before and gate.not_before > now else None
        match gate.reason:
            case GateReason.RATE_LIMITED if ahead:
                return Waiting("Fivetran asked us to wait. The request goes on by itself", ahead)
            case GateReason.AUTH:
                return Waiting(
                    "Fivetran does not accept the portal's API key. Operators can correct it; the request goes on by "
                    "itself afterwards.",
                    None,
                )
            case GateReason.UNWELL:
                return Waiting("Fivetran gives no clear answers at the moment. The portal asks again", ahead)
    if row.note:
        return Waiting(row.note, row.next_try_at if row.next_try_at and row.next_try_at > now else None)
    return None


def live(user: Person, row: ConnectionRequest) -> dict[str, Any]:
    """The context of the parts that follow the request without a reload."""
    waiting, connection = waiting_for(row), connection_of(row)
    attempts = list(row.attempts.all()[: timeline.MOST])
    runs = timeline.runs_of(connection)
    setup_state = connection.setup_state if connection and not row.gone_at else ""
    trust, said = trusted.section(user, row, runs), cards.cards(row, runs)
    return {
        "row": row,
        "connection": connection,
        "facts": facts.facts_of(connection),
        "known_at": known_at(row),
        "place": getattr(row, "batch_row", None),
        "setup_tone": words.SETUP_TONES.get(setup_state, "secondary"),
        "turn": turn(user, row, setup_state, trust),
        "next": words.next_sentence(
            row,
            setup_state,
            drifted=bool(connection and connection.drift),
            paused=is_paused(connection),
            waits=_waits_for(row, setup_state, trust),
        ),
        "is_paused": is_paused(connection) and not row.gone_at,
        "waiting": waiting,
        "poll": min(
            filter(None, (poll_seconds(row), trusted.poll_seconds(trust), cards.poll_seconds(said))), default=0
        ),
        "trust": trust,
        "cards": said,
        "seen": fingerprint(row, waiting),
        "shown": row.digest[:SHOWN_DIGEST],
        "actions": actions(user, row),
        "decide": decide(user, row),
        "body_heading": body_heading(row),
        "risks": payloads.risks(row.payload or {}) if permissions.sees_everything(user) else [],
        "attempts": attempts,
        "runs": runs,
        "tests_open": connection is not None and connection.tests in _TESTS_OPEN,
        "acts_on_tests": source_owner(row),
        "again": "run the tests again here",
        "handover": handover_panel.shown(user, row),
        "entries": timeline.entries(row, attempts, runs),
        "changes": changes_of(row),
        "edited": False,
        "swap": False,
        "typed": "",
        "errors": [],
    }


def whole(user: Person, row: ConnectionRequest) -> dict[str, Any]:
    """The context of the whole page."""
    body = row.payload or payloads.build_body(row.values)
    return live(user, row) | {
        "body": payloads.masked(body),
        "phrases": phrases_of(row),
        "mine": row.requester_id == user.pk,
    }


def _is_foreign(row: ConnectionRequest) -> bool:
    connection = connection_of(row)
    return connection is not None and connection.made_elsewhere


def phrases_of(row: ConnectionRequest) -> list[str]:
    """What is asked for, in words; of a connection made elsewhere nobody knows how it was tested."""
    phrases = payloads.in_words(row.values)
    if not _is_foreign(row):
        return phrases
    return [words for words in phrases if not words.startswith("setup tests")]


def body_heading(row: ConnectionRequest) -> str:
    """What the body on the page is: so far, to be sent, or sent."""
    if _is_foreign(row):
        return "Made elsewhere: as Fivetran showed it when it was adopted"
    if not row.payload:
        return "The body so far"
    if row.first_sent_at:
        return "The exact body that was sent"
    if row.state in FINAL:
        return "The exact body"
    return "The exact body that will be sent" + ("" if row.approved_at else " if it is approved")


def _waits_for(row: ConnectionRequest, setup_state: str, trust: trusted.Section | None) -> words.Waits | None:
    """What a connection that is not set up waits for, where the portal knows more than Fivetran's word."""
    if row.state is not Status.CREATED or setup_state not in ("incomplete", "broken"):
        return None
    if trust is not None:
        return words.Waits.TELLING if all(item.row for item in trust.items) else words.Waits.TRUST
    handover = handover_of(row)
    if handover is None:
        return None
    if handover.state == HandoverState.REVOKED:
        return words.Waits.REVOKED
    return words.Waits.CREDENTIALS if handover.is_live and not handover.returned_at else None


def turn(user: Person, row: ConnectionRequest, setup_state: str, trust: trusted.Section | None = None) -> str:
    """Whose turn it is, with the name where it is one person's."""
    waits = _waits_for(row, setup_state, trust)
    if waits is words.Waits.TRUST and trust is not None and not trust.why_not:
        return "yours"
    owner = words.TURNS[waits] if waits else words.whose_turn(row.status, setup_state)
    if row.requester_id == user.pk and owner == Owner.REQUESTER:
        return "yours"
    match owner:
        case Owner.REQUESTER:
            return f"{row.requester}, the requester"
        case Owner.SOURCE_OWNER:
            return f"{source_owner(row)}, the source owner"
        case Owner.APPROVER:
            return "yours" if not waits and permissions.can_decide(user, row) else "an approver"
        case Owner.OPERATOR:
            return "an operator"
        case Owner.PORTAL:
            return "the portal"
    return "nobody: it is finished"


def source_owner(row: ConnectionRequest) -> str:
    """Whose credentials they are: whom the hand-over waits for, else whom the request names."""
    handover = handover_of(row)
    return handover.owner_name if handover is not None else row.source_owner or str(row.requester)


def why_not(check: Callable[[Person, ConnectionRequest], None], user: Person, row: ConnectionRequest) -> str:
    """The reason for which `check` denies, or an empty text."""
    try:
        check(user, row)
    except permissions.Denied as denied:
        return denied.reason
    return ""


def actions(user: Person, row: ConnectionRequest) -> list[Action]:
    """What the reader's role can do with the request, disabled with the reason where its state forbids it now."""

    def action(name: str, view: str, check: Callable[[Person, ConnectionRequest], None] | None, **more: Any) -> Action:
        reason = why_not(check, user, row) if check else ""
        return Action(name, reverse(f"connections:{view}", args=[row.pk]), reason, **more)

    found = []
    mine = row.requester_id == user.pk
    if mine and row.state not in FINAL:
        found.append(action("Edit", "edit", permissions.check_can_edit, link=True))
    tests = connection_of(row) is not None and row.state is Status.CREATED
    if tests and (mine or permissions.is_approver(user) or permissions.is_operator(user)):
        found.append(action("Run setup tests again", "run_tests", permissions.check_can_rerun_tests))
    changing = _changing(user, row)
    found += changing[:-1]
    found.append(action("Clone", "clone", None, link=True))
    if (
        row.connection_id
        and not row.gone_at
        and (mine or permissions.is_approver(user) or permissions.is_operator(user))
    ):
        url = f"{reverse('connections:new')}?from_connection={row.connection_id}"
        found.append(Action("Copy as it is at Fivetran", url, link=True))
    found += changing[-1:]  # what cannot be taken back comes last
    if mine and row.state not in FINAL:
        found.append(action("Withdraw", "withdraw", permissions.check_can_withdraw, tone="outline-danger"))
    return found


def changes_of(row: ConnectionRequest) -> list[dict[str, Any]]:
    """The newest changes of the connection, each with its colour; no query where there is none."""
    if getattr(row, "latest_change", None) is None:
        return []
    found = row.changes.select_related("requester")[: timeline.MOST_RUNS]
    return [{"row": change, "tone": change_words.tone(change.status)} for change in found]


def is_paused(connection: Connection | None) -> bool:
    """Whether Fivetran last said that the connection is paused."""
    told = connection.fivetran_status if connection else None
    return isinstance(told, dict) and told.get("sync_state") == "paused"


def _changing(user: Person, row: ConnectionRequest) -> list[Action]:
    """Links to ask for a change of the connection: what fits its state, for who may ask."""
    connection = connection_of(row)
    if connection is None or row.state is not Status.CREATED or not permissions.may_ask_for_change(user, row):
        return []
    reason = why_not(permissions.check_can_ask_for_change, user, row)
    pausing = ChangeKind.UNPAUSE if is_paused(connection) else ChangeKind.PAUSE
    address = reverse("connections:change_new", args=[row.pk])
    last = Action(ChangeKind.DELETE.label, f"{address}?kind=delete", reason, link=True, tone="outline-danger")
    others = [
        Action(kind.label, f"{address}?kind={kind.value}", reason, link=True, said_by=last.slug if reason else "")
        for kind in (pausing, ChangeKind.SCHEDULE)
    ]
    return [*others, last]


def decide(user: Person, row: ConnectionRequest) -> dict[str, Any] | None:
    """The decision panel's context: shown to approvers while the request waits; `why_not` where it is their own."""
    if row.state is not Status.PENDING or not permissions.is_approver(user):
        return None
    return {"why_not": why_not(permissions.check_can_decide, user, row), "digest": row.digest}
