"""Certificates and fingerprints of a connection or a destination: list, approve, retrieve, revoke."""

import hashlib
from typing import Any

from . import tokens
from .calls import Call, invalid, not_found, success
from .clock import now
from .connections import existing
from .wire import Answer

KINDS = {"certificates": "certificate", "fingerprints": "fingerprint"}


def index(call: Call, owners: str, owner_id: str, kinds: str) -> Answer:
    _exists(call, owners, owner_id)
    return call.listing(call.app.state.items(KINDS[kinds], f"{owners}/{owner_id}"))


def approve(call: Call, owners: str, owner_id: str, kinds: str) -> Answer:
    """The body is {hash, encoded_cert} or {hash, public_key}."""
    _exists(call, owners, owner_id)
    body, kind = call.json(), KINDS[kinds]
    proof = "encoded_cert" if kind == "certificate" else "public_key"
    # Any hash is accepted, as by Fivetran, whether a test showed it or not.
    for name in ("hash", proof):
        if not isinstance(body.get(name), str) or not body[name]:
            raise invalid(f"Field '{name}' is required")
    doc: dict[str, Any] = {
        "id": tokens.encode(body["hash"].encode(errors="replace")),
        "hash": body["hash"],
        "public_key": body.get("public_key") or "Sun RSA public key, 2048 bits",
        "validated_date": now(call.app),
        "validated_by": call.app.user_name(),
    }
    if kind == "certificate":
        raw = body["encoded_cert"].encode(errors="replace")
        sums = {"sha1": hashlib.sha1(raw, usedforsecurity=False).hexdigest(), "sha256": hashlib.sha256(raw).hexdigest()}
        doc |= {"name": "Approved certificate", "type": "TLS", **sums}
    call.app.state.save_item(kind, doc, f"{owners}/{owner_id}")
    call.entry.facts["effect"] = owner_id
    return success(doc, f"The {kind} has been approved", 201)  # live; the OpenAPI file says 200 of certificates


def retrieve(call: Call, owners: str, owner_id: str, kinds: str, approval_id: str) -> Answer:
    """The path value is the Base64URL form of the hash."""
    doc = call.app.state.item(KINDS[kinds], approval_id, f"{owners}/{owner_id}")
    if doc is None:
        raise not_found(KINDS[kinds].capitalize(), approval_id)
    return success(doc)


def revoke(call: Call, owners: str, owner_id: str, kinds: str, approval_id: str) -> Answer:
    if not call.app.state.delete_item(KINDS[kinds], approval_id, f"{owners}/{owner_id}"):
        raise not_found(KINDS[kinds].capitalize(), approval_id)
    return success(message=f"The {KINDS[kinds]} has been revoked")


def _exists(call: Call, owners: str, owner_id: str) -> None:
    if owners == "connections":
        existing(call, owner_id)
    elif call.app.state.item("destinations", owner_id) is None:
        raise not_found("Destination", owner_id)
