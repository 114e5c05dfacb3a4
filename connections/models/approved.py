"""What is approved about a connection: read here by whoever compares it with what is at Fivetran."""

from typing import Any

from connections.models.request import ConnectionRequest


def approved_body(request: ConnectionRequest) -> dict[str, Any]:
    """The body of the connection as people approved it: that of the request. A copy, safe to change."""
    return dict(request.payload or {})
