"""Which keys of `config` name the destination: the part of the form that depends on the service."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from connections import catalog
from connections.fields import NAMING, Field


@dataclass(frozen=True)
class Naming:
    """The fields to show. Unless `known`, Fivetran has not told which of them the service takes."""

    fields: tuple[Field, ...]
    known: bool
    service: str


def naming_for(service: str, texts: Mapping[str, str]) -> Naming:
    """The naming fields of `service`; before a service is chosen, those for which `texts` already hold something."""
    if not service:
        return Naming(tuple(f for f in NAMING.values() if texts.get(f.name)), known=False, service="")
    keys = catalog.naming_keys(service)
    if keys is None:
        return Naming(tuple(NAMING.values()), known=False, service=service)
    return Naming(tuple(replace(NAMING[f"config.{key}"], required=True) for key in keys), known=True, service=service)
