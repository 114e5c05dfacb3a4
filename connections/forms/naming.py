"""Which keys of `config` name the destination: the part of the form that depends on the service."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from connections import catalog
from connections.spec.fields import NAMING, Field


@dataclass(frozen=True)
class Naming:
    fields: tuple[Field, ...]
    known: bool  # whether Fivetran has told which of them the service takes
    service: str


def naming_for(service: str, texts: Mapping[str, str], config: dict[str, Any] | None) -> Naming:
    """`config` is the service's metadata, None while it is not known."""
    if not service:  # then a text that came in must not vanish
        return Naming(tuple(f for f in NAMING.values() if texts.get(f.name)), known=False, service="")
    keys = catalog.naming_keys_of(config)
    if keys is None:
        return Naming(tuple(NAMING.values()), known=False, service=service)
    return Naming(tuple(replace(NAMING[f"config.{key}"], required=True) for key in keys), known=True, service=service)
