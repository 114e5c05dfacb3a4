"""Connections: reading, changing, testing, syncing."""

from typing import Any

from . import cards, setup_tests, syncs
from .calls import Call, invalid, listing, not_found, success
from .masking import masked_config
from .validation import OBJECTS, TRANSIENT, card_config, check_relations, typed, typed_config
from .wire import Answer

ONLY_IN_DETAIL = ("config", "setup_tests", "source_sync_details", "connect_card_config")


def shown(doc: dict[str, Any], *, detail: bool = True) -> dict[str, Any]:
    """The connection as the API shows it; items of lists carry less."""
    hidden = () if detail else ONLY_IN_DETAIL
    return {name: value for name, value in doc.items() if not name.startswith("_") and name not in hidden}


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
    return listing([shown(doc, detail=False) for doc in docs], skip, limit)


def change(call: Call, connection_id: str) -> Answer:
    """Needs at least one lasting field; runs setup tests unless told not to."""
    doc, body = existing(call, connection_id), call.json()
    values = typed(body)
    flags = {name: values.pop(name) for name in TRANSIENT if name in values}
    service = call.app.catalog.get(doc["service"])
    config = typed_config(values.pop("config", {}), service) if service else {}
    if not values and not config:
        raise invalid("At least one field to update is required")
    for name in service.naming if service else ():
        if config.get(name, doc["config"].get(name)) != doc["config"].get(name):
            raise invalid(f"Field '{name}' can not be changed after creation")
    for name in ("destination_schema_names", "connect_card_config"):
        if name in values:
            raise invalid(f"Field '{name}' can not be changed")
    # All is checked before anything of the document changes.
    was_paused = doc["paused"]
    lasting = {name: doc[name] for name in doc if name not in OBJECTS} | values
    check_relations(call.app, lasting)
    if auth := values.pop("auth", None):
        doc["_auth"] = sorted({*doc.get("_auth", []), *auth})
    doc |= values
    doc["config"] |= masked_config(config, service)
    doc["_wrong_secret"] = "wrong" in list(config.values())
    doc["status"]["sync_state"] = "paused" if doc["paused"] else "scheduled"
    call.entry.facts["effect"] = doc["id"]
    tested = flags.pop("run_setup_tests", True)
    if tested:
        setup_tests.run(call.app, doc, **flags)
    call.app.state.save_connection(doc)
    # Events only after storing: a receiver that asks at once must see what the event says.
    call.app.deliveries.tell("edit_connector", doc)
    if doc["paused"] != was_paused:
        call.app.deliveries.tell("pause_connector" if doc["paused"] else "resume_connector", doc)
    if tested:
        setup_tests.tell(call.app, doc)
    return success(shown(doc), "Connection has been updated")


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
    """No data is moved, but the sync has succeeded at once."""
    doc = existing(call, connection_id)
    if call.raw:
        call.json()
    if doc["status"]["setup_state"] != "connected":
        message = "We expected the connector's setup state ('status.setup_state') to be 'connected', but it was "
        raise invalid(f"{message}'{doc['status']['setup_state']}'.")
    syncs.run(call.app, connection_id)
    return success(message=f"Sync has been successfully triggered for connection with id '{connection_id}'")


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
