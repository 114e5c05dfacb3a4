"""Answers queued by a test: one-off behaviours for a method and path, so that any fault can be injected."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from typing import Any

from . import wire
from .journal import matches
from .wire import Answer

DELIVERIES = {"whole": None, "drop": wire.hang_up, "reset": wire.reset, "cut": wire.cut, "short": wire.short}


@dataclass
class Canned:
    """One queued behaviour.

    Attributes:
        method, path: which calls it is for; a path ending in * matches by its start.
        times: for how many calls.
        status, headers, body: the answer; `body` is JSON, or text sent as it is. No status: the usual answer is sent.
        raw_base64: exactly these bytes instead of an HTTP answer.
        effect: let the usual handling happen first (its answer is thrown away unless `status` is absent).
        delay: seconds before the answer.
        delivery: whole, drop, reset, cut, short, silent or drip.
        pause: seconds between two bytes with drip.
    """

    path: str
    method: str = "POST"
    times: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = ""
    raw_base64: str = ""
    effect: bool = False
    delay: float = 0.0
    delivery: str = "whole"
    pause: float = 0.4

    def __post_init__(self) -> None:
        if self.delivery not in (*DELIVERIES, "silent", "drip"):
            raise ValueError(f"delivery must be one of {', '.join([*DELIVERIES, 'silent', 'drip'])}")

    def answer(self, usual: Answer | None, longest: float) -> Answer:
        """The answer to send; `usual` is that of the usual handling, where it happened."""
        if self.status is None and usual is not None:
            answer = Answer(usual.status, usual.body, usual.headers | self.headers)
        else:
            text = self.body if isinstance(self.body, str) else json.dumps(self.body)
            answer = Answer(self.status or 200, text.encode(), dict(self.headers))
        if self.raw_base64:
            answer.deliver = wire.raw(base64.b64decode(self.raw_base64))
        elif self.delivery == "silent":
            answer.deliver = wire.silence(longest)
        elif self.delivery == "drip":
            answer.deliver = wire.drip(self.pause, longest)
        else:
            answer.deliver = DELIVERIES[self.delivery]
        return answer


class Queue:
    """The queued behaviours, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: list[Canned] = []

    def add(self, specs: list[dict[str, Any]]) -> None:
        """Queue behaviours given as JSON objects; TypeError or ValueError for an unknown key or value."""
        items = [Canned(**spec) for spec in specs]
        with self._lock:
            self._items.extend(items)

    def take(self, method: str, path: str) -> Canned | None:
        """The first behaviour for this call, used up once more."""
        with self._lock:
            for item in self._items:
                if item.method == method and matches(item.path, path):
                    item.times -= 1
                    if item.times <= 0:
                        self._items.remove(item)
                    return item
        return None

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._items.clear()

    def __len__(self) -> int:
        with self._lock:
            return len(self._items)
