"""Rate limits: the headers of every answer, and real 429s when a test or a person switched them on."""

import threading
import time
from collections import deque

from .calls import ApiError
from .settings import Settings


class Limits:
    """Rolling windows over all calls, and over the calls that run setup tests."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._hour: deque[float] = deque()
        self._windows: dict[str, deque[float]] = {"calls": deque(), "creations": deque()}

    def clear(self) -> None:
        with self._lock:
            for window in (self._hour, *self._windows.values()):
                window.clear()

    def spend(self, *, creation: bool) -> dict[str, str]:
        """Count one call; returns the rate-limit headers of its answer, or raises ApiError 429 with Retry-After."""
        with self._lock:
            now = time.monotonic()
            self._hour.append(now)
            _forget(self._hour, now - 3600)
            headers = self.headers()
            self._check("calls", self._settings.rate_limit_per_minute, now, headers)
            if creation:
                self._check("creations", self._settings.create_limit_per_minute, now, headers)
            return headers

    def headers(self) -> dict[str, str]:
        most, fixed = self._settings.hourly_limit, self._settings.hourly_remaining
        left = max(0, most - len(self._hour)) if fixed < 0 else fixed
        return {"X-Rate-Limit": str(most), "X-Rate-Limit-Remaining": str(left)}

    def _check(self, name: str, most: int, now: float, headers: dict[str, str]) -> None:
        if not most:
            return
        window, seconds = self._windows[name], self._settings.rate_window_seconds
        _forget(window, now - seconds)
        if len(window) >= most:
            # Rounded up: a caller that waits exactly so long must not be refused again.
            wait = max(1, round(window[0] + seconds - now + 0.5))
            raise too_many(f"Max {most} api calls allowed in one-minute rolling time period", wait, headers)
        window.append(now)


def too_many(message: str, wait: int | None, headers: dict[str, str] | None = None) -> ApiError:
    """429; `wait` seconds in Retry-After, or no such header for None."""
    retry = {} if wait is None else {"Retry-After": str(wait)}
    return ApiError(429, "TooManyRequests", message, {**(headers or {}), **retry})


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] < before:
        times.popleft()
