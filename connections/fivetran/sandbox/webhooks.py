"""Webhooks of the account and of groups; nothing is ever delivered from here."""

from __future__ import annotations

from typing import Any

from .calls import Call, invalid, not_found, success
from .connections import new_id, now
from .masking import STARS
from .wire import Answer


def index(call: Call) -> Answer:
    """GET /v1/webhooks."""
    return call.listing(call.app.state.webhooks())


def create(call: Call, group_id: str | None = None) -> Answer:
    """POST /v1/webhooks/account and /v1/webhooks/group/{groupId}."""
    if group_id is not None and call.app.group(group_id) is None:
        raise not_found("Group", group_id)
    body = call.json()
    doc: dict[str, Any] = {
        "id": new_id(call.app),
        "type": "group" if group_id else "account",
        **({"group_id": group_id} if group_id else {}),
        "active": True,
        "secret": "",
        "created_at": now(),
        "created_by": call.app.account["account"]["user_id"],
        **_checked(body, required=True),
    }
    call.app.state.save_webhook(doc)
    call.entry.facts["effect"] = doc["id"]
    return success(doc, f"{doc['type'].capitalize()} webhook has been created", 201 if group_id else 200)


def retrieve(call: Call, webhook_id: str) -> Answer:
    """GET /v1/webhooks/{id}."""
    return success(_existing(call, webhook_id))


def change(call: Call, webhook_id: str) -> Answer:
    """PATCH /v1/webhooks/{id}."""
    doc = _existing(call, webhook_id) | _checked(call.json(), required=False)
    call.app.state.save_webhook(doc)
    return success(doc, "Webhook has been updated")


def delete(call: Call, webhook_id: str) -> Answer:
    """DELETE /v1/webhooks/{id}."""
    _existing(call, webhook_id)
    call.app.state.delete_webhook(webhook_id)
    return success(message=f"Webhook with id '{webhook_id}' has been deleted")


def test(call: Call, webhook_id: str) -> Answer:
    """POST /v1/webhooks/{id}/test: says that it went well; the sandbox calls no other host."""
    _existing(call, webhook_id)
    if not isinstance(call.json().get("event"), str):
        raise invalid("Field 'event' is required")
    return success({"succeed": True, "status": 200, "message": "Webhook test completed successfully"})


def _existing(call: Call, webhook_id: str) -> dict[str, Any]:
    for doc in call.app.state.webhooks():
        if doc["id"] == webhook_id:
            return doc
    raise not_found("Webhook", webhook_id)


def _checked(body: dict[str, Any], *, required: bool) -> dict[str, Any]:
    kinds = {"url": str, "events": list, "active": bool, "secret": str}
    values = {name: body[name] for name in kinds if body.get(name) is not None}
    for name, value in values.items():
        if not isinstance(value, kinds[name]):
            raise invalid(f"Invalid value for field '{name}'")
    for name in ("url", "events") if required else ():
        if name not in values:
            raise invalid(f"Field '{name}' is required")
    return values | ({"secret": STARS} if values.get("secret") else {})
