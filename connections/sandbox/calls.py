"""One call as the routes see it, Fivetran's envelope, and its errors."""

import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from . import tokens
from .journal import Entry
from .wire import Answer

if TYPE_CHECKING:
    from .app import Sandbox

OPERATION = "Operation performed."  # the message where there is nothing to say
MOST_ITEMS = 1000  # Fivetran's bound of `limit`; 100 is its default


class ApiError(Exception):
    """An answer in Fivetran's error shape: status, code and message, no data."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}

    def answer(self) -> Answer:
        return envelope(self.status, self.code, self.message, headers=self.headers)


def invalid(message: str) -> ApiError:
    return ApiError(400, "InvalidInput", message)


def not_found(kind: str, what: str) -> ApiError:
    # Fivetran has no structured errors, so the message names what was not found.
    return ApiError(404, f"NotFound_{kind}", f"Cannot find {kind.lower()} with id '{what}'")


def envelope(
    status: int, code: str, message: str | None = None, data: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """`{"code", "message", "data"}`; message and data are left out when None."""
    body = {"code": code} | {key: value for key, value in (("message", message), ("data", data)) if value is not None}
    return Answer(status, json.dumps(body).encode(), dict(headers or {}))


def success(data: Any = None, message: str | None = None, status: int = 200) -> Answer:
    return envelope(status, "Success", message, data)


@dataclass
class Call:
    """A request that was read from its socket."""

    app: "Sandbox"
    method: str
    target: str
    headers: Any  # email.message.Message: case-insensitive
    raw: bytes
    entry: Entry
    counts: bool = True  # False: the faults that strike a number of times do not count this call
    path: str = field(init=False)
    query: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path = parts.path.rstrip("/") if parts.path.startswith("/v1/") else parts.path
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))

    def json(self) -> dict[str, Any]:
        """The body as an object; ApiError 400 when it is missing, not JSON, or something else."""
        try:
            value = json.loads(self.raw)
        except ValueError:
            raise invalid("Request body is missing or is not valid JSON") from None
        except RecursionError:
            raise invalid("Request body is nested too deeply") from None
        if not isinstance(value, dict):
            raise invalid("Request body must be a JSON object")
        return value

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw.decode("utf-8", "replace"), keep_blank_values=True))

    def reached(self, phase: str) -> None:
        """Note a phase in the journal; waits while a test holds the phase."""
        self.app.holds.reached(phase, self.entry, self.app.settings.hold_seconds)

    def page(self) -> tuple[int, int]:
        """(skip, limit) from `cursor` and `limit`; ApiError 400 when one of them is not valid."""
        limit = self.query.get("limit", "100")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:6]) <= MOST_ITEMS):
            raise invalid(f"Limit must be between 1 and {MOST_ITEMS}")
        cursor = self.query.get("cursor")
        if not cursor:
            return 0, int(limit)
        try:
            skip = json.loads(tokens.decode(cursor))["skip"]
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise invalid("Invalid cursor value") from None
        if not isinstance(skip, int) or skip < 0:
            raise invalid("Invalid cursor value")
        return skip, int(limit)

    def listing(self, items: list[Any], message: str = OPERATION) -> Answer:
        skip, limit = self.page()
        return listing(items[skip : skip + limit + 1], skip, limit, message)


def listing(items: list[Any], skip: int, limit: int, message: str = OPERATION) -> Answer:
    """A page of at most `limit` items; one more in `items` says that there is a next page."""
    data: dict[str, Any] = {"items": items[:limit]}
    if len(items) > limit:
        data["next_cursor"] = tokens.encode(json.dumps({"skip": skip + limit}).encode())
    return success(data, message)
