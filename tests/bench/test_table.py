"""The table of the benchmark, and the earlier commit it may stand beside."""

import pytest

from tests.bench.checkout import Unusable, earlier
from tests.bench.readings import Reading
from tests.bench.table import Line, as_table, compared


def test_each_number_is_the_median_of_its_rounds_beside_the_earlier_one() -> None:
    now = [[Reading("a page", n, "ms", 5, "beside"), Reading("queries", 3, "queries")] for n in (2.0, 4.0, 30.0)]
    before = [[Reading("a page", n, "ms")] for n in (8.0, 2.0, 9.0)]
    page, queries = compared("P1", "SQLite", now, before)
    assert (page.reading.measured, page.before, page.ratio, page.reading.met) == (4.0, 8.0, 0.5, True)
    assert (queries.before, queries.ratio) == (None, None)


def test_the_earlier_commit_has_columns_of_its_own() -> None:
    lines = [Line("P5", "SQLite", Reading("list", 2.0, "x", 8.0), 4.0), Line("P1", "SQLite", Reading("page", 3, "ms"))]
    head, first, second = as_table(lines, "abc1234").splitlines()
    assert head.split() == ["goal", "database", "what", "measured", "abc1234", "now", "/", "then", "bar", "met?"]
    assert first.startswith("P1") and " - " in first
    assert second.split() == ["P5", "SQLite", "list", "2.00", "x", "4.00", "x", "0.50", "x", "<=", "8.00", "x", "yes"]
    assert "now / then" not in as_table(lines)


def test_a_commit_that_is_not_there_is_said() -> None:
    with pytest.raises(Unusable, match="no such commit: nowhere"), earlier("nowhere"):
        pass
