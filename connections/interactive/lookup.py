"""Looking up one connection at Fivetran while a person waits for the page."""

from typing import Any

from connections.fivetran import configured
from connections.fivetran.client import is_identifier
from connections.fivetran.errors import FivetranError, Refused

SECONDS = 5.0


class Unreachable(Exception):
    """Fivetran gave no usable answer in time."""

    def __init__(self, words: str, retry_after: float | None = None, code: str = "") -> None:
        super().__init__(words)
        self.code = code  # of what Fivetran refused
        self.retry_after = retry_after  # seconds, at least; None: trying again is of no use


def existing(connection_id: str) -> dict[str, Any] | None:
    """Fivetran's description of the connection, None where there is none. Raises Unreachable."""
    if not is_identifier(connection_id):
        return None
    client = configured.client(connect_timeout=SECONDS, read_timeout=SECONDS, get_deadline=SECONDS)
    try:
        return dict(client.get_connection(connection_id).data)
    except FivetranError as error:
        if isinstance(error, Refused) and error.status == 404:
            return None
        raise Unreachable(error.message) from None
