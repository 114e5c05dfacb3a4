"""What the person who decides should notice: gathered here for every page on which something is decided."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connections.evidence import agents, body, owners, same_source
from connections.evidence.same_source import SameSource, same_source_of
from connections.models import ConnectionChange, ConnectionRequest
from connections.people import display_name
from connections.permissions import Person
from connections.spec import payloads

__all__ = ["Evidence", "Kind", "SameSource", "evidence_of", "evidence_of_body", "evidence_of_change", "same_source_of"]


class Kind(StrEnum):
    """The pages carry the values as `data-evidence`."""

    RISK = "risk"
    SAME_SOURCE = "same-source"
    OWNER = "owner"
    AGENT = "agent"
    ADDRESS = "address"
    HIDDEN = "hidden"


@dataclass(frozen=True)
class Evidence:
    kind: Kind
    words: str
    address: str = ""  # the page of what the words are about, where there is one


def evidence_of(rows: Iterable[ConnectionRequest], by: Person) -> dict[int, list[Evidence]]:
    """Request id -> what `by`, who decides, should notice."""
    asked = list(rows)  # read once: everything below needs all of them
    bodies = {conn_request.pk: conn_request.payload or {} for conn_request in asked}
    readers = same_source.readers_of({conn_request.source_key for conn_request in asked}, by)
    people = owners.remarks({conn_request.source_owner for conn_request in asked})
    entries = agents.known(list(bodies.values()))
    return {
        conn_request.pk: [
            *(Evidence(Kind.RISK, words) for words in payloads.risks(bodies[conn_request.pk])),
            *same_source_evidence(conn_request, readers),
            *(Evidence(Kind.OWNER, words) for words in [people.get(conn_request.source_owner, "")] if words),
            *(Evidence(Kind.AGENT, words) for words in agents.remarks(bodies[conn_request.pk], entries)),
            *text_evidence(conn_request),
        ]
        for conn_request in asked
    }


def evidence_of_body(conn_request: ConnectionRequest) -> list[Evidence]:
    """The part of the evidence that needs no query."""
    return [
        *(Evidence(Kind.RISK, words) for words in payloads.risks(conn_request.payload or {})),
        *text_evidence(conn_request),
    ]


def evidence_of_change(change: ConnectionChange) -> list[Evidence]:
    texts = {"The reason": change.reason, "The name of who asks": display_name(change.requester)}
    return [
        *(Evidence(Kind.RISK, words) for words in payloads.risks(change.body)),
        *(Evidence(Kind.HIDDEN, words) for words in body.hidden_in(texts, change.body)),
    ]


def text_evidence(conn_request: ConnectionRequest) -> list[Evidence]:
    asked: Mapping[str, Any] = conn_request.payload or {}
    texts = {
        "The service's name": conn_request.service_name,
        "The destination's name": conn_request.group_name,
        "The source owner": conn_request.source_owner,
        "The reason": conn_request.reason,
        "The requester's name": display_name(conn_request.requester),
    }
    return [
        *(Evidence(Kind.ADDRESS, words) for words in body.odd_addresses(asked)),
        *(Evidence(Kind.HIDDEN, words) for words in body.hidden_in(texts, asked)),
    ]


def same_source_evidence(conn_request: ConnectionRequest, readers: same_source.Readers) -> list[Evidence]:
    found = readers.of(
        same_source.source_in(conn_request.payload or {}), conn_request.source_key, without=conn_request.pk
    )
    return [
        Evidence(Kind.SAME_SOURCE, f"Reads the same {found.source}: {one.words}", one.address) for one in found.findings
    ]
