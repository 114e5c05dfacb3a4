"""What went over the wire in one try of a call, for people: without the key, and only as much as they can read."""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import requests

from .answers import clean_text, without_secrets
from .errors import FivetranError
from .transport import Reply

SANDBOX = "Fivetran-Sandbox"  # the header by which a server names itself the sandbox
LONGEST = 512 * 1024  # bytes of an answer; what is longer is only said to be so
NOT_TEXT = 500  # characters that are kept of what is no UTF-8


@dataclass(frozen=True)
class Exchange:
    """`status` is None where nobody answered; then `text` says why. `text` may be anything that a server sends."""

    method: str
    address: str  # path and query
    status: int | None
    milliseconds: int
    text: str
    from_sandbox: bool = False

    @classmethod
    def answered(
        cls, request: requests.Request, reply: Reply, milliseconds: int, secrets: tuple[str, ...]
    ) -> "Exchange":
        text, named = _text_of(reply.body, secrets), reply.headers.get(SANDBOX) is not None
        return cls(str(request.method), address_of(request), reply.status, milliseconds, text, named)

    @classmethod
    def unanswered(cls, request: requests.Request, error: FivetranError) -> "Exchange":
        return cls(str(request.method), address_of(request), None, error.duration_ms, error.message)


def address_of(request: requests.Request) -> str:
    path = urlsplit(str(request.url)).path
    return f"{path}?{urlencode(request.params)}" if request.params else path


def _text_of(body: bytes | None, secrets: tuple[str, ...]) -> str:
    if body is None or len(body) > LONGEST:
        return "(too long to be shown)"
    try:
        return without_secrets(body.decode(), secrets)
    except UnicodeDecodeError:
        return clean_text(body.decode(errors="replace"), NOT_TEXT, secrets)
