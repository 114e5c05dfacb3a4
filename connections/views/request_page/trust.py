"""The section "To be trusted": what Fivetran asks to trust, and who may approve it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2s

from django.utils.html import format_html

from connections import permissions
from connections.models import OPEN_TRUST, ConnectionRequest, Trust, TrustState
from connections.permissions import Person
from connections.spec import characters, trust_candidates
from connections.views.request_page import timeline
from connections.views.request_page.queries import denied_reason, trust_approvers

_FINE = frozenset({"PASSED", "SKIPPED"})
MARKER = 12  # characters that tell one set of candidates from another
_NAMED = 4  # people with the right who are named; the others are "and others"


@dataclass(frozen=True)
class Item:
    """A candidate, the test that named it, and its newest approval if that still counts."""

    candidate: trust_candidates.Candidate
    test: str
    row: Trust | None
    refused: Trust | None = None  # an earlier approval of the same bytes that Fivetran refused

    @property
    def is_certificate(self) -> bool:
        return self.candidate.kind is trust_candidates.TrustKind.CERTIFICATE

    @property
    def title(self) -> str:
        return "Certificate" if self.is_certificate else "SSH fingerprint"

    @property
    def proof_name(self) -> str:
        return "Encoded certificate" if self.is_certificate else "Public key"

    @property
    def said(self) -> list[tuple[str, str]]:
        return [("Asked by", self.test), *([("Type", self.candidate.type)] if self.candidate.type else [])]

    @property
    def hashes(self) -> list[tuple[str, str]]:
        said = ("SHA-1, says Fivetran", self.candidate.sha1), (self.candidate.sha256_label, self.candidate.sha256)
        return [*((label, value) for label, value in said if value), *self.candidate.facts]

    @property
    def template(self) -> str:
        return f"connections/request_page/_trust_{'approved' if self.row else 'approve'}.html"

    @property
    def warns(self) -> bool:
        """Whether something about it is to be noticed before it is approved."""
        doubtful = any(characters.doubtful(value) for _, value in self.hashes)
        return bool(self.candidate.contradiction or self.refused or doubtful)

    @property
    def progress(self) -> str:
        if not self.on_its_way:
            return "Fivetran knows, and the setup tests run again by themselves."
        message = characters.visible(self.row.message) if self.row else ""
        return format_html("Fivetran is being told: <bdi>{}</bdi>", message) if message else "Fivetran is being told."

    @property
    def button(self) -> str:
        return "Approve certificate" if self.is_certificate else "Approve fingerprint"

    @property
    def on_its_way(self) -> bool:
        return self.row is not None and self.row.state in OPEN_TRUST


@dataclass(frozen=True)
class Decision:
    """What stands in the bar at the bottom."""

    item: Item
    denied_reason: str = ""
    template: str = "connections/request_page/_decide_trust.html"


@dataclass(frozen=True)
class Section:
    """The candidates of the newest run; `denied_reason` says why the reader cannot approve, `people` who can,
    `left_out` how many more Fivetran named than are shown.
    """

    items: list[Item]
    denied_reason: str
    people: list[str]
    marker: str
    left_out: int = 0
    changed: bool = False

    @property
    def template(self) -> str:
        return f"connections/request_page/_trust_{'changed' if self.changed else 'items'}.html"

    @property
    def why_denied(self) -> str:
        if not self.people:
            return self.denied_reason
        return format_html("{} Who can: <bdi>{}</bdi>.", self.denied_reason, ", ".join(self.people))

    @property
    def sole(self) -> Item | None:
        """The only thing that the reader can approve, with nothing to notice about it: its button stands in the bar at
        the bottom. A warning must be read before the button.
        """
        plain = [item for item in self.items if item.row is None and not item.warns]
        alone = len(plain) == len(self.items) == 1 and not self.left_out
        return plain[0] if alone and not self.denied_reason and not self.changed else None

    @property
    def counted(self) -> str:
        return "something" if len(self.items) == 1 else f"{len(self.items)} things"


def section(user: Person, conn_request: ConnectionRequest, runs: list[timeline.Run]) -> Section | None:
    """None, without a query, where the newest run names nothing."""
    found = [] if conn_request.deleted_at_fivetran_at or not runs else list(standing(runs[0]))
    if not found:
        return None
    approvals = list(
        conn_request.trusts.select_related("approved_by").exclude(state=TrustState.LAPSED)[: timeline.MOST]
    )
    items = [item_of(one, test, approvals, runs[0]) for one, test in found]
    marker = blake2s("".join(one.digest for one, _ in found).encode(), digest_size=MARKER // 2).hexdigest()
    reason = denied_reason(permissions.check_can_trust, user, conn_request)
    more = sum(trust_candidates.left_out(test.details) for test in runs[0].tests if test.status not in _FINE)
    return Section(items, reason, trust_approvers(conn_request, _NAMED) if reason else [], marker, left_out=more)


def decision(found: Section | None) -> Decision | None:
    return Decision(found.sole) if found is not None and found.sole is not None else None


def standing(run: timeline.Run) -> Iterable[tuple[trust_candidates.Candidate, str]]:
    seen: set[trust_candidates.Candidate] = set()
    for test in run.tests:
        for one in trust_candidates.candidates(test.details) if test.status not in _FINE else ():
            if one not in seen:
                seen.add(one)
                yield one, test.title


def item_of(one: trust_candidates.Candidate, test: str, approvals: list[Trust], run: timeline.Run) -> Item:
    same = (row for row in approvals if (row.kind, row.hash, row.proof) == (one.kind, one.hash, one.proof))
    row = next(same, None)
    # Sent before the run that named it: Fivetran asks again.
    if row is None or (row.state == TrustState.SENT and row.ended_at and row.ended_at < run.row.finished_at):
        return Item(one, test, None)
    return Item(one, test, None, row) if row.state == TrustState.REFUSED else Item(one, test, row)


def kept(found: Section | None, shown: str) -> Section | None:
    # Candidates that changed do not replace those that the reader is looking at (`shown`): the page says so instead.
    if found is None or shown in ("", found.marker):
        return found
    return replace(found, changed=True, marker=shown[:MARKER])


def poll_seconds(found: Section | None) -> int:
    """2 while the portal tells Fivetran, 5 while a person has to act."""
    if found is None:
        return 0
    return 2 if any(item.on_its_way for item in found.items) else 5
