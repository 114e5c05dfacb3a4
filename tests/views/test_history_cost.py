"""What the lists of the history cost: few queries, counts with a limit, an index for each order."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections.models import ConnectionRequest
from tests.views.test_history import LIST

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.mark.parametrize("name", ["requester", "auditor", "approver"])
@pytest.mark.parametrize(
    ("parameters", "most"), [({}, 6), ({"status": "pending"}, 6), ({"q": "mass_00"}, 6), ({"q": "zzz"}, 6)]
)
def test_the_list_costs_few_queries_however_many_rows(
    as_user: Callable[..., Client],
    crowd: list[ConnectionRequest],
    django_assert_max_num_queries: Any,
    name: str,
    parameters: dict[str, str],
    most: int,
) -> None:
    reader = as_user(name)
    reader.get(LIST)  # writes the session's stamp, which happens once in five minutes
    with django_assert_max_num_queries(most):
        reader.get(LIST, parameters)


def _statements(reader: Client, parameters: dict[str, str]) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert reader.get(LIST, parameters).status_code == 200
    return [q["sql"] for q in captured.captured_queries if "connections_connectionrequest" in q["sql"]]


def test_no_count_without_a_limit_and_no_offset(as_user: Callable[..., Client], crowd: list[ConnectionRequest]) -> None:
    reader = as_user("auditor")
    for parameters in ({}, {"status": "pending"}, {"q": "mass"}, {"requester": "requester"}, {"after": "2020-01-01"}):
        for sql in _statements(reader, parameters):
            assert " OFFSET " not in sql
            for counted in re.findall(r"COUNT\(\*\) FROM \((.*)\) counted", sql):
                assert re.search(r"LIMIT \d+$", counted), sql


@pytest.mark.parametrize(
    "parameters",
    [{}, {"status": "failed"}, {"service": "rare"}, {"group_id": "rare"}, {"requester": "crowd7"}, {"q": "mass_077"}],
    ids=str,
)
def test_every_list_uses_an_index(as_user: Callable[..., Client], ample: Any, parameters: dict[str, str]) -> None:
    """No walk over the whole table, and no sort of it: seen in the database's own plan, where the table is large."""
    reader = as_user("auditor")
    with connection.cursor() as cursor:
        for sql in _statements(reader, parameters):
            cursor.execute(("EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN ") + sql)
            plan = "\n".join(str(row) for row in cursor.fetchall())
            # Without filters the capped count reads any thousand rows; everything else goes by an index.
            whole = "Seq Scan on connections_connectionrequest" + ("" if parameters else "  (")
            assert whole not in plan, plan
            if parameters:  # without filters SQLite walks the table itself, from its newest row, up to the limit
                assert not re.search(r"SCAN (connections_connectionrequest|U\d)(?! USING)(?! VIRTUAL)", plan), plan
            assert "TEMP B-TREE FOR ORDER BY" not in plan or "q" in parameters, plan
