"""From a reply or a failure to what is known: an Answer or one of the five errors."""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ssl import SSLCertVerificationError
from typing import Any, ClassVar

from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from .errors import (
    CODE_LENGTH,
    MESSAGE_LENGTH,
    REQUEST_ID_LENGTH,
    FivetranError,
    NotSent,
    RateLimited,
    Refused,
    Unauthorized,
    Unknown,
    clean,
)
from .transport import Reply, TooLate, TunnelFailed

REFUSALS = frozenset({400, 403, 404, 405, 406, 415, 422})
MAX_DEPTH = 64
RETRY_AFTER_RANGE = (1.0, 7_200.0)

_NEVER_CONNECTED = (NewConnectionError, NameResolutionError, ConnectTimeoutError, TunnelFailed, TooLate)
# PostgreSQL takes neither in text or jsonb, and UTF-8 has no bytes for the second.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")

Usable = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True)
class Answer:
    ending: ClassVar[str] = "answered"
    status: int
    code: str
    message: str
    data: dict[str, Any] = field(repr=False)  # it may hold the address of a Connect Card
    request_id: str
    duration_ms: int


def read_json(body: bytes) -> Any:
    """The value in `body`, strictly: no NaN or infinity, no key twice, at most 64 levels; else ValueError."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) != len(pairs):
            raise ValueError("a key stands there twice")
        return found

    def no_constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    def finite(digits: str) -> float:
        if not math.isfinite(number := float(digits)):
            raise ValueError("number too large")
        return number

    try:
        value = json.loads(body.decode(), object_pairs_hook=unique, parse_constant=no_constant, parse_float=finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return with_texts(value, lambda text: _UNSTORABLE.sub("\ufffd", text))  # what no database can store


def with_texts(value: Any, changed: Callable[[str], str], depth: int = 0) -> Any:
    """`value` with each text in it, keys too, as `changed` makes it; ValueError beyond 64 levels."""
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return changed(value)
    if isinstance(value, list):
        return [with_texts(item, changed, depth + 1) for item in value]
    if isinstance(value, dict):
        return {changed(key): with_texts(item, changed, depth + 1) for key, item in value.items()}
    return value


def judge_reply(
    reply: Reply,
    usable: Usable,
    *,
    secrets: tuple[str, ...],
    expired: bool,
    duration_ms: int,
    without_data: bool = False,
) -> Answer | FivetranError:
    """`secrets` are removed from all texts. `without_data`: the answer may lack `data`, as after a DELETE, where its
    `code` is Success. `expired`: the deadline cut the reply off, so it may be a 201 without a body.
    """
    envelope, flaw = envelope_of(reply)
    if flaw and expired:
        flaw = "it was cut off when the time allowed had passed"
    request_id = clean_text(reply.headers.get("X-Request-Id"), REQUEST_ID_LENGTH, secrets)
    code = clean_text(envelope.get("code"), CODE_LENGTH, secrets)
    message = clean_text(envelope.get("message"), MESSAGE_LENGTH, secrets)
    if reply.status in (200, 201):
        data = envelope.get("data")
        if without_data and data is None and code == "Success":
            data = {}
        if not flaw and isinstance(data, dict) and usable(data):
            # A setup test may quote the request that it was part of.
            data = with_texts(data, lambda text: without_secrets(text, secrets))
            return Answer(reply.status, code, message, data, request_id, duration_ms)
        flaw = flaw or "what was asked for is not in it"
    elif reply.status < 400:
        flaw = "it is a redirect, which is never followed" if reply.status >= 300 else "its status is not 200 or 201"
    error = definite_error(reply, envelope, code, message) or Unknown(
        flaw and f"The answer cannot be used: {flaw}." or message or "The answer says nothing."
    )
    error.status, error.code, error.request_id, error.duration_ms = reply.status, code, request_id, duration_ms
    return error


def envelope_of(reply: Reply) -> tuple[dict[str, Any], str]:
    """The JSON object of the reply ({} without one) and what is wrong with it ("" when nothing is)."""
    if reply.body is None:
        return {}, "it is too long or packed"
    try:
        envelope = read_json(reply.body)
    except ValueError:
        return {}, "it is not the JSON of Fivetran" if reply.body else "it is empty"
    return (envelope, "") if isinstance(envelope, dict) else ({}, "it is not the JSON of Fivetran")


def definite_error(reply: Reply, envelope: dict[str, Any], code: str, message: str) -> FivetranError | None:
    """The error of a refusal that certainly had no effect, else None."""
    # Without Fivetran's own error body it may be a machine on the way that speaks, and the request may have gone on.
    if not (code and isinstance(envelope.get("message"), str)):
        return None
    if reply.status == 401:
        return Unauthorized(message)
    if reply.status == 429:
        limited = RateLimited(message)
        limited.retry_after = retry_after(reply.headers.get("Retry-After"), reply.headers.get("Date"))
        return limited
    taken = reply.status in (400, 409) and (code == "SchemaExists" or "already exists" in message.lower())
    if taken or reply.status in REFUSALS:
        refused = Refused(message)
        refused.name_taken = taken
        return refused
    return None


def retry_after(value: str | None, date: str | None = None) -> float | None:
    """Seconds to wait by a `Retry-After` header (RFC 9110, 10.2.3), within 1 to 7,200; None where it cannot be read."""
    text = (value or "").strip()
    if _WHOLE_NUMBER.fullmatch(text):
        seconds = float(text)
    else:
        # A date counts from the `Date` header of the same answer, so that a wrong clock here changes nothing.
        until, since = http_date(text), http_date(date or "") or datetime.now(UTC)
        if until is None:
            return None
        seconds = (until - since).total_seconds()
    return min(max(seconds, RETRY_AFTER_RANGE[0]), RETRY_AFTER_RANGE[1])


def http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def judge_failure(failure: Exception, *, secrets: tuple[str, ...], expired: bool, duration_ms: int) -> FivetranError:
    """NotSent only by a cause that proves it, else Unknown."""
    # The class that requests raises proves nothing: ConnectionError is both "refused" and "closed after reading".
    causes = list(causes_of(failure))
    certificate = any(isinstance(cause, SSLCertVerificationError) for cause in causes)
    # The words of the innermost cause only: those further out repeat the address with its query.
    text = clean_text(f"{type(causes[-1]).__name__}: {causes[-1]}", MESSAGE_LENGTH, secrets)
    if any(isinstance(cause, TooLate) for cause in causes):
        text = "The time allowed had passed before anything was sent."
    elif expired:
        text = "The time allowed had passed before the answer was complete."
    if certificate or any(isinstance(cause, _NEVER_CONNECTED) for cause in causes):
        unsent = NotSent(text, duration_ms=duration_ms)
        unsent.certificate = certificate
        unsent.late = any(isinstance(cause, TooLate) for cause in causes)
        return unsent
    return Unknown(text, duration_ms=duration_ms)


def causes_of(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        # Not `__context__`: that is whatever else was being handled at the time.
        inner = [*cause.args, getattr(cause, "reason", None), getattr(cause, "original_error", None), cause.__cause__]
        waiting += [item for item in inner if isinstance(item, BaseException)]


def clean_text(text: object, length: int, secrets: tuple[str, ...]) -> str:
    # Struck out before the cut, which could leave half a secret, and after the cleaning, which could join two halves.
    return without_secrets(clean(text, 4 * length), secrets)[:length]


def without_secrets(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "[hidden]")
    return text
