"""Changing a connection."""

from typing import TYPE_CHECKING, Any

from . import setup_tests
from .calls import Call, invalid, success
from .catalog import Service
from .connections import existing, shown
from .masking import masked_config
from .validation import (
    BOOLEANS,
    DEFAULTS,
    ENUMS,
    IN_STATUS,
    OBJECTS,
    TEXTS,
    TRANSIENT,
    check_relations,
    defaults,
    typed,
    typed_config,
)
from .wire import Answer

if TYPE_CHECKING:
    from .app import Sandbox

CREATION_ONLY = ("destination_schema_names", "connect_card_config")
# A field, the field that it depends on, and the value that this must have.
DEPENDENT = (
    ("daily_sync_time", "sync_frequency", 1440),
    ("data_delay_threshold", "data_delay_sensitivity", "CUSTOM"),
    ("private_link_id", "networking_method", "PrivateLink"),
    ("proxy_agent_id", "networking_method", "ProxyAgent"),
)


def change(call: Call, connection_id: str) -> Answer:
    """Needs at least one lasting field; a null takes a value back. Runs setup tests unless told not to."""
    doc, body = existing(call, connection_id), call.json()
    service = call.app.catalog.get(doc["service"])
    values = typed(body) | taken_back(call.app, body)
    flags = {name: values.pop(name) for name in TRANSIENT if name in values}
    config = _config(doc, values.pop("config", {}), service)
    if not values and not config:
        raise invalid("At least one field to update is required")
    for name in CREATION_ONLY:
        if name in values:
            raise invalid(f"Field '{name}' can not be changed")
    # All is checked before anything is stored.
    lasting = settled(doc, values)
    check_relations(call.app, lasting, given=values)
    was_paused = doc["paused"]
    left = {name: value for name, value in doc.items() if values.get(name, value) is not None}
    doc = _merged(left, lasting, config, service)
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


def taken_back(app: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    """The fields that a PATCH sets to null, with what they are then: their default, or None for not there."""
    names = {*BOOLEANS, *TEXTS, *ENUMS, "sync_frequency", "data_delay_threshold", "destination_configuration"}
    names -= {*TRANSIENT, *IN_STATUS, "destination_schema_names"}
    return {name: defaults(app).get(name) for name in body if body[name] is None and name in names}


def settled(doc: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The lasting values of a connection with those of a PATCH."""
    values = {name: doc[name] for name in doc if name not in OBJECTS} | given
    # What was stored was right when it came: it gives way, and is not judged as if it were sent now.
    for name, other, needed in DEPENDENT:
        if name not in given and values.get(other) != needed:
            values[name] = DEFAULTS.get(name)
    return {name: value for name, value in values.items() if value is not None}


def _config(doc: dict[str, Any], sent: dict[str, Any], service: Service | None) -> dict[str, Any]:
    """The config of a PATCH in its own types, None for what is taken back."""
    if service is None:
        return {}
    config = typed_config(sent, service)
    for name in service.naming:
        if config.get(name, doc["config"].get(name)) != doc["config"].get(name):
            raise invalid(f"Field '{name}' can not be changed after creation")
    back = [name for name, value in sent.items() if value is None and name in service.config]
    return config | {name: None for name in back if name not in service.naming}


def _is_wrong(doc: dict[str, Any], config: dict[str, Any], service: Service | None) -> bool:
    """A wrong secret stays wrong until another one is sent."""
    sent = [value for name, value in config.items() if service and name in service.secrets]
    return "wrong" in sent if sent else bool(doc.get("_wrong_secret"))


def _merged(
    doc: dict[str, Any], lasting: dict[str, Any], config: dict[str, Any], service: Service | None
) -> dict[str, Any]:
    """The connection with what lasts of it, and without a secret."""
    auth = {*doc.get("_auth", []), *lasting.pop("auth", ())}
    if lasting.pop("external_secrets_keys_config", None):
        auth.add("external_secrets_keys_config")
    status = doc["status"] | {name: lasting.pop(name) for name in IN_STATUS if name in lasting}
    kept = {name: doc[name] for name in OBJECTS if name in doc}
    both = doc["config"] | masked_config(config, service)
    return (
        kept
        | lasting
        | {
            "config": {name: value for name, value in both.items() if value is not None},
            "status": status | {"sync_state": "paused" if lasting["paused"] else "scheduled"},
            "_wrong_secret": _is_wrong(doc, config, service),
            **({"_auth": sorted(auth)} if auth else {}),
        }
    )
