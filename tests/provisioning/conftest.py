"""The sandbox's controls, and clocks that suit a test."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from connections import catalog
from connections.provisioning import account
from tests import factories, processes

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
        found = self.call("journal")
        entries = found["requests"] if isinstance(found, dict) else found
        return [e for e in entries if e["method"] == "POST" and e["path"] == "/v1/connections"]


@pytest.fixture
def fivetran(transactional_db: None, groups: None, sandbox: processes.Sandbox, settings: Any) -> Iterator[Fivetran]:
    """The sandbox as this process's Fivetran, with short clocks and quick setup tests."""
    settings.SUBMIT_CONNECT_TIMEOUT, settings.SUBMIT_READ_TIMEOUT, settings.SUBMIT_DEADLINE = 1, 1, 2
    settings.SETTLE_SECONDS, settings.PROBE_SECONDS, settings.CREATIONS_PER_MINUTE = 1, 0, 0
    account._known.clear()  # each test has an account of its own under the same key
    stand_in = Fivetran(sandbox.url)
    stand_in.settings(test_seconds=0)
    yield stand_in


@pytest.fixture
def group(fivetran: Fivetran) -> str:
    """The id of a connected destination."""
    catalog.refresh_all()
    return catalog.destinations()[0].id


@pytest.fixture
def approve(group: str) -> Any:
    """`approve("name")` is an approved Google Sheets request under that destination schema."""

    def make(schema: str, **changes: Any) -> Any:
        return factories.approved(group_id=group, config__schema=schema, config__table="t", **changes)

    return make
