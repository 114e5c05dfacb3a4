"""The body as an HTTP task of Conductor: a workflow definition to register as it stands.

Read in the source of conductor-oss/conductor at b54f0d4 (August 2026) and in Orkes' documents: an expression is `${…}`
in any text of `inputParameters`; `workflow.secrets` is read when the task runs and never stored with it, at Orkes as in
Conductor since 3.31.2. An older one knows no secrets and sends `Basic null`; and before its commit e4898a6, first in
3.32.0, a task that takes longer than about a minute is handed out once more while it runs, whatever its retries are.
"""

import json
from collections.abc import Mapping
from typing import Any

from connections.spec.export.texts import as_json, plain_name
from connections.spec.payloads import MASK

_SECRET = "FIVETRAN_BASIC"  # noqa: S105  # its name
_TASK = "create_connection"
# Conductor waits 3 s by itself; setup tests take minutes. Whoever gives up does not learn the id.
_CONNECT_MILLISECONDS, _READ_MILLISECONDS = 10_000, 600_000


def as_conductor(body: Mapping[str, Any], api_root: str, owner_email: str = "") -> str:
    """Conductor registers no workflow without the mail address of an owner, unless it is told to."""
    definition = {
        "name": f"create_fivetran_connection_{plain_name(body)}",
        "description": _description(body),
        "version": 1,
        "schemaVersion": 2,
        "tasks": [
            {
                "name": _TASK,
                "taskReferenceName": _TASK,
                "type": "HTTP",
                "retryCount": 0,  # Fivetran makes a second connection, or refuses the name, where a POST is repeated
                "inputParameters": {"http_request": _http_request(body, api_root)},
            }
        ],
        "inputParameters": [],
        "outputParameters": {"connection_id": f"${{{_TASK}.output.response.body.data.id}}"},
        **({"ownerEmail": owner_email} if owner_email else {}),
        "timeoutPolicy": "ALERT_ONLY",
        "timeoutSeconds": 0,
        "enforceSchema": False,  # which Conductor's Python client adds by itself
    }
    return as_json(definition)


def _http_request(body: Mapping[str, Any], api_root: str) -> dict[str, Any]:
    return {
        "uri": f"{api_root}/v1/connections",
        "method": "POST",
        "accept": "application/json;version=2",
        "contentType": "application/json",
        "headers": {"Authorization": f"Basic ${{workflow.secrets.{_SECRET}}}"},
        "connectionTimeOut": _CONNECT_MILLISECONDS,
        "readTimeOut": _READ_MILLISECONDS,
        "body": _as_text(body) if _has_expression(body) else body,
    }


def _has_expression(body: Mapping[str, Any]) -> bool:
    return "${" in as_json(body)


def _as_text(body: Mapping[str, Any]) -> str:
    """The body as JSON without any `$`, which Conductor sends as it stands.

    Conductor has an escape, `$${`, but looks for secrets once more in what came of it: a `${workflow.secrets.…}` that
    somebody typed into a form would be sent to Fivetran as that secret.
    """
    return json.dumps(body).replace("$", "\\u0024")


def _description(body: Mapping[str, Any]) -> str:
    said = (
        f"Creates a connection at Fivetran. The secret {_SECRET} is the Base64 form of API key, colon and API secret. "
        "Conductor 3.32 or newer, or Orkes: an older one has no secrets, or may send a slow call twice."
    )
    if _has_expression(body):
        said += " The body is a text, and \\u0024 in it a dollar sign: Conductor takes one before a brace for its own."
    if MASK in as_json(body):
        said += f" {MASK} stands where a secret was: put the secret's reference there, or leave it out."
    return said
