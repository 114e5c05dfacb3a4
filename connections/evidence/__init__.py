"""What the person who decides should notice: gathered here for every page on which something is decided."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connections.evidence import agents, body, owners, same_source
from connections.evidence.same_source import SameSource, same_source_of
from connections.models import ConnectionChange, ConnectionRequest
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
    bodies = {row.pk: row.payload or {} for row in asked}
    readers = same_source.readers_of({row.source_key for row in asked}, by)
    people = owners.remarks({row.source_owner for row in asked})
    entries = agents.known(list(bodies.values()))
    return {
        row.pk: [
            *(Evidence(Kind.RISK, words) for words in payloads.risks(bodies[row.pk])),
            *same_source_evidence(row, readers),
            *(Evidence(Kind.OWNER, words) for words in [people.get(row.source_owner, "")] if words),
            *(Evidence(Kind.AGENT, words) for words in agents.remarks(bodies[row.pk], entries)),
            *text_evidence(row),
        ]
        for row in asked
    }


def evidence_of_body(row: ConnectionRequest) -> list[Evidence]:
    """The part of the evidence that needs no query."""
    return [*(Evidence(Kind.RISK, words) for words in payloads.risks(row.payload or {})), *text_evidence(row)]


def evidence_of_change(change: ConnectionChange) -> list[Evidence]:
    texts = {"The reason": change.reason, "The name of who asks": str(change.requester)}
    return [
        *(Evidence(Kind.RISK, words) for words in payloads.risks(change.body)),
        *(Evidence(Kind.HIDDEN, words) for words in body.hidden_in(texts, change.body)),
    ]


def text_evidence(row: ConnectionRequest) -> list[Evidence]:
    asked: Mapping[str, Any] = row.payload or {}
    texts = {
        "The service's name": row.service_name,
        "The destination's name": row.group_name,
        "The source owner": row.source_owner,
        "The reason": row.reason,
        "The requester's name": str(row.requester),
    }
    return [
        *(Evidence(Kind.ADDRESS, words) for words in body.odd_addresses(asked)),
        *(Evidence(Kind.HIDDEN, words) for words in body.hidden_in(texts, asked)),
    ]


def same_source_evidence(row: ConnectionRequest, readers: same_source.Readers) -> list[Evidence]:
    found = readers.of(same_source.source_in(row.payload or {}), row.source_key, without=row.pk)
    return [
        Evidence(Kind.SAME_SOURCE, f"Reads the same {found.source}: {one.words}", one.address) for one in found.findings
    ]
