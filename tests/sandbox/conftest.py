"""One sandbox for the run, as good as new for each test."""

from collections.abc import Iterator

import pytest

from connections.sandbox.settings import Settings
from tests.sandbox.api import Api, sandbox


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Api]:
    """The process."""
    with sandbox() as (api, _):
        yield api


@pytest.fixture
def api(running_sandbox: Api) -> Api:
    """The sandbox without connections, journal, holds and queued answers, its settings the default ones but no wait."""
    running_sandbox.control("POST", "release")
    running_sandbox.settings(**Settings(test_seconds=0).public(), next_answers=[])
    running_sandbox.control("DELETE", "connections")
    running_sandbox.control("DELETE", "journal")
    return running_sandbox
