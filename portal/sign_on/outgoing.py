"""Calls to the company's provider, for which a thread and a person wait."""

import time
from typing import Any

import requests

PATIENCE = 5.0  # seconds for a call, its answer to the last byte included
LONGEST = 4 * 1024 * 1024  # bytes of an answer


class Bounded(requests.Session):
    """Whatever the provider does, a call ends in time, follows no redirect and takes nothing from the environment.

    Raises requests.RequestException.
    """

    def __init__(self, certificates: str = "") -> None:
        super().__init__()
        self.trust_env = False  # neither a proxy nor a .netrc
        self.verify = certificates or True

    def request(self, method: str | bytes, url: str | bytes, *arguments: Any, **more: Any) -> requests.Response:
        until = time.monotonic() + PATIENCE
        more |= {"timeout": PATIENCE, "stream": True, "allow_redirects": False}
        answer = super().request(method, url, *arguments, **more)
        found = b""
        with answer:
            # `read1` returns with what has come; `content` would wait until its part is full.
            while part := answer.raw.read1(64 * 1024, decode_content=True):
                found += part
                if len(found) > LONGEST or time.monotonic() > until:
                    raise requests.Timeout("the answer is too long, or takes too long")
        answer._content, answer._content_consumed = found, True  # type: ignore[attr-defined]  # as `content` stores it
        return answer


class Kept:
    """What a provider says of itself, for some minutes: it changes with a new key, a few times a year."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._found: dict[str, tuple[float, Any]] = {}

    def get(self, url: str) -> Any:
        moment, value = self._found.get(url, (0.0, None))
        return value if time.monotonic() - moment < self._seconds else None

    def put(self, url: str, value: Any) -> Any:
        self._found = {url: (time.monotonic(), value)}  # of the one provider
        return value

    def clear(self) -> None:
        self._found = {}
