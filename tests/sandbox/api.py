"""A small caller of the sandbox, apart from the portal's client, so that one cannot hide the other's mistakes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests

from tests import processes

KEY = ("sandbox-key", "sandbox-secret")
NAMES = {"google_sheets": ("schema", "table"), "postgres": ("schema_prefix",), "stripe": ("schema",)}


@dataclass(frozen=True)
class Api:
    """The sandbox at `root`."""

    root: str

    def call(self, method: str, path: str, *, timeout: float = 20, **options: Any) -> requests.Response:
        """One call with the key, on a fresh connection, redirects not followed."""
        options = {"auth": KEY, "allow_redirects": False, **options}
        return requests.request(method, self.root + path, timeout=timeout, **options)

    def get(self, path: str, **query: Any) -> Any:
        """`data` of a GET that succeeds."""
        answer = self.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def create(self, name: str, service: str = "google_sheets", **fields: Any) -> requests.Response:
        """POST /v1/connections for the destination `name`; the client's `timeout`, and another `path`."""
        timeout, path = fields.pop("timeout", 20), fields.pop("path", "/v1/connections")
        keys = NAMES.get(service, NAMES["google_sheets"])
        config = {keys[0]: name} | dict.fromkeys(keys[1:], "cells") | fields.pop("config", {})
        body = {"group_id": "amber_harbor", "service": service, "config": config} | fields
        return self.call("POST", path, json=body, timeout=timeout)

    def control(self, method: str, path: str, body: Any = None, /, **query: Any) -> Any:
        """A call below /_sandbox."""
        answer = requests.request(method, f"{self.root}/_sandbox/{path}", json=body, params=query, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def settings(self, **values: Any) -> None:
        """Change settings."""
        self.control("POST", "settings", values)

    def named(self, schema: str) -> list[dict[str, Any]]:
        """What exists under that schema name, whatever was answered."""
        found: list[dict[str, Any]] = self.control("GET", "connections", schema=schema)
        return found

    def journal(self, method: str = "POST", path: str = "/v1/connections") -> list[dict[str, Any]]:
        """The journal's entries for one method and path."""
        entries: list[dict[str, Any]] = self.control("GET", "journal", method=method, path=path)
        return entries


@contextlib.contextmanager
def sandbox(*options: str, **settings: Any) -> Iterator[tuple[Api, subprocess.Popen[str]]]:
    """A sandbox on a port of its own choosing, which it tells in its ready line; it ends with the block."""
    told = json.dumps({"test_seconds": 0} | settings)
    command = [sys.executable, "-m", "connections.sandbox", "--port", "0", "--settings", told, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=processes.ROOT) as process:
        try:
            assert process.stdout
            yield Api(process.stdout.readline().split()[-1]), process
        finally:
            process.kill()


def eventually(found: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true value of `found`, asked again and again; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
    return value
