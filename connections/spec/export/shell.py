"""The body as a curl command, and as a script that runs it."""

import shlex
from collections.abc import Mapping
from typing import Any

from connections.spec.export.texts import as_json, json_escape, script_notes

_DELIMITER = "FIVETRAN_BODY"


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
    return f"#!/bin/sh\n{script_notes(body)}set -eu\n{as_curl(body, api_root)}"
