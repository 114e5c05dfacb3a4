"""Fivetran's published OpenAPI file as validators, its known oddities repaired."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests.processes import ROOT

NULL_LIVE = {"succeeded_at", "failed_at"}  # until the first sync, as answers that were recorded have it
FOLDER = ROOT.parent / "shared" / "fivetran"
needed = pytest.mark.skipif(not (FOLDER / "openapi.json.gz").exists(), reason="Fivetran's OpenAPI file is not at hand")


def read(name: str) -> Any:
    """A gzipped JSON file of the folder."""
    return json.loads(gzip.decompress(Path(FOLDER / name).read_bytes()))


@cache
def document() -> dict[str, Any]:
    """The file with its oddities repaired.

    The enum of sync_frequency holds strings though its type is integer; string enums are typed "object"; the `details`
    of a setup test are typed "object" though live answers hold texts and arrays there. A list has connections with
    their `config`, whose values the file takes for objects.
    """
    spec: dict[str, Any] = _repaired(read("openapi.json.gz"))
    spec["components"]["schemas"]["ConnectorResponse"]["properties"]["config"] = {"type": "object"}
    spec["components"]["schemas"]["SetupTestResultResponse"]["properties"]["details"] = {}
    return spec


def _repaired(node: Any) -> Any:
    if isinstance(node, list):
        return [_repaired(item) for item in node]
    if not isinstance(node, dict):
        return node
    fixed = {key: _repaired(value) for key, value in node.items()}
    for name in NULL_LIVE & fixed.keys():
        if isinstance(fixed[name], dict):  # the schema of a property
            fixed[name] = {**fixed[name], "type": ["string", "null"]}
    choices = fixed.get("enum")
    if isinstance(choices, list) and all(isinstance(item, str) for item in choices):
        if fixed.get("type") == "integer":
            fixed["enum"] = [int(item) for item in choices]
        elif fixed.get("type") == "object":
            fixed["type"] = "string"
        elif fixed.get("type") == "array":
            del fixed["enum"]  # of each item, not of the list
    return fixed


@cache
def _registry() -> Registry[Any]:
    resource: Resource[Any] = Resource.from_contents(document(), default_specification=DRAFT4)
    registry: Registry[Any] = Registry().with_resource("urn:fivetran", resource)
    return registry


def errors(pointer: str, value: Any) -> list[str]:
    """What is wrong with `value` by the schema at that JSON pointer; empty when nothing is."""
    validator = Draft4Validator({"$ref": f"urn:fivetran#{pointer}"}, registry=_registry())
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in validator.iter_errors(value)
    ]


def schema_errors(name: str, value: Any) -> list[str]:
    """What is wrong with `value` by a named schema."""
    return errors(f"/components/schemas/{name}", value)


def answer_errors(path: str, method: str, status: int, value: Any) -> list[str]:
    """What is wrong with an answer of that operation, written as in the file, and status."""
    pointer = f"/paths/{path.replace('~', '~0').replace('/', '~1')}/{method.lower()}/responses/{status}"
    return errors(f"{pointer}/content/application~1json/schema", value)
