"""What Fivetran's answers say about the account's rate limit: `X-Rate-Limit` and `X-Rate-Limit-Remaining`.

Source: https://fivetran.com/docs/rest-api/rate-limiting (a rolling window of an hour, for the whole account).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .transport import boottime

WINDOW = 3600.0  # seconds
_LARGEST = 2**31 - 1  # what a database keeps
_latest: dict[str, "RateLimit"] = {}


@dataclass(frozen=True)
class RateLimit:
    """So many calls an hour, and how many were left of them at a moment of `boottime()`."""

    limit: int
    remaining: int
    read_at: float

    @property
    def age(self) -> float:
        """Seconds since it was read."""
        return boottime() - self.read_at


def note(root: str, headers: Mapping[str, str]) -> None:
    """Keep what an answer of the API at `root` says; nothing where it does not say both in whole numbers."""
    limit, remaining = (_whole(headers.get(name)) for name in ("X-Rate-Limit", "X-Rate-Limit-Remaining"))
    if limit and remaining is not None and remaining <= limit:
        _latest[root] = RateLimit(limit, remaining, boottime())


def latest(root: str) -> RateLimit | None:
    """What this process read last of the API at `root`."""
    return _latest.get(root)


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < len(str(_LARGEST)) + 1):
        return None
    return number if (number := int(text)) <= _LARGEST else None
