"""Stubs: answers that a test queues for a method and path, each for a number of calls, so that any fault can be
injected.
"""

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
    path: str  # with * at its end: every path that begins like this
    method: str = "POST"
    times: int = 1  # for how many calls
    status: int | None = None  # None: the usual answer is sent
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = ""  # JSON, or text sent as it is
    raw_base64: str = ""  # exactly these bytes instead of an HTTP answer
    effect: bool = False  # the usual handling happens first; its answer is dropped where there is a `status`
    delay: float = 0.0  # seconds before the answer
    delivery: str = "whole"  # or drop, reset, cut, short, silent, drip
    pause: float = 0.4  # seconds between two bytes with drip

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
        with self._lock:
            self._items.clear()

    def __len__(self) -> int:
        with self._lock:
            return len(self._items)
