"""What Fivetran refuses in `POST` and `PATCH /v1/connections`: one message that names one field, as from Fivetran."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .calls import ApiError, invalid, not_found
from .catalog import Service

if TYPE_CHECKING:
    from .app import Sandbox

FREQUENCIES = (1, 5, 15, 30, 60, 120, 180, 360, 480, 720, 1440)
TRANSIENT = ("run_setup_tests", "trust_certificates", "trust_fingerprints")  # of one call, not kept
IN_STATUS = ("is_historical_sync", "schema_status")  # of a PATCH, shown in `status`
BOOLEANS = (*TRANSIENT, "is_historical_sync", "paused", "pause_after_trial")
TEXTS = (
    "private_link_id",
    "proxy_agent_id",
    "hybrid_deployment_agent_id",
    "external_secrets_manager_id",
    "daily_sync_time",
    "schema_status",
)
OBJECTS = ("config", "auth", "connect_card_config", "destination_configuration", "external_secrets_keys_config")
ENUMS = {
    "data_delay_sensitivity": ("LOW", "NORMAL", "HIGH", "CUSTOM", "SYNC_FREQUENCY"),
    "schedule_type": ("auto", "manual"),
    "networking_method": ("Directly", "PrivateLink", "SshTunnel", "ProxyAgent"),
    "destination_schema_names": ("FIVETRAN_NAMING", "SOURCE_NAMING"),
}
DEFAULTS: dict[str, Any] = {
    "trust_certificates": False,
    "trust_fingerprints": False,
    "run_setup_tests": True,
    "paused": False,
    "pause_after_trial": False,
    "sync_frequency": 360,
    "data_delay_threshold": 0,
    "schedule_type": "auto",
    "networking_method": "Directly",
    "destination_schema_names": "FIVETRAN_NAMING",
}
HOUR = re.compile(r"^([01]\d|2[0-3]):00$")
PLAIN_NAME = re.compile(r"^[_a-z][_a-z0-9]*$")


@dataclass(frozen=True)
class Wanted:
    """A checked body that may be created."""

    service: Service
    group_id: str
    values: dict[str, Any]  # all fields but config, defaults written out
    config: dict[str, Any]  # known keys only, with the service's defaults
    name: str  # the connection's `schema`: schema | schema.table | prefix | schema.table_group_name
    first_name: str  # its first part, which may ask for a failure


def name_taken(app: "Sandbox", name: str) -> ApiError:
    # The real status is not recorded in Fivetran's documents, hence the setting.
    message = f'An integration with schema "{name}" already exists, please choose a different schema'
    return ApiError(app.settings.duplicate_status, "SchemaExists", message)


def check_creation(app: "Sandbox", body: dict[str, Any]) -> Wanted:
    """The body of a creation with types settled and defaults filled in; ApiError for what Fivetran would refuse."""
    for name in ("group_id", "service"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise invalid(f"Field '{name}' is required")
    service = app.catalog.get(body["service"])
    if service is None:
        raise invalid(f"Unsupported connector service '{body['service']}'")
    if app.group(body["group_id"]) is None:
        raise not_found("Group", body["group_id"])
    values = defaults(app) | typed(body)
    check_relations(app, values)
    config = typed_config(values.pop("config", {}), service)
    for key in service.naming:
        if not isinstance(config.get(key), str) or not config[key]:
            raise invalid(f"Field '{key}' is required")
        if values["destination_schema_names"] == "FIVETRAN_NAMING":
            config[key] = normalised(config[key])
    name = ".".join(config[key] for key in service.naming)
    return Wanted(service, body["group_id"], values, service.defaults | config, name, config[service.naming[0]])


def defaults(app: "Sandbox") -> dict[str, Any]:
    return DEFAULTS | {"data_delay_sensitivity": app.settings.data_delay_sensitivity}


def normalised(name: str) -> str:
    """A name in Fivetran's naming: lower case, other characters as _, no digit in front."""
    if PLAIN_NAME.match(name):
        return name
    plain = re.sub(r"[^a-z0-9_]", "_", name.lower())
    return f"_{plain}" if plain[:1].isdigit() else plain


def typed(body: dict[str, Any]) -> dict[str, Any]:
    """The known fields of a body in their own types; nulls are left out, as is what Fivetran does not know."""
    values: dict[str, Any] = {}
    for name, value in body.items():
        if value is None or name in ("service", "group_id"):
            continue
        if name in BOOLEANS:
            values[name] = _boolean(name, value)
        elif name in ("sync_frequency", "data_delay_threshold"):
            values[name] = _integer(name, value)
        elif name in ENUMS:
            if value not in ENUMS[name]:
                raise invalid(f"Invalid value for field '{name}'. Allowed values: {', '.join(ENUMS[name])}")
            values[name] = value
        elif name in TEXTS or name in OBJECTS:
            if not isinstance(value, str if name in TEXTS else dict):
                raise invalid(f"Invalid value for field '{name}'")
            if value != "":
                values[name] = value
    if values.get("sync_frequency", 360) not in FREQUENCIES:
        raise invalid(f"Invalid value for field 'sync_frequency'. Allowed values: {', '.join(map(str, FREQUENCIES))}")
    return values


def check_relations(app: "Sandbox", values: dict[str, Any], given: dict[str, Any] | None = None) -> None:
    """Refuse values that do not fit together, or that name what the account does not have.

    `given`: the values that were sent now, if not all were.
    """
    if "daily_sync_time" in values:
        if not HOUR.match(values["daily_sync_time"]):
            raise invalid("Field 'daily_sync_time' must be in the format HH:00, from 00:00 to 23:00")
        if values["sync_frequency"] != 1440:
            raise invalid("Field 'daily_sync_time' can only be set when sync_frequency is 1440")
    if values["data_delay_threshold"] < 0:
        raise invalid("Field 'data_delay_threshold' must not be negative")
    if values["data_delay_threshold"] and values["data_delay_sensitivity"] != "CUSTOM":
        raise invalid("Field 'data_delay_threshold' can only be set when data_delay_sensitivity is CUSTOM")
    _check_network(app, values, values if given is None else given)
    if "connect_card_config" in values:
        values["connect_card_config"] = card_config(values["connect_card_config"])
        if values["run_setup_tests"]:
            raise invalid("Field 'run_setup_tests' must be false when connect_card_config is set")


def _check_network(app: "Sandbox", values: dict[str, Any], given: dict[str, Any]) -> None:
    method, state = values["networking_method"], app.state
    for name, needed in (("private_link_id", "PrivateLink"), ("proxy_agent_id", "ProxyAgent")):
        if name in values and method != needed:
            raise invalid(f"Networking method must be {needed} in order to set {name}")
        if name not in values and method == needed:
            raise invalid(f"Field '{name}' is required")
    if link := given.get("private_link_id"):
        found = state.item("private_links", link)
        if found is None:
            raise not_found("PrivateLink", link)
        if found["state"] != "OK":
            raise ApiError(400, "IllegalState", f"Private link '{link}' is in state {found['state']}")
    if (proxy := given.get("proxy_agent_id")) and state.item("proxies", proxy) is None:
        raise not_found("ProxyAgent", proxy)
    agent = given.get("hybrid_deployment_agent_id")
    if agent and state.item("agents", agent) is None:
        raise not_found("RemoteExecutionAgent", agent)


def card_config(config: dict[str, Any]) -> dict[str, Any]:
    """A `connect_card_config` in its own types; ApiError unless redirect_uri is an http or https address."""
    uri = config.get("redirect_uri")
    if not isinstance(uri, str) or not uri:
        raise invalid("Field 'redirect_uri' is required")
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise invalid("Field 'redirect_uri' must start with the https or http prefix")
    flags = {name: _boolean(name, config.get(name) or False) for name in ("hide_setup_guide", "all_fields")}
    return {"redirect_uri": uri, **flags}


def typed_config(config: dict[str, Any], service: Service) -> dict[str, Any]:
    """The config keys that the service knows, in their own types; unknown keys are accepted and ignored."""
    values = {}
    for name, value in config.items():
        spec = service.config.get(name)
        if spec is None or value is None:
            continue
        if name in service.sunset_fields:
            raise invalid(
                f"Can't create connector `config`: field `{name}` could not be set because it is in sunset period. "
                f"You can only manage this field for connectors created before {service.sunset_fields[name]}"
            )
        values[name] = _config_value(name, value, spec)
    return values


def _config_value(name: str, value: Any, spec: dict[str, Any]) -> Any:
    match spec["type"]:
        case "boolean":
            return _boolean(name, value)
        case "integer":
            return _integer(name, value)
        case "number" if isinstance(value, (int, float)):
            return value
        case "array":
            return value if isinstance(value, list) else [value]
        case "object" if isinstance(value, dict):
            return value
        case "string" if isinstance(value, (str, int, float)):
            if "enum" in spec and value not in spec["enum"]:
                raise invalid("Invalid 'config' object")
            return str(value)
    raise invalid("Invalid 'config' object")


def _boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise invalid(f"Invalid value for field '{name}'")


def _integer(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value, re.ASCII):
        return int(value)
    raise invalid(f"Invalid value for field '{name}'")
