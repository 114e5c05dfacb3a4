"""What Fivetran's answers say about the account's rate limit, a rolling window of an hour. Source:
https://fivetran.com/docs/rest-api/rate-limiting.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .transport import boottime

WINDOW = 3600.0  # seconds
_LARGEST = 2**31 - 1  # what a database keeps
_latest: dict[str, "RateLimit"] = {}


@dataclass(frozen=True)
class RateLimit:
    limit: int  # calls an hour
    remaining: int
    read_at: float  # by boottime()

    @property
    def age(self) -> float:
        return boottime() - self.read_at


def note(root: str, headers: Mapping[str, str]) -> None:
    """Keep what an answer of the API at `root` says, where it says both numbers."""
    limit, remaining = (whole_number(headers.get(name)) for name in ("X-Rate-Limit", "X-Rate-Limit-Remaining"))
    if limit and remaining is not None and remaining <= limit:
        _latest[root] = RateLimit(limit, remaining, boottime())


def latest(root: str) -> RateLimit | None:
    return _latest.get(root)


def whole_number(text: str | None) -> int | None:
    text = (text or "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < len(str(_LARGEST)) + 1):
        return None
    return number if (number := int(text)) <= _LARGEST else None
