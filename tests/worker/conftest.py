"""The sandbox as this process's Fivetran, and clocks that suit a test."""

from collections.abc import Iterator
from typing import Any

import pytest

from connections import catalog
from connections.worker import account
from tests import catalogs, factories, processes
from tests.sandbox_client import Fivetran


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
    catalogs.fetched()
    return catalog.destinations()[0].id


@pytest.fixture
def approve(group: str) -> Any:
    """`approve("name")` is an approved Google Sheets request under that destination schema."""

    def make(schema: str, **changes: Any) -> Any:
        return factories.approved(group_id=group, config__schema=schema, config__table="t", **changes)

    return make
