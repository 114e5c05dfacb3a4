"""What Conductor makes of a task's input before it runs, after `ParametersUtils` of conductor-oss/conductor at b54f0d4:
first every expression is replaced, `$${` becomes `${`, and then secrets are looked for once more in what came of it.
"""

import re
from collections.abc import Mapping
from typing import Any

_EXPRESSION = re.compile(r"(?<!\$)\$\{[^}]*\}")
_SECRET = re.compile(r"\$\{workflow\.secrets\.([^}]+)\}")


def rendered(definition: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """The `http_request` of the workflow's one task as it is sent."""
    [task] = definition["tasks"]
    return dict(_replaced(task["inputParameters"]["http_request"], secrets))


def _replaced(value: Any, secrets: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, secrets) for key, item in value.items()}  # keys are left alone
    if isinstance(value, list):
        return [_replaced(item, secrets) for item in value]
    if not isinstance(value, str):
        return value
    text = _EXPRESSION.sub(lambda found: found[0] if _SECRET.match(found[0]) else "null", value).replace("$${", "${")
    return _SECRET.sub(lambda found: secrets.get(found[1], ""), text)
