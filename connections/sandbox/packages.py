"""Packages of the connector SDK: the file that is uploaded is measured and not kept."""

import hashlib
from email import message_from_bytes
from typing import Any

from .calls import Call, invalid, not_found, success
from .clock import now
from .creation import new_id
from .wire import Answer

KIND = "packages"
DEPLOYED = (
    "group_id",
    "schema",
    "destination_schema_names",
    "networking_method",
    "proxy_agent_id",
    "hybrid_deployment_agent_id",
)
UPLOAD = "multipart/form-data"


def index(call: Call) -> Answer:
    return call.listing([_shown(call, doc) for doc in call.app.state.items(KIND)])


def retrieve(call: Call, item_id: str) -> Answer:
    return success(_shown(call, _existing(call, item_id)))


def deployed(call: Call) -> Answer:
    """What the SDK reads once, to write down locally how each connection was deployed."""
    docs = [doc for doc in call.app.state.list_connections() if doc["service"] == "connector_sdk"]
    used = [doc["config"].get("package_id") for doc in docs]
    return call.listing(
        [
            {name: doc.get(name) for name in DEPLOYED}
            | {"group_name": (call.app.group(doc["group_id"]) or {}).get("name"), "package_shared": used.count(own) > 1}
            | {"package_id": own, "python_version": doc["config"].get("python_version")}
            for doc, own in zip(docs, used, strict=True)
        ]
    )


def create(call: Call) -> Answer:
    user = call.app.account["account"]["user_id"]
    doc = {"id": new_id(call.app, KIND), "created_by": user, "created_at": now(call.app)}
    return _stored(call, doc, 201)


def change(call: Call, item_id: str) -> Answer:
    return _stored(call, _existing(call, item_id), 200)


def _existing(call: Call, item_id: str) -> dict[str, Any]:
    doc = call.app.state.item(KIND, item_id)
    if doc is None:
        raise not_found("ConnectorSdkPackage", item_id)
    return doc


def _shown(call: Call, doc: dict[str, Any]) -> dict[str, Any]:
    """With the connections that use it."""
    users = [one["id"] for one in call.app.state.list_connections() if one["config"].get("package_id") == doc["id"]]
    return doc | {"connection_ids": users} | ({"connection_id": users[0]} if users else {})


def _stored(call: Call, doc: dict[str, Any], status: int) -> Answer:
    changed = {"last_updated_by": call.app.account["account"]["user_id"], "updated_at": now(call.app)}
    doc |= changed | {"file_sha256_hash": hashlib.sha256(_file(call)).hexdigest()}
    call.app.state.save_item(KIND, doc)
    call.entry.facts["effect"] = doc["id"]
    return success(_shown(call, doc), f"Package has been {'created' if status == 201 else 'updated'}", status)


def _file(call: Call) -> bytes:
    """The part of the body that is called file."""
    head = f"Content-Type: {call.headers.get('Content-Type')}\r\n\r\n".encode("latin-1", "replace")
    for part in message_from_bytes(head + call.raw).walk():
        if part.get_param("name", header="Content-Disposition") == "file":
            content = part.get_payload(decode=True)
            return content if isinstance(content, bytes) else b""
    raise invalid("Field 'file' is required")
