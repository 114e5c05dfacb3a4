"""Storing a run of the setup tests, and telling those who may approve what Fivetran asks to trust."""

from collections.abc import Iterable, Mapping
from hashlib import blake2s
from typing import Any

from connections import notifications, permissions
from connections.models import Connection, ConnectionRequest, NoticeKind, store_run, store_turn


def store(
    conn_request: ConnectionRequest, connection: Connection, data: Mapping[str, Any], asked_by_id: int | None = None
) -> bool:
    """Store the run in an answer's `data`, in a transaction. Returns whether a test asks for something."""
    asks = store_run(connection, data, asked_by_id)
    store_turn(conn_request.pk)
    tell_of_trust(conn_request, connection)
    return asks


def tell_of_trust(conn_request: ConnectionRequest, connection: Connection) -> None:
    if connection.trust_waiting:
        hashes = {one.hash for one in connection.trust_asked()}
        people = permissions.trust_approvers(conn_request)
        notifications.notify(conn_request, NoticeKind.TRUST_NEEDED, *people, dedup_key=dedup_key(hashes))


def dedup_key(hashes: Iterable[str]) -> int:
    """A number for each set of hashes: the approvers are told of the same set once."""
    text = "\n".join(sorted(hashes))
    return int.from_bytes(blake2s(text.encode(errors="replace"), digest_size=4).digest()) >> 1
