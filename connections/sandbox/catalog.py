"""The connector types on offer: metadata in the shape of ``GET /v1/metadata/connector-types/{service}``. The services
are written by hand in ``data/*.json``; ``--catalog`` adds all services of one file.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
NAMING = {
    "schema": ("schema",),
    "schema+table": ("schema", "table"),
    "schema_prefix": ("schema_prefix",),
    "schema+table_group_name": ("schema", "table_group_name"),
}
NAMING_TITLES = {
    "schema": "Destination schema name",
    "table": "Destination table",
    "schema_prefix": "Destination schema prefix",
    "table_group_name": "Destination table group name",
}
SPEC_KEYS = ("title", "description", "example", "immutable", "fieldStatus")


# The shape is that of live answers (string enums, `format: password`, `fieldStatus`, `readonly`): the OpenAPI file says
# otherwise, and the portal meets the live ones.
@dataclass(frozen=True)
class Service:
    """One connector type: its naming keys, its metadata, and what its setup tests ask for."""

    id: str
    format: str
    about: dict[str, Any]  # the entry of the list call
    config: dict[str, dict[str, Any]]  # property name -> live metadata
    auth: dict[str, dict[str, Any]]
    external_secrets: bool
    defaults: dict[str, Any] = field(default_factory=dict)
    card: tuple[str, ...] = ()
    tests: tuple[dict[str, Any], ...] = ()
    sunset_fields: dict[str, str] = field(default_factory=dict)  # field -> moment since when it cannot be set

    @property
    def naming(self) -> tuple[str, ...]:
        """The keys of ``config`` that make the destination name, in order."""
        return NAMING[self.format]

    @property
    def secrets(self) -> frozenset[str]:
        return frozenset(name for name, spec in self.config.items() if spec.get("format") == "password")

    def metadata(self) -> dict[str, Any]:
        config = {
            "type": "object",
            "title": f"{self.about['name']} config object",
            "description": "",
            "readonly": False,
            "required": list(self.naming),
            "properties": self.config,
        }
        data = {**self.about, "config": config}
        if self.auth:
            data["auth"] = {"type": "object", "description": "", "readonly": False, "properties": self.auth}
        if self.external_secrets:
            names = sorted(self.secrets)
            data["external_secrets_keys_config"] = {
                "type": "object",
                "readonly": False,
                "properties": {name: {"type": "string", "readonly": False} for name in names},
            }
        return data


class Catalog:
    def __init__(self, services: dict[str, Service]) -> None:
        self.services = dict(sorted(services.items()))

    def get(self, service: str) -> Service | None:
        return self.services.get(service)

    def __iter__(self) -> Iterator[Service]:
        return iter(self.services.values())


def load(extra: Path | None = None) -> Catalog:
    """The services written by hand, and those of `extra` (JSON or gzipped JSON with a `services` object)."""
    services = {name: _service(name, spec) for name, spec in _read_extra(extra).items()} if extra else {}
    for name, spec in written_by_hand().items():
        own = _service(name, spec)
        wider = services.get(name)
        if wider:  # our own words win, but no field of the file is lost
            own = Service(
                **{**own.__dict__, "config": {**wider.config, **own.config}, "auth": {**wider.auth, **own.auth}}
            )
        services[name] = own
    return Catalog(services)


def written_by_hand() -> dict[str, dict[str, Any]]:
    specs: dict[str, dict[str, Any]] = {}
    for name in ("databases", "files", "applications"):
        content = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
        shared = content.pop("_shared")
        for service, spec in content.items():
            config: dict[str, Any] = {}
            for part in spec.get("include", []):
                config |= shared[part]
            specs[service] = {**spec, "config": config | spec["config"]}
    return specs


def _read_extra(path: Path) -> dict[str, dict[str, Any]]:
    raw = path.read_bytes()
    content = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    return {
        name: {**spec, "format": spec["schema_format"], "auth": spec.get("auth") or {}, "bare": True}
        for name, spec in content["services"].items()
    }


def _service(name: str, spec: dict[str, Any]) -> Service:
    naming = {key: _naming_property(key) for key in NAMING[spec["format"]]}
    config = {key: _property(key, value) for key, value in spec["config"].items() if key not in naming}
    auth = {key: _property(key, value) for key, value in spec.get("auth", {}).items()}
    has_secret = bool(auth) or any(value.get("format") == "password" for value in config.values())
    usual = [
        {"title": "Validate Login", "needs": ["@credentials"] if has_secret else []},
        {"title": "Checking permissions"},
    ]
    return Service(
        id=name,
        format=spec["format"],
        about=_about(name, spec),
        config=naming | config,
        auth=auth,
        external_secrets=spec.get("external_secrets", False),
        defaults=spec.get("defaults", {}),
        card=tuple(spec.get("card", ())),
        tests=tuple(spec.get("tests", usual)),
        sunset_fields={key: value["sunset_at"] for key, value in spec["config"].items() if "sunset_at" in value},
    )


def _about(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    title = spec.get("name") or name.replace("_", " ").title()
    page = f"https://fivetran.com/docs/connectors/{name.replace('_', '-')}"
    features = [{"id": "API_CONFIGURABLE", "notes": ""}, {"id": "RE_SYNC", "notes": "Connection and table level"}]
    if spec.get("authorization", True):
        features.append({"id": "AUTHORIZATION_VIA_API", "notes": ""})
    if spec.get("type") == "Database":
        features.append({"id": "PRIVATE_NETWORKING", "notes": ""})
    return {
        "id": name,
        "name": title,
        "type": spec.get("type", "API"),
        "description": spec.get("description", f"{title} as a source of data"),
        "icon_url": f"https://fivetran.com/integrations/{name}/resources/{name}.png",
        "icons": [f"https://fivetran.com/integrations/{name}/resources/{name}.{kind}" for kind in ("svg", "png")],
        "link_to_docs": page,
        "link_to_erd": f"{page}#schemainformation",
        "connector_class": spec.get("class", "standard"),
        "supported_features": features,
        "service_status": spec.get("status", "general_availability"),
        "service_status_updated_at": spec.get("since", "2024-01-01"),
    }


def _naming_property(key: str) -> dict[str, Any]:
    text = f"{NAMING_TITLES[key]}. It is permanent and cannot be changed after connection creation"
    return {
        "type": "string",
        "title": NAMING_TITLES[key],
        "description": text,
        "example": key,
        "readonly": False,
        "immutable": True,
    }


def _property(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """One property as the live metadata call shows it, from the short form of the data files."""
    kind = spec.get("type") or ("string" if "enum" in spec else "array" if "items" in spec else "object")
    shown: dict[str, Any] = {
        "type": {"secret": "string", "strings": "array"}.get(kind, kind),
        "title": name.replace("_", " ").capitalize(),
        "description": "",
        "readonly": False,
    }
    if kind == "secret" or spec.get("secret"):
        shown["format"] = "password"
    if "enum" in spec:
        shown |= {"enum": spec["enum"], "example": " | ".join(spec["enum"])}
    if kind == "strings" or spec.get("items_type"):
        shown["items"] = {"type": spec.get("items_type", "string"), "description": "", "readonly": False}
    elif isinstance(spec.get("items"), dict):
        parts = {key: _property(key, value) for key, value in spec["items"].items()}
        shown["items"] = {"type": "object", "description": "", "readonly": False, "properties": parts}
    nested = spec.get("properties")
    if nested is None and "type" not in spec and "enum" not in spec and "items" not in spec:
        nested = spec  # auth groups are written as {"client_access": {"client_id": {...}}}
    if isinstance(nested, dict):
        shown["properties"] = {key: _property(key, value) for key, value in nested.items()}
    return shown | {key: spec[key] for key in SPEC_KEYS if key in spec}
