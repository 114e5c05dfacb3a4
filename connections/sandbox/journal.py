"""The journal of all calls, and the holds: points where a test can stop a call."""

import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

PHASES = ("headers", "body", "effect", "half", "answered")
LONGEST = 50_000  # entries kept


class Entry:
    """One request from the first byte to the last."""

    def __init__(self, number: int, accepted: float) -> None:
        self.number = number
        self.accepted = accepted
        self.facts: dict[str, Any] = {"method": "", "path": "", "query": {}, "headers": {}, "body": None}
        self.facts |= {"status": None, "code": None, "fault": None, "effect": None, "request_id": None}
        self.time = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.events: list[dict[str, Any]] = [{"phase": "connected", "ms": 0}]

    def note(self, phase: str) -> None:
        """Add an event with the milliseconds since the connection was accepted."""
        self.events.append({"phase": phase, "ms": round((time.monotonic() - self.accepted) * 1000)})

    def shown(self) -> dict[str, Any]:
        return {"n": self.number, "time": self.time, **self.facts, "events": list(self.events)}


class Journal:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=LONGEST)
        self._number = 0

    def open(self, accepted: float) -> Entry:
        """Start an entry for a request whose connection was accepted at `accepted` (monotonic clock)."""
        with self._lock:
            self._number += 1
            entry = Entry(self._number, accepted)
            self._entries.append(entry)
            return entry

    def shown(self, *, since: int = 0, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """Entries with a number above `since`; `method` and `path` select exactly, a path ending in * by its start."""
        with self._lock:
            entries = [entry for entry in self._entries if entry.number > since]
        return [
            entry.shown()
            for entry in entries
            if (not method or entry.facts["method"] == method) and (not path or matches(path, entry.facts["path"]))
        ]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()  # numbers go on: a test may still ask for what came after one of them


def matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


class Holds:
    """Calls that reach a held phase wait there until they are released."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[str, tuple[str, str]] = {}  # phase -> (method, path pattern)
        self._waiting: dict[int, str] = {}  # journal number -> phase

    def hold(self, phase: str, method: str = "POST", path: str = "/v1/connections") -> None:
        """Stop every matching call at `phase`; ValueError for an unknown phase."""
        if phase not in PHASES:
            raise ValueError(f"phase must be one of {', '.join(PHASES)}")
        with self._changed:
            self._held[phase] = (method, path)

    def release(self, phase: str | None = None) -> None:
        with self._changed:
            released = [phase] if phase else list(self._held)
            self._held = {name: call for name, call in self._held.items() if name not in released}
            # Who is released here waits no more, though its thread may wake later than the next question comes.
            self._waiting = {number: name for number, name in self._waiting.items() if name not in released}
            self._changed.notify_all()

    def reached(self, phase: str, entry: Entry, longest: float) -> None:
        """Note the phase in the entry and wait while it is held, `longest` seconds at most."""
        entry.note(phase)
        with self._changed:
            if not self._holds(phase, entry):
                return
            self._waiting[entry.number] = phase
            self._changed.wait_for(lambda: not self._holds(phase, entry), timeout=longest)
            self._waiting.pop(entry.number, None)

    def is_held(self, phase: str, entry: Entry) -> bool:
        with self._changed:
            return self._holds(phase, entry)

    def shown(self) -> dict[str, Any]:
        """Held phases and the calls (journal numbers) that wait at each."""
        with self._changed:
            held = {phase: {"method": method, "path": path} for phase, (method, path) in self._held.items()}
            return {"held": held, "waiting": [{"n": number, "phase": phase} for number, phase in self._waiting.items()]}

    def _holds(self, phase: str, entry: Entry) -> bool:
        if phase not in self._held:
            return False
        method, path = self._held[phase]
        return entry.facts["method"] == method and matches(path, entry.facts["path"])
