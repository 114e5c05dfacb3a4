"""The section "To be trusted" of a request's page: what Fivetran asks to trust, and who may approve it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2s

from django.utils.html import format_html

from connections import permissions
from connections.models import OPEN_TRUST, ConnectionRequest, Trust, TrustState
from connections.permissions import Person
from connections.spec import characters, trust_candidates
from connections.views.request_page import timeline
from connections.views.request_page.queries import denied_reason

_FINE = frozenset({"PASSED", "SKIPPED"})
MARKER = 12  # characters that tell one set of candidates from another
_NAMED = 4  # people with the right who are named; the others are "and others"


@dataclass(frozen=True)
class Item:
    """One candidate, the test that named it, and its newest approval if there is one that still counts."""

    candidate: trust_candidates.Candidate
    test: str
    row: Trust | None
    refused: Trust | None = None  # an earlier approval of the same bytes that Fivetran refused

    @property
    def _is_certificate(self) -> bool:
        return self.candidate.kind is trust_candidates.TrustKind.CERTIFICATE

    @property
    def title(self) -> str:
        """What it is."""
        return "Certificate" if self._is_certificate else "SSH fingerprint"

    @property
    def proof_name(self) -> str:
        """What is sent to Fivetran."""
        return "Encoded certificate" if self._is_certificate else "Public key"

    @property
    def hashes(self) -> list[tuple[str, str]]:
        """What Fivetran says of it beside its hash."""
        said = ("SHA-1, says Fivetran", self.candidate.sha1), ("SHA-256, says Fivetran", self.candidate.sha256)
        return [*((label, value) for label, value in said if value), *self.candidate.facts]

    @property
    def progress(self) -> str:
        """How far an approved one is."""
        if not self.on_its_way:
            return "Fivetran knows, and the setup tests run again by themselves."
        message = characters.visible(self.row.message) if self.row else ""
        return format_html("Fivetran is being told: <bdi>{}</bdi>", message) if message else "Fivetran is being told."

    @property
    def button(self) -> str:
        """The name of its button, as the outside contract has it."""
        return "Approve certificate" if self._is_certificate else "Approve fingerprint"

    @property
    def on_its_way(self) -> bool:
        """Whether the portal is telling Fivetran."""
        return self.row is not None and self.row.state in OPEN_TRUST


@dataclass(frozen=True)
class Section:
    """The candidates of the newest run; `denied_reason` says why the reader cannot approve, `people` who can.

    `left_out` is how many more Fivetran named than are kept and shown.
    """

    items: list[Item]
    denied_reason: str
    people: list[str]
    marker: str
    left_out: int = 0
    changed: bool = False

    @property
    def why_denied(self) -> str:
        """Why the reader cannot approve, and who can."""
        if not self.people:
            return self.denied_reason
        return format_html("{} Who can: <bdi>{}</bdi>.", self.denied_reason, ", ".join(self.people))

    @property
    def counted(self) -> str:
        """How many there are, in a sentence."""
        return "something" if len(self.items) == 1 else f"{len(self.items)} things"


def section(user: Person, row: ConnectionRequest, runs: list[timeline.Run]) -> Section | None:
    """What is to be trusted for the connection; None, without a query, where the newest run names nothing."""
    found = [] if row.gone_at or not runs else list(_standing(runs[0]))
    if not found:
        return None
    approvals = list(row.trusts.select_related("approved_by").exclude(state=TrustState.LAPSED)[: timeline.MOST])
    items = [_item(one, test, approvals, runs[0]) for one, test in found]
    marker = blake2s("".join(one.digest for one, _ in found).encode(), digest_size=MARKER // 2).hexdigest()
    reason = denied_reason(permissions.check_can_trust, user, row)
    more = sum(trust_candidates.left_out(test.details) for test in runs[0].tests if test.status not in _FINE)
    return Section(items, reason, _people(row) if reason else [], marker, left_out=more)


def _standing(run: timeline.Run) -> Iterable[tuple[trust_candidates.Candidate, str]]:
    seen: set[trust_candidates.Candidate] = set()
    for test in run.tests:
        for one in trust_candidates.candidates(test.details) if test.status not in _FINE else ():
            if one not in seen:
                seen.add(one)
                yield one, test.title


def _item(one: trust_candidates.Candidate, test: str, approvals: list[Trust], run: timeline.Run) -> Item:
    """The candidate with its newest approval: on its way, sent since the run that named it, or refused."""
    same = (row for row in approvals if (row.kind, row.hash, row.proof) == (one.kind, one.hash, one.proof))
    row = next(same, None)
    if row is None or (row.state == TrustState.SENT and row.ended_at and row.ended_at < run.row.finished_at):
        return Item(one, test, None)  # nobody approved it, or Fivetran asks again
    return Item(one, test, None, row) if row.state == TrustState.REFUSED else Item(one, test, row)


def _people(row: ConnectionRequest) -> list[str]:
    names = [characters.visible(str(person)) for person in permissions.trust_approvers(row)[: _NAMED + 1]]
    return [*names[:_NAMED], "others"] if len(names) > _NAMED else names


def kept(found: Section | None, shown: str) -> Section | None:
    """`found` for a page that shows the candidates marked `shown`: others are not slipped under the reader's hand."""
    if found is None or shown in ("", found.marker):
        return found
    return replace(found, changed=True, marker=shown[:MARKER])


def poll_seconds(found: Section | None) -> int:
    """Seconds between two questions of the open page: 2 while the portal tells Fivetran, 5 while a person has to."""
    if found is None:
        return 0
    return 2 if any(item.on_its_way for item in found.items) else 5
