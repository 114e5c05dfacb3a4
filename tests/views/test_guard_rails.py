"""What keeps the lists quick at any size, without a stopwatch: queries, plans, work, and one ratio of renderings.

The goals themselves are measured by `make bench`.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import escape
from statistics import median
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.template.loader import get_template
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from connections.models import ConnectionRequest
from connections.models.search import Edge
from connections.timezones import UTC
from connections.views.history import history
from connections.views.history.filters import Filters, cursor
from connections.views.history.frame import frame_of
from tests import factories
from tests.bench import rows

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

LIST = "/requests/"
FEW, MANY = 1_400, 9_600
MOST_READ = 1_251  # rows that a page may read without an index: a capped count, and what it leaves out between them
SEARCHED = 3_001  # rows that the first look of a search may walk through
# Instructions of SQLite's virtual machine for a page with the counts of its tabs; to read MANY rows takes more.
MOST_WORK = 30_000
Reader = Callable[[str], Client]


@pytest.fixture
def reader() -> Reader:
    """A client logged in as an approver, who sees all, or as one of the requesters."""

    def log_in(who: str) -> Client:
        client = Client()
        client.force_login(factories.person(who) if who == "approver" else User.objects.get(username="person0001"))
        client.get(LIST)  # the session's own stamp is written once
        return client

    return log_in


def lists() -> dict[str, tuple[str, str]]:
    """Name -> (who reads, which address) of the lists."""
    middle = ConnectionRequest.objects.order_by("id")[ConnectionRequest.objects.count() // 2].pk
    return {
        "page 1": ("approver", LIST),
        "an older page": ("approver", f"{LIST}?cursor={cursor(Edge(middle))}"),
        "status": ("approver", f"{LIST}?status=failed"),
        "one's own": ("requester", LIST),
        "service": ("approver", f"{LIST}?service=hubspot"),
        "search, frequent": ("approver", f"{LIST}?q=emea"),
        "search, rare": ("approver", f"{LIST}?q={rows.RARE}"),
    }


def asked(client: Client, address: str) -> list[str]:
    """The queries of one page, once the names of the pickers are read, which are kept for a minute."""
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    assert answer.status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def of_the_list(queries: list[str]) -> list[str]:
    found = [sql for sql in queries if "connections_connectionrequest" in sql]
    assert found
    return found


# --- how many queries ------------------------------------------------------------------------------------------------


def test_the_list_and_a_search_ask_six_queries_whatever_there_is(reader: Reader) -> None:
    client = reader("approver")
    counts: dict[str, set[int]] = {"list": set(), "search": set()}
    for added in (0, 1, 49, 1_150):
        if added:
            rows.seed(added)
        counts["list"].add(len(asked(client, LIST)))
        counts["search"] |= {len(asked(client, f"{LIST}?q={word}")) for word in ("emea", "nowhere", rows.RARE, "em")}
    assert max(counts["list"]) <= 6, counts
    assert len(counts["list"]) == 1, "the number of queries depends on the number of rows"
    assert max(counts["search"]) <= 6, counts


def test_a_requests_page_asks_nine_queries_at_most(reader: Reader) -> None:
    rows.seed(60)
    client = reader("approver")
    found = {
        status: len(asked(client, f"{LIST}{pk}/"))
        for pk, status in ConnectionRequest.objects.values_list("pk", "status").order_by("-pk")[:60]
        if status != "draft"  # only its requester sees it
    }
    assert {"created", "failed", "rejected"} <= set(found)
    assert max(found.values()) <= 9, found


# --- how much work ---------------------------------------------------------------------------------------------------


def test_every_count_of_the_lists_stops_somewhere(reader: Reader) -> None:
    rows.seed(60)
    clients = {who: reader(who) for who in ("approver", "requester")}
    counting = 0
    for name, (who, address) in lists().items():
        for sql in asked(clients[who], address):
            assert not unlimited_counts(sql), f"{name}: {sql}"
            counting += "COUNT(" in sql
    assert counting > 5, "no count was found at all"


def unlimited_counts(sql: str) -> list[str]:
    """The counts in `sql` that are not of a subquery with a LIMIT of its own."""
    found = []
    for match in re.finditer(r"COUNT\([^)]*\)", sql):
        inner = re.match(r"\s+FROM\s+(\(.*)", sql[match.end() :], re.S)
        if inner is None or not re.search(r"LIMIT \d+\s*$", _bracketed(inner[1])):
            found.append(sql[match.start() :][:200])
    return found


def _bracketed(text: str) -> str:
    """What stands between the bracket at the beginning of `text` and the one that closes it."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if not depth:
            return text[1:at]
    return text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM connections_connectionrequest",
        "SELECT id, (SELECT COUNT(*) FROM (SELECT id FROM r WHERE a IN (SELECT b FROM c LIMIT 5)) n) FROM r LIMIT 51",
        "SELECT status, COUNT(id) FROM r GROUP BY status LIMIT 5",
    ],
)
def test_a_count_without_a_limit_is_found(sql: str) -> None:
    assert unlimited_counts(sql)


def test_a_count_with_a_limit_is_let_pass() -> None:
    assert not unlimited_counts("SELECT id, (SELECT COUNT(*) FROM (SELECT id FROM r LIMIT 1001) counted) FROM r")


def test_no_list_reads_or_sorts_the_whole_table(reader: Reader) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite tells no rows; its work is counted below")
    rows.seed(MANY)
    clients = {who: reader(who) for who in ("approver", "requester")}
    for name, (who, address) in lists().items():
        for sql in of_the_list(asked(clients[who], address)):
            for node in plan(sql):
                read = node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
                if node["Node Type"] == "Seq Scan":
                    assert read <= MOST_READ, f"{name} reads {read:.0f} rows of {node['Relation Name']}: {sql}"
                if "Sort" in node["Node Type"]:
                    into = sum(child["Actual Rows"] for child in node["Plans"])
                    assert into <= MOST_READ, f"{name} sorts {into:.0f} rows: {sql}"
                if node["Node Type"].endswith("Scan"):
                    assert read <= SEARCHED, f"{name} reads {read:.0f} rows: {sql}"


def plan(sql: str) -> Iterator[dict[str, Any]]:
    """The nodes of PostgreSQL's plan of a query, with what they really did."""
    with connection.cursor() as cursor:
        # A joined table this small is rightly read whole and hashed; what counts is the way for a large one.
        cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        [[found]] = cursor.fetchall()
    waiting = [entry["Plan"] for entry in (json.loads(found) if isinstance(found, str) else found)]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        yield node


def test_a_plan_without_an_index_is_found() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL's plans")
    rows.seed(FEW)
    nodes = list(plan("SELECT id FROM connections_connectionrequest ORDER BY reason LIMIT 51"))
    assert any(node["Node Type"] == "Seq Scan" and node["Actual Rows"] > MOST_READ for node in nodes)
    assert any("Sort" in node["Node Type"] for node in nodes)


def test_the_lists_work_does_not_grow_with_the_table(reader: Reader) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL tells its plans; see above")
    rows.seed(FEW)
    clients = {who: reader(who) for who in ("approver", "requester")}
    before = {name: work(asked(clients[who], address)) for name, (who, address) in lists().items()}
    rows.seed(MANY - FEW)
    after = {name: work(asked(clients[who], address)) for name, (who, address) in lists().items()}
    for name in ("page 1", "an older page"):
        # With few rows the capped counts of some tabs and filters have not reached their cap yet.
        assert after[name] <= 1.25 * before[name], (name, before[name], after[name])
    assert max(after.values()) <= MOST_WORK, after
    whole = work(["SELECT COUNT(*) FROM connections_connectionrequest WHERE reason LIKE '%x%'"])
    assert whole > MOST_WORK, "reading the whole table would be seen"


def work(queries: list[str]) -> int:
    """The instructions of SQLite's virtual machine that these queries take, in steps of 100."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 100
        return 0

    connection.ensure_connection()
    connection.connection.set_progress_handler(step, 100)
    try:
        with connection.cursor() as cursor:
            for sql in queries:
                if sql.startswith("SELECT"):
                    cursor.execute(sql)
                    cursor.fetchall()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return steps


def test_the_operators_page_reads_the_last_day_alone() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL tells its plans")
    rows.seed(FEW)
    operator = Client()
    operator.force_login(factories.person("operator"))

    def of_the_day() -> int:
        ConnectionRequest.objects.exclude(status="approved").update(status_since=Now() - timedelta(days=2))
        [query] = [sql for sql in asked(operator, "/operations/") if '"status_since" >=' in sql]
        return work([query])

    before = of_the_day()
    rows.seed(MANY - FEW)
    after = of_the_day()
    assert after <= 1.25 * before, (before, after)


def test_the_admins_list_finds_what_waits_by_an_index() -> None:
    rows.seed(FEW)
    client = Client()
    client.force_login(factories.person("superuser"))
    [page] = [sql for sql in asked(client, "/admin/connections/connectionrequest/") if "LIMIT 50" in sql]
    assert "ORDER BY CASE" in page, page
    if connection.vendor == "sqlite":
        assert work([page]) <= work([re.sub("ORDER BY CASE .* END ASC, ", "ORDER BY ", page)]) * 1.25
    else:
        kinds = [node["Node Type"] for node in plan(page) if node.get("Relation Name") != "connections_circuitbreaker"]
        assert "Index Scan" in kinds and not {"Sort", "Seq Scan"} & set(kinds), kinds


# --- what rendering costs --------------------------------------------------------------------------------------------


def test_fifty_rows_render_within_eight_times_an_f_string(reader: Reader) -> None:
    rows.seed(60)
    page = history.read_page(
        [ConnectionRequest.objects.all()], Filters(), None, UTC, User.objects.get(username="person0001")
    )
    assert len(page.rows) == 50
    template = get_template("connections/history/_table.html")
    request = RequestFactory().get(LIST)
    request.user = User.objects.get(username="person0001")
    drawn = {"page": page, "frame": frame_of(request, Filters())}
    ours: Callable[[], str] = lambda: template.render(drawn, request)  # noqa: E731
    assert ours().count("data-request-id") == 50
    ratios = []
    for _ in range(15):
        mine, bare = seconds(ours), min(seconds(lambda: by_f_string(page.rows)) for _ in range(3))
        ratios.append(mine / bare)
    assert median(ratios) <= 8, ratios


def by_f_string(found: list[tuple[Any, ...]]) -> str:
    """The same cells, escaped, without a template."""
    return "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in found)


def seconds(act: Callable[[], object]) -> float:
    """CPU seconds, which a busy neighbour does not lengthen."""
    started = time.process_time()
    act()
    return time.process_time() - started
