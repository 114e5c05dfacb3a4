"""The body as Terraform, for the provider that Fivetran keeps."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from connections.spec.export.hcl import hcl_block, hcl_lines, hcl_string, hcl_value
from connections.spec.export.texts import plain_name
from connections.spec.payloads import MASK, config_of, masked

# Fivetran's provider (github.com/fivetran/terraform-provider-fivetran) at 1.9.37, read in its source and documents.
# `fivetran_connection` (since 1.9.18) takes the config as JSON; `fivetran_connector` knows only the fields of its list.
# 1.9.53 has the same attributes, and `fivetran_connection_v2` with a place for every field: not written while its
# source cannot be read.
_HEAD = """\
# For Fivetran's Terraform provider, version 1.9.37. The provider reads its key and secret from FIVETRAN_APIKEY and
# FIVETRAN_APISECRET. Once in your configuration:
#   terraform {
#     required_providers {
#       fivetran = { source = "fivetran/fivetran", version = ">= 1.9.37" }
#     }
#   }
"""
_REQUIRED = ("group_id", "service")
_CONNECTION = (
    "networking_method",
    "private_link_id",
    "proxy_agent_id",
    "hybrid_deployment_agent_id",
    "data_delay_sensitivity",
    "data_delay_threshold",
    "run_setup_tests",
    "trust_certificates",
    "trust_fingerprints",
)
_SCHEDULE = ("sync_frequency", "daily_sync_time", "schedule_type", "paused", "pause_after_trial")
# The provider sends only these two from its block `destination_schema`. A table or a table group in that block would
# get lost, and after an import Terraform would replace the connection for it: both stay in the config.
_NAMES = {"schema": "name", "schema_prefix": "prefix"}


def as_terraform(body: Mapping[str, Any], connection_id: str | None = None) -> str:
    """With an import block where the connection exists under `connection_id`.

    Comments name each secret to fill in, each field that the provider does not know, and what a draft does not say yet.
    """
    name = plain_name(body)
    parts = [_HEAD]
    if connection_id:
        to = [("to", f"fivetran_connection.{name}"), ("id", hcl_string(connection_id))]
        parts.append(f"{hcl_block('import', hcl_lines(to))}")
    parts.append(hcl_block(f'resource "fivetran_connection" "{name}"', _connection(masked(body))))
    # The provider creates every connection paused; only the schedule's own `paused = "false"` starts it.
    schedule = {"paused": False, **body}
    # All attributes of the schedule are strings in the provider, whatever they hold.
    times = [
        (k, hcl_string(v if isinstance(v := schedule[k], str) else json.dumps(v))) for k in _SCHEDULE if k in schedule
    ]
    lines = hcl_lines([("connector_id", f"fivetran_connection.{name}.id"), *times])
    parts.append(hcl_block(f'resource "fivetran_connector_schedule" "{name}"', lines))
    if homeless := sorted(set(body) - {*_REQUIRED, *_CONNECTION, *_SCHEDULE, "config"}):
        named = "".join(f"# - {hcl_string(key)[1:-1]}\n" for key in homeless)
        parts.append(f"# The provider has no place for these fields of the request:\n{named}")
    return "\n".join(parts)


def _connection(body: Mapping[str, Any]) -> Iterator[str]:
    yield from hcl_lines((key, hcl_value(body[key])) for key in _REQUIRED if key in body)
    yield from (f"# {key}: not chosen yet" for key in _REQUIRED if key not in body)
    yield ""
    config = dict(config_of(body))
    names = [(block_name, hcl_value(config.pop(key))) for key, block_name in _NAMES.items() if key in config]
    if names:
        yield from ["destination_schema {", *(f"  {line}" for line in hcl_lines(names)), "}", ""]
    else:
        yield from ["# destination_schema: not named yet", ""]
    secrets: list[str] = []
    if config := _without_secrets(config, "config", secrets):
        yield from ["# Sent when the connection is created. Later changes: fivetran_connection_config."]
        yield from f"config = jsonencode({hcl_value(config)})".split("\n")
    yield from (f"# {hcl_string(path)[1:-1]}: a secret, set by the source owner at Fivetran" for path in secrets)
    if config or secrets:
        yield ""
    yield from hcl_lines((key, hcl_value(body[key])) for key in _CONNECTION if key in body)


def _without_secrets(value: Any, path: str, found: list[str]) -> Any:
    """`value` without its masked parts; the paths of these are added to `found`."""
    if isinstance(value, Mapping):
        for key in [key for key, inner in value.items() if inner == MASK]:
            found.append(f"{path}.{key}")
        return {k: _without_secrets(inner, f"{path}.{k}", found) for k, inner in value.items() if inner != MASK}
    if isinstance(value, list):
        return [_without_secrets(inner, f"{path}[{at}]", found) for at, inner in enumerate(value)]
    return value
