"""What a connection syncs: schemas, tables and columns. Each has the same two tables until somebody changes them."""

from typing import Any

from .calls import Call, invalid, not_found, success
from .connections import existing, sync
from .wire import Answer

COLUMNS = ("id", "name", "changed_at")
LEVELS = ("schemas", "tables", "columns")


def retrieve(call: Call, connection_id: str) -> Answer:
    return success(_whole(existing(call, connection_id)))


def change(call: Call, connection_id: str) -> Answer:
    """All of it at once: what a body leaves out stays as it is."""
    config, body = _whole(existing(call, connection_id)), call.json()
    if "schema_change_handling" in body:
        if body["schema_change_handling"] not in ("ALLOW_ALL", "ALLOW_COLUMNS", "BLOCK_ALL"):
            raise invalid("Invalid value for field 'schema_change_handling'")
        config["schema_change_handling"] = body["schema_change_handling"]
    _merge(config, {"schemas": body.get("schemas", {})}, LEVELS)
    return _stored(call, connection_id, config)


def change_one(call: Call, connection_id: str, schema: str, table: str = "", column: str = "") -> Answer:
    config, path = _whole(existing(call, connection_id)), [name for name in (schema, table, column) if name]
    found = _at(config, path)
    _merge_one(found, call.json(), LEVELS[len(path) :])
    return _stored(call, connection_id, config)


def drop_column(call: Call, connection_id: str, schema: str, table: str, column: str) -> Answer:
    config = _whole(existing(call, connection_id))
    _at(config, [schema, table, column])
    del _at(config, [schema, table])["columns"][column]
    _stored(call, connection_id, config)
    return success(message=f"Column '{column}' has been dropped")


def reload(call: Call, connection_id: str) -> Answer:
    return success(_whole(existing(call, connection_id)))


def columns(call: Call, connection_id: str, schema: str, table: str) -> Answer:
    return success({"columns": _at(_whole(existing(call, connection_id)), [schema, table]).get("columns", {})})


def tables(call: Call, connection_id: str, spelling: str) -> Answer:
    """Where the data of each table went; nothing before the first sync."""
    doc = existing(call, connection_id)
    synced = _whole(doc)["schemas"] if doc.get("succeeded_at") else {}
    names = [(schema, table) for schema, config in synced.items() for table in config.get("tables", {})]
    return call.listing(
        [{"id": f"{schema}.{table}", "name_in_source": table, "name_in_destination": table} for schema, table in names]
    )


def resync(call: Call, connection_id: str) -> Answer:
    """Body: {schema: [tables]}."""
    existing(call, connection_id)
    if not call.json():
        raise invalid("At least one table is required")
    sync(call, connection_id)
    return success(message="Re-sync has been triggered successfully")


def resync_one(call: Call, connection_id: str, schema: str, table: str) -> Answer:
    _at(_whole(existing(call, connection_id)), [schema, table])
    sync(call, connection_id)
    return success(message="Re-sync has been triggered successfully")


def _whole(doc: dict[str, Any]) -> dict[str, Any]:
    if stored := doc.get("_schemas"):
        return dict(stored)
    patchable = {"allowed": True}
    tables = {
        table: _named(table)
        | {"enabled_patch_settings": patchable, "columns": {name: _column(name) for name in COLUMNS}}
        for table in ("customers", "orders")
    }
    name = doc["schema"].partition(".")[0]
    return {"schema_change_handling": "ALLOW_ALL", "schemas": {name: _named(name) | {"tables": tables}}}


def _named(name: str) -> dict[str, Any]:
    return {"name_in_destination": name, "enabled": True}


def _column(name: str) -> dict[str, Any]:
    return _named(name) | {"hashed": False, "is_primary_key": name == "id", "enabled_patch_settings": {"allowed": True}}


def _at(config: dict[str, Any], path: list[str]) -> dict[str, Any]:
    found = config
    for level, name in zip(LEVELS, path, strict=False):
        if name not in found.get(level, {}):
            raise not_found("SchemaConfig", name)
        found = found[level][name]
    return found


def _merge(into: dict[str, Any], given: dict[str, Any], levels: tuple[str, ...]) -> None:
    named = given.get(levels[0], {})
    if not isinstance(named, dict):
        raise invalid(f"Invalid value for field '{levels[0]}'")
    for name, value in named.items():
        known = into.setdefault(levels[0], {})
        _merge_one(known.setdefault(name, _named(name)), value, levels[1:])


def _merge_one(into: dict[str, Any], given: Any, levels: tuple[str, ...]) -> None:
    if not isinstance(given, dict):
        raise invalid("Invalid schema config")
    into |= {name: value for name, value in given.items() if name not in LEVELS}
    if levels:
        _merge(into, given, levels)


def _stored(call: Call, connection_id: str, config: dict[str, Any]) -> Answer:
    call.app.state.alter_connection(connection_id, lambda doc: doc.update(_schemas=config))
    return success(config)
