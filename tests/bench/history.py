"""P1, P5 and P6: the history at any size of the table, beside the floor, and in numbers of queries."""

import contextlib
from collections.abc import Callable
from html import escape
from typing import Any

from tests import processes
from tests.bench import rows
from tests.bench.pages import Visitor, cookie_of, in_process
from tests.bench.readings import Reading, Site, compare

READER = "approver"  # sees every request
LIST = "/requests/"
TIMES = 40


def any_size(site: Site) -> list[Reading]:
    """P1: three pages of a web process with many requests beside those of one with 1,000, requests alternating."""
    from connections.models.search import Edge
    from connections.views.history.filters import cursor

    pages = {
        "page 1": LIST,
        "last page": f"{LIST}?cursor={cursor(Edge(51))}",
        "status filter": f"{LIST}?status=failed",
    }
    with contextlib.ExitStack() as stack:
        large, small = (
            Visitor(stack.enter_context(processes.web({"DATABASE_URL": url})), READER)
            for url in (site.large, site.small)
        )
        readings = []
        for name, path in pages.items():
            assert large.get(path).count("data-request-id") == small.get(path).count("data-request-id") == 50, path
            found = compare(
                lambda path=path: large.get(path),  # type: ignore[misc]
                lambda path=path: small.get(path),  # type: ignore[misc]
                rounds=site.rounds,
                times=TIMES,
            )
            beside = f"{site.rows:,} rows {found.ours:.1f} ms, 1,000 rows {found.yardstick:.1f} ms"
            readings.append(Reading(name, found.ratio, "x", 1.10, beside))
    return readings


_FLOOR = """
SELECT r.id, r.status, r.service_name, r.service, r.group_name, r.schema, u.username,
       COALESCE(r.submitted_at, r.created_at), c.setup_state
FROM connections_connectionrequest r
JOIN auth_user u ON u.id = r.requester_id
LEFT JOIN connections_connection c ON c.request_id = r.id
ORDER BY r.id DESC LIMIT 51
"""


def floor() -> Callable[[], bytes]:
    """The list without a framework: the driver on a kept connection, one query, f-strings that escape."""
    from django.conf import settings

    database: dict[str, Any] = settings.DATABASES["default"]
    execute: Callable[[str], Any]
    if database["ENGINE"].endswith("sqlite3"):
        import sqlite3

        execute = sqlite3.connect(database["NAME"]).execute
    else:
        import psycopg

        execute = psycopg.connect(
            host=database["HOST"],
            user=database["USER"],
            dbname=database["NAME"],
            autocommit=True,
            prepare_threshold=None,  # planned anew each time, as Django's queries are
        ).execute

    def page() -> bytes:
        lines = "".join(
            f'<tr data-request-id="{pk}"><td>{escape(status)}</td><td><a href="/requests/{pk}/">{escape(name)}</a></td>'
            f"<td>{escape(service)}</td><td>{escape(group)}</td><td>{escape(schema)}</td><td>{escape(who)}</td>"
            f"<td>{since}</td><td>{escape(state or '')}</td></tr>"
            for pk, status, name, service, group, schema, who, since, state in execute(_FLOOR).fetchall()[:50]
        )
        return f"<!DOCTYPE html><html><body><table>{lines}</table></body></html>".encode()

    return page


def beside_the_floor(site: Site) -> list[Reading]:
    """P5: the first page through the whole application, in this process.

    The bar was set beside a server's driver: SQLite's, without a socket, takes a quarter of its time.
    """
    ours, without = in_process(LIST, cookie_of(READER)), floor()
    assert ours().count(b"data-request-id") == without().count(b"data-request-id") == 50
    found = compare(ours, without, rounds=site.rounds, times=3 * TIMES, percent=10)
    beside = f"{found.ours:.1f} ms, floor {found.yardstick:.2f} ms"
    return [Reading("list / driver and f-string", found.ratio, "x", None if site.is_sqlite else 8.0, beside)]


def queries(site: Site) -> list[Reading]:
    """P6: the most that any variant of a page asks for, with 50 rows, with one, and with none."""
    from connections.models import ConnectionRequest

    cookie = cookie_of(READER)
    one = ConnectionRequest.objects.values_list("schema", flat=True).get(pk=site.rows // 2)
    created = ConnectionRequest.objects.filter(status="created").values_list("pk", flat=True)
    pages: dict[str, tuple[int, list[str]]] = {
        "list": (5, [LIST, f"{LIST}?status=failed", f"{LIST}?group_id=nowhere", f"{LIST}?requester=person0001"]),
        "list with search": (6, [f"{LIST}?q={word}" for word in ("emea", rows.RARE, one, "nothing-has-this", "em")]),
        "detail": (9, [f"/requests/{pk}/" for pk in (created.earliest("pk"), created.latest("pk"))]),
    }
    return [
        Reading(name, max(count(path, cookie) for path in paths), "queries", bar, f"{len(paths)} variants")
        for name, (bar, paths) in pages.items()
    ]


def count(path: str, cookie: str) -> int:
    """How many queries the page asks, log-in and session included."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    page = in_process(path, cookie)
    page()
    with CaptureQueriesContext(connection) as asked:
        page()
    return len(asked)
