"""The section "What is asked for": the request in words, and the exact body."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connections import permissions
from connections.catalog.metadata import words_of
from connections.evidence import Evidence, evidence_of, evidence_of_body
from connections.evidence.body import leaves
from connections.models import ConnectionRequest
from connections.permissions import Person
from connections.spec import characters, drift, payloads
from connections.spec.fields import BY_PATH, NAMING
from connections.states import FINAL, Status
from connections.views.request_page import connection_facts, dry_run
from connections.views.request_page.queries import connection_of

_WAYS = ("private_link_id", "proxy_agent_id", "hybrid_deployment_agent_id", "external_secrets_manager_id")
_NAMES = frozenset(path.removeprefix("config.") for path in NAMING)


@dataclass(frozen=True)
class Named:
    """What Fivetran calls something by an id, and by a name where the id says less."""

    label: str
    name: str
    id: str
    look: str = ""

    @property
    def marks(self) -> list[list[str]]:
        return [characters.doubtful(self.name), characters.doubtful(self.id)]

    @property
    def other_id(self) -> str:
        return "" if self.id == self.name else self.id


@dataclass(frozen=True)
class Asked:
    row: ConnectionRequest

    @property
    def named(self) -> list[Named]:
        row = self.row
        return [
            Named("Service", row.service_name or "—", row.service),
            Named("Destination", row.group_name or "—", row.group_id),
            Named("Name there", row.schema or "—", row.schema or "—", look="name"),
        ]

    @property
    def settings(self) -> list[tuple[str, str]]:
        """(label, value) of where the data comes from and on which way, each in full."""
        found = [(BY_PATH[path].label, str(self.body[path])) for path in _WAYS if self.body.get(path) not in (None, "")]
        return [*config_in_words(self.body.get("config")), *found]

    @property
    def phrases(self) -> list[str]:
        # Nobody knows how a connection made elsewhere was tested.
        values, connection = self.row.values, connection_of(self.row)
        if connection is None or not connection.made_elsewhere:
            return payloads.in_words(values)
        told, own = payloads.said_in_words(values), connection.baseline.get(drift.SCHEDULE)
        if own and not payloads.tells_schedule(values):
            return [connection_facts.schedule_in_words(own), *told]
        return told

    @property
    def heading(self) -> str:
        return heading_of(self.row)

    @cached_property
    def body(self) -> dict[str, Any]:
        return payloads.masked(self.row.payload or payloads.build_body(self.row.values))


def config_in_words(config: Any) -> Iterator[tuple[str, str]]:
    """Host, database, user and all else of the source; the names at the destination stand above already."""
    for path, value in leaves(config if isinstance(config, Mapping) else {}):
        if path in _NAMES or value in (None, ""):
            continue
        words = " / ".join(words_of(part) for part in path.split("."))
        yield words, "yes" if value is True else "no" if value is False else str(value)


def heading_of(conn_request: ConnectionRequest) -> str:
    connection = connection_of(conn_request)
    if connection is not None and connection.made_elsewhere:
        return "Made elsewhere: as Fivetran showed it when it was adopted"
    if not conn_request.payload:
        return "The body so far"
    if conn_request.first_sent_at:
        return "The exact body that was sent"
    if conn_request.state in FINAL:
        return "The exact body"
    return "The exact body that will be sent" + ("" if conn_request.approved_at else " if it is approved")


@dataclass(frozen=True)
class Noticed:
    """What whoever decides should notice, with the last dry run, if there was one."""

    evidence: list[Evidence]
    tested: dry_run.Panel | None


def noticed(user: Person, conn_request: ConnectionRequest, evidence: list[Evidence]) -> Noticed | None:
    tested = dry_run.panel_of(conn_request)
    shown = tested if tested.run and permissions.can_decide(user, conn_request) else None
    return Noticed(evidence, shown) if evidence or shown else None


def shown_evidence(user: Person, conn_request: ConnectionRequest) -> list[Evidence]:
    # For who reads more than its requester: all of it while somebody has to decide, then what the request itself tells.
    if not permissions.reads_whole(user, conn_request):
        return []
    decided = conn_request.state not in (Status.PENDING, Status.ATTENTION)
    return evidence_of_body(conn_request) if decided else evidence_of([conn_request], user)[conn_request.pk]
