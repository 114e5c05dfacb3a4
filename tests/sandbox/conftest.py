"""One sandbox for the run, as good as new for each test."""

from collections.abc import Iterator

import pytest

from tests.sandbox.api import Api, sandbox


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Api]:
    """The process."""
    with sandbox() as (api, _):
        yield api


@pytest.fixture
def api(running_sandbox: Api) -> Api:
    """The sandbox as at its start, but that nobody waits for setup tests."""
    running_sandbox.control("DELETE", "")
    running_sandbox.settings(test_seconds=0)
    return running_sandbox
