"""A request's body to take along: as JSON, as a curl command, as Terraform; never with a credential. The values were
typed by somebody: none may leave its quotes, in a shell, in Terraform or in a terminal.
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from connections.spec.payloads import MASK, config_of, masked, natural_key

_DELIMITER = "FIVETRAN_BODY"


def as_json(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return "".join(c if c == "\n" or c.isprintable() else json_escape(c) for c in text)


@lru_cache(maxsize=1_000)
def json_escape(character: str) -> str:
    """One UTF-16 unit or two."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def as_curl(body: Mapping[str, Any], api_root: str) -> str:
    """Key and secret come from the environment."""
    # A quoted here-document: the shell reads it as it stands, and no line of indented JSON can be its delimiter.
    # `!` is escaped because an interactive shell would replace it even there.
    return (
        f"curl --fail-with-body --request POST {shlex.quote(f'{api_root}/v1/connections')} \\\n"
        '  --user "$FIVETRAN_API_KEY:$FIVETRAN_API_SECRET" \\\n'
        "  --header 'Accept: application/json;version=2' \\\n"
        "  --header 'Content-Type: application/json' \\\n"
        f"  --data-binary @- <<'{_DELIMITER}'\n"
        f"{as_json(body).replace('!', json_escape('!'))}\n"
        f"{_DELIMITER}\n"
    )


def as_script(body: Mapping[str, Any], api_root: str) -> str:
    notes = (
        "# Creates a connection at Fivetran. Set FIVETRAN_API_KEY and FIVETRAN_API_SECRET in the environment first.\n"
    )
    if MASK in as_json(body):
        notes += f"# {MASK} stands where a secret was: put the secret there, or leave the line out.\n"
    return f"#!/bin/sh\n{notes}set -eu\n{as_curl(body, api_root)}"


# --- Terraform -------------------------------------------------------------------------------------------------------
# Fivetran's provider (github.com/fivetran/terraform-provider-fivetran) at 1.9.37, read in its source and documents.
# `fivetran_connection` (since 1.9.18) takes the config as JSON; `fivetran_connector` knows only the fields of its list.
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
    name = _resource_name(body)
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


def _resource_name(body: Mapping[str, Any]) -> str:
    key = natural_key(config_of(body)) or str(body.get("service") or "connection")
    name = re.sub(r"[^A-Za-z0-9_]+", "_", key)[:100]
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


def hcl_block(heading: str, lines: Iterable[str]) -> str:
    inner = "".join(f"  {line}\n" if line else "\n" for line in lines)
    return f"{heading} {{\n{inner.rstrip()}\n}}\n"


def hcl_lines(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """As `terraform fmt` writes them: neighbouring one-line values share a column."""
    group: list[tuple[str, str]] = []
    for name, value in [*pairs, ("", "\n")]:
        if "\n" not in value:
            group.append((name, value))
            continue
        width = max((len(other) for other, _ in group), default=0)
        yield from (f"{other:<{width}} = {text}" for other, text in group)
        group = []
        if name:
            yield from f"{name} = {value}".split("\n")


def hcl_value(value: Any) -> str:
    if isinstance(value, str):
        return hcl_string(value)
    if isinstance(value, Mapping) and value:
        # A key that is no plain identifier of Terraform, or a word of its own, has to be quoted.
        keys = {key: key if _PLAIN_KEY.fullmatch(key) else hcl_string(key) for key in value}
        lines = hcl_lines((keys[key], hcl_value(item)) for key, item in value.items())
        return "\n".join(["{", *(f"  {line}" for line in lines), "}"])
    if isinstance(value, list) and any(isinstance(item, (Mapping, list)) and item for item in value):
        lines = (line for item in value for line in f"{hcl_value(item)},".split("\n"))
        return "\n".join(["[", *(f"  {line}" for line in lines), "]"])
    if isinstance(value, list):
        return f"[{', '.join(hcl_value(item) for item in value)}]"
    return "{}" if isinstance(value, Mapping) else json.dumps(value)  # a number, true, false or null


_PLAIN_KEY = re.compile(r"(?!(?:for|if|in|true|false|null)$)[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def hcl_string(text: str) -> str:
    """A quoted string of Terraform's language (HCL, "Quoted and Heredoc Templates") that is exactly `text`."""
    return f'"{"".join(_escaped(c, after) for c, after in zip(text, f"{text[1:]} ", strict=False))}"'


@lru_cache(maxsize=1_000)
def _escaped(character: str, after: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD  # a lone surrogate is no character in Terraform
    # A `$` or `%` before a brace would begin a template. Doubled, a row of them could be read in two ways.
    elif character.isprintable() and not (character in "$%" and after == "{"):
        return character
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
