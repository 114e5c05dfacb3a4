"""Webhooks of the account and of groups; what they deliver is in `deliveries`."""

from typing import Any

from .calls import Call, invalid, not_found, success
from .clock import now
from .creation import new_id
from .masking import STARS
from .wire import Answer


def index(call: Call) -> Answer:
    return call.listing([_shown(doc) for doc in call.app.state.items("webhooks")])


def create(call: Call, group_id: str | None = None) -> Answer:
    if group_id is not None and call.app.group(group_id) is None:
        raise not_found("Group", group_id)
    body = call.json()
    doc: dict[str, Any] = {
        "id": new_id(call.app, "webhook"),
        "type": "group" if group_id else "account",
        **({"group_id": group_id} if group_id else {}),
        "active": True,
        "secret": "",
        "_secret": "",
        "created_at": now(call.app),
        "created_by": call.app.account["account"]["user_id"],
        **_checked(body, required=True),
    }
    call.app.state.save_item("webhooks", doc)
    call.entry.facts["effect"] = doc["id"]
    if doc["active"]:
        call.app.deliveries.trial(doc)
    return success(_shown(doc), f"{doc['type'].capitalize()} webhook has been created")


def retrieve(call: Call, webhook_id: str) -> Answer:
    return success(_shown(_existing(call, webhook_id)))


def change(call: Call, webhook_id: str) -> Answer:
    doc = _existing(call, webhook_id) | _checked(call.json(), required=False)
    call.app.state.save_item("webhooks", doc)
    return success(_shown(doc), "Webhook has been updated")


def delete(call: Call, webhook_id: str) -> Answer:
    _existing(call, webhook_id)
    call.app.state.delete_item("webhooks", webhook_id)
    return success(message=f"Webhook with id '{webhook_id}' has been deleted")


def test(call: Call, webhook_id: str) -> Answer:
    """Delivers to this machine; for any other address it pretends success."""
    doc, event = _existing(call, webhook_id), call.json().get("event")
    if not isinstance(event, str):
        raise invalid("Field 'event' is required")
    taken, status = call.app.deliveries.trial(doc, event)
    message = "Webhook test completed successfully" if taken else "Webhook test failed"
    return success({"succeed": taken, "status": status, "message": message})


def _shown(doc: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in doc.items() if not name.startswith("_")}


def _existing(call: Call, webhook_id: str) -> dict[str, Any]:
    doc = call.app.state.item("webhooks", webhook_id)
    if doc is None:
        raise not_found("Webhook", webhook_id)
    return doc


def _checked(body: dict[str, Any], *, required: bool) -> dict[str, Any]:
    kinds = {"url": str, "events": list, "active": bool, "secret": str}
    values = {name: body[name] for name in kinds if body.get(name) is not None}
    for name, value in values.items():
        if not isinstance(value, kinds[name]):
            raise invalid(f"Invalid value for field '{name}'")
    for name in ("url", "events") if required else ():
        if name not in values:
            raise invalid(f"Field '{name}' is required")
    return values | ({"secret": STARS, "_secret": values["secret"]} if values.get("secret") else {})
