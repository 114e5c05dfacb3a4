"""The sandbox's side doors, for tests: what it saw, what it holds, what it shall do next."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True)
class Fivetran:
    """The stand-in, with its own side doors: what it saw, what it holds, what it shall do next."""

    url: str

    def call(self, path: str, body: Any = None, method: str = "") -> Any:
        """A call to the sandbox's side door; returns the JSON it answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/_sandbox/{path}", data, method=method or ("POST" if data else "GET")
        )
        request.add_header("Content-Type", "application/json")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def settings(self, **values: Any) -> None:
        """Turn the sandbox's dials."""
        self.call("settings", values)

    def next(self, *answers: JSON) -> None:
        """Queue one-off behaviours."""
        self.call("settings", {"next_answers": list(answers)})

    def connections(self) -> list[JSON]:
        """Every connection that exists there."""
        found = self.call("connections")
        return list(found["connections"] if isinstance(found, dict) else found)

    def seed(self, **connection: Any) -> JSON:
        """A stranger's connection."""
        return dict(self.call("connections", connection))

    def posts(self) -> list[JSON]:
        """The creations it was asked for, in order."""
        return list(self.call("journal?method=POST&path=/v1/connections"))

    def looks(self) -> list[JSON]:
        """The look-ups of a name or lists it was asked for, in order."""
        return list(self.call("journal?method=GET&path=/v1/connections"))

    def hold(self, phase: str, method: str = "POST", path: str = "/v1/connections") -> None:
        """Stop the next creations, or other calls, at `phase`: headers, body, effect, half or answered."""
        self.call("hold", {"phase": phase, "method": method, "path": path})

    def release(self, phase: str = "") -> None:
        """Let everything that is held go on, or what is held at `phase`."""
        self.call("release", {"phase": phase} if phase else {})

    def holding(self) -> bool:
        """Whether a call waits at a held phase."""
        return bool(self.call("hold").get("waiting"))
