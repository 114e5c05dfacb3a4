"""Connections: reading, testing, syncing, removing."""

from typing import Any

from . import cards, setup_tests, syncs
from .calls import Call, invalid, listing, not_found, success
from .validation import card_config, typed
from .wire import Answer

# As live, and unlike the rest, which is left out until it has a value.
NULL_AT_FIRST = {"succeeded_at": None, "failed_at": None}


def shown(doc: dict[str, Any]) -> dict[str, Any]:
    """The connection as the API shows it, alone or in a list."""
    return NULL_AT_FIRST | {name: value for name, value in doc.items() if not name.startswith("_")}


def existing(call: Call, connection_id: str) -> dict[str, Any]:
    doc = call.app.state.connection(connection_id)
    if doc is None:
        raise not_found("Connection", connection_id)
    return doc


def retrieve(call: Call, connection_id: str) -> Answer:
    return success(shown(existing(call, connection_id)))


def index(call: Call, group_id: str | None = None) -> Answer:
    """`schema` matches the whole name."""
    if group_id is None:
        group_id = call.query.get("group_id") or None
    elif call.app.group(group_id) is None:
        raise not_found("Group", group_id)
    skip, limit = call.page()
    schema = call.query.get("schema") or None
    docs = call.app.state.list_connections(group_id=group_id, schema=schema, skip=skip, limit=limit + 1)
    return listing([shown(doc) for doc in docs], skip, limit, "Connections list retrieved successfully")


def delete(call: Call, connection_id: str) -> Answer:
    doc = existing(call, connection_id)
    if not call.app.state.delete_connection(connection_id):
        raise not_found("Connection", connection_id)
    call.app.deliveries.tell("delete_connector", doc)
    call.entry.facts["effect"] = connection_id
    return success(message=f"Connection with id '{connection_id}' has been deleted")


def test(call: Call, connection_id: str) -> Answer:
    """The call lasts as long as the tests; a call without a body is refused."""
    doc, values = existing(call, connection_id), typed(call.json())
    flags = {name: values.get(name, False) for name in ("trust_certificates", "trust_fingerprints")}
    setup_tests.run(call.app, doc, **flags)
    call.app.state.save_connection(doc)
    call.entry.facts["effect"] = connection_id
    call.reached("effect")
    setup_tests.tell(call.app, doc)
    return success(shown(doc), "Setup tests have been completed")


def sync(call: Call, connection_id: str) -> Answer:
    """No data is moved, but the sync has succeeded at once; one of a connection that is not set up never begins."""
    doc = existing(call, connection_id)
    if call.raw:
        call.json()
    if doc["status"]["setup_state"] == "connected":
        syncs.run(call.app, connection_id)
    return success(message=f"Sync has been successfully triggered for connection with id '{connection_id}'")


def resync(call: Call, connection_id: str) -> Answer:
    """Of everything without a body, or of the tables in its `scope`."""
    existing(call, connection_id)
    scope = call.json().get("scope") if call.raw else None
    if scope is not None and not (isinstance(scope, dict) and scope and all(scope.values())):
        raise invalid("Field 'scope' must name a schema and its tables")
    sync(call, connection_id)
    return success(message="Re-sync has been triggered successfully")


def sync_history(call: Call, connection_id: str) -> Answer:
    return call.listing(syncs.history(call, existing(call, connection_id)))


def connect_card(call: Call, connection_id: str) -> Answer:
    doc = existing(call, connection_id)
    config = typed(call.json()).get("connect_card_config")
    if config is None:
        raise invalid("Field 'connect_card_config' is required")
    doc["connect_card_config"] = card_config(config)
    call.app.state.save_connection(doc)
    card = cards.mint(call.app, doc)
    data = {"connector_id": connection_id, "connect_card": card, "connect_card_config": doc["connect_card_config"]}
    return success(data, "Connection Connect Card has been created")


def state(call: Call, connection_id: str) -> Answer:
    """What the code of a connector keeps from one sync to the next."""
    return success({"state": existing(call, connection_id).get("_state", {})})


def change_state(call: Call, connection_id: str) -> Answer:
    existing(call, connection_id)
    given = call.json().get("state")
    if not isinstance(given, dict):
        raise invalid("Field 'state' is required")
    call.app.state.alter_connection(connection_id, lambda doc: doc.update(_state=given))
    return success({"state": given}, "State has been updated")


def warnings(call: Call, connection_id: str) -> Answer:
    return call.listing(existing(call, connection_id)["status"]["warnings"])


def dismiss_warning(call: Call, connection_id: str, code: str) -> Answer:
    kept = [one for one in existing(call, connection_id)["status"]["warnings"] if one["code"] != code]
    call.app.state.alter_connection(connection_id, lambda doc: doc["status"].update(warnings=kept))
    return success(message="The warning has been dismissed")
