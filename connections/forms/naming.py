"""Which keys of `config` name the destination: the part of the form that depends on the service."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from connections import catalog
from connections.spec.fields import NAMING, Field


@dataclass(frozen=True)
class Naming:
    """The fields to show. Unless `known`, Fivetran has not told which of them the service takes."""

    fields: tuple[Field, ...]
    known: bool
    service: str


def naming_for(service: str, texts: Mapping[str, str], config: dict[str, Any] | None) -> Naming:
    """The naming fields of `service` by its metadata `config` (None: Fivetran has not told).

    Before a service is chosen they are those for which `texts` already hold something.
    """
    if not service:
        return Naming(tuple(f for f in NAMING.values() if texts.get(f.name)), known=False, service="")
    keys = catalog.naming_keys_of(config)
    if keys is None:
        return Naming(tuple(NAMING.values()), known=False, service=service)
    return Naming(tuple(replace(NAMING[f"config.{key}"], required=True) for key in keys), known=True, service=service)
