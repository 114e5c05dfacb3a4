"""What is known after a call to Fivetran that brought no usable answer."""

import re

MESSAGE_LENGTH = 2_000
CODE_LENGTH = 100
REQUEST_ID_LENGTH = 200

# C0 and C1 controls, surrogates that no database takes, and the marks that turn the reading direction of what follows.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_BLANK = re.compile("[\t\n\r\u2028\u2029]+")


def clean(text: object, length: int) -> str:
    """Text without control characters, at most `length` characters; "" for anything but text."""
    if not isinstance(text, str):
        return ""
    return _UNPRINTABLE.sub("", _BLANK.sub(" ", text[: length * 4])).strip()[:length]


# The classes say what is known about the effect at Fivetran, not what HTTP said: the call that creates a connection is
# not idempotent, so only certainty decides whether it may be sent again.
class FivetranError(Exception):
    """A call without a usable answer; only its five children are raised. None ever holds the key or the secret."""

    ending = "unknown"

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        code: str = "",
        request_id: str = "",
        duration_ms: int = 0,
    ) -> None:
        self.message = clean(message, MESSAGE_LENGTH)  # for people
        self.status = status  # of HTTP; None without an answer
        self.code = clean(code, CODE_LENGTH)  # Fivetran's own; "" where there was none
        self.request_id = clean(request_id, REQUEST_ID_LENGTH)  # the answer's `X-Request-Id`
        self.duration_ms = duration_ms
        super().__init__(self.message)

    def __str__(self) -> str:
        facts = [
            f"HTTP {self.status}" if self.status is not None else "no answer",
            self.code,
            f"request {self.request_id}" if self.request_id else "",
        ]
        return f"{self.message} ({', '.join(fact for fact in facts if fact)})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class NotSent(FivetranError):  # noqa: N818
    """The request certainly never reached Fivetran."""

    ending = "not_sent"
    certificate = False  # the server's (or the proxy's) certificate was refused
    late = False  # the time allowed had passed before sending


class Refused(FivetranError):  # noqa: N818
    """Fivetran refused with its own JSON error body and did nothing."""

    ending = "refused"
    name_taken = False  # the destination name is in use


class RateLimited(FivetranError):  # noqa: N818
    ending = "rate_limited"
    retry_after: float | None = None  # seconds, 1 to 7,200; None where Fivetran did not say


class Unauthorized(FivetranError):  # noqa: N818
    """401, or no key could be read (then `status` is None and nothing was sent)."""

    ending = "unauthorized"


class Unknown(FivetranError):  # noqa: N818
    """Anything else: the call may or may not have had its effect."""
