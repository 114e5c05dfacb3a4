"""The history: what it lists, how it is narrowed, paged and exported, and that it stays cheap at any size."""

import csv
import io
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.signing import Signer
from django.db import connection
from django.db.models import Max
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections import workflow
from connections.models import ConnectionRequest, search
from connections.models.search import Edge
from connections.states import Status
from connections.views.history import export, filters
from connections.worker import connection_status
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
LIST = "/requests/"
EXPORTS = ("/requests/export.csv", "/requests/export.json")


def ids(response: Any) -> list[int]:
    """The requests that a page lists, in its order."""
    return [int(found) for found in re.findall(r'data-request-id="(\d+)"', response.content.decode())]


def link(response: Any, words: str) -> str:
    """The address behind the link with these words."""
    found = re.search(rf'<a href="([^"]+)"[^>]*>{words}</a>', response.content.decode())
    assert found, words
    return LIST + found[1].replace("&amp;", "&")


@pytest.fixture
def crowd(cast: dict[str, Any]) -> list[ConnectionRequest]:
    """120 requests of one person, oldest first."""
    first = factories.submitted(cast["requester"])
    rows = []
    for number in range(119):
        conn_request = ConnectionRequest.objects.get(pk=first.pk)
        conn_request.pk, conn_request.idempotency_key = None, uuid.uuid4()
        conn_request.schema, conn_request.search = (
            f"mass_{number:03d}.t",
            f"mass_{number:03d}.t google_sheets requester",
        )
        rows.append(conn_request)
    ConnectionRequest.objects.bulk_create(rows)
    return list(ConnectionRequest.objects.order_by("id"))


PEOPLE = 200


def _many_people() -> int:
    """The first id of PEOPLE new users in a row."""
    start = (User.objects.aggregate(last=Max("id"))["last"] or 0) + 1
    User.objects.bulk_create(User(id=start + n, username=f"crowd{n}", password="!") for n in range(PEOPLE))
    return start


BULK = 20_000


@pytest.fixture
def ample(crowd: list[ConnectionRequest]) -> list[ConnectionRequest]:
    """The crowd with BULK newer rows of many people on top and fresh statistics, as a planner walks small tables."""
    columns = [f'"{f.column}"' for f in ConnectionRequest._meta.local_concrete_fields if f.column != "id"]
    changed = {'"status"': "'withdrawn'", '"schema"': "'bulk.' || n", '"search"': "'bulk.' || n"}
    changed['"service"'] = changed['"group_id"'] = "'bulk' || (n % 50)"
    changed['"idempotency_key"'] = (
        "printf('%032x', n)" if connection.vendor == "sqlite" else "lpad(to_hex(n), 32, '0')::uuid"
    )
    changed['"requester_id"'] = f"{_many_people()} + n % {PEOPLE}"
    names, values = ", ".join(columns), ", ".join(str(changed.get(column, f"one.{column}")) for column in columns)
    numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {BULK})"  # noqa: S608
    one = "(SELECT * FROM connections_connectionrequest ORDER BY id LIMIT 1) one"
    insert = f"INSERT INTO connections_connectionrequest ({names}) SELECT {values} FROM numbers, {one}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"{numbers} {insert}")
        cursor.execute("ANALYZE")
    return crowd


# --- who sees what -------------------------------------------------------------------------------------------------
def test_a_requester_sees_own_requests_and_an_auditor_all(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    mine, theirs = factories.submitted(cast["requester"]), factories.submitted(cast["requester2"])
    factories.draft(cast["requester2"])  # a draft is its writer's alone
    assert ids(as_user("requester").get(LIST)) == [mine.pk]
    for name in ("auditor", "approver", "operator", "admin"):
        assert ids(as_user(name).get(LIST)) == [theirs.pk, mine.pk]


def test_a_row_says_status_service_destination_name_requester_age_and_turn(
    as_user: Callable[..., Client], cast: Any
) -> None:
    factories.submitted(cast["requester"], config__schema="emea_sales")
    page = as_user("approver").get(LIST).content.decode()
    for text in (
        'data-status="pending"',
        "Waiting for approval",
        "Google Sheets",
        "Warehouse",
        "emea_sales.orders",
        "just now",
    ):
        assert text in page
    assert re.search(
        r'<time datetime="\d{4}-\d\d-\d\dT[\d:.]+\+00:00" data-exact>\d+ \w+ \d{4}, \d\d:\d\d UTC</time>', page
    )
    assert re.search(r'data-label="Whose turn">approver<', page)


def test_one_that_is_gone_waits_for_nobody(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    conn_request = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    connection_status.record_status(conn_request.connection, {"status": {"setup_state": "incomplete"}})
    assert 'data-label="Whose turn">source owner<' in as_user("requester").get(LIST).content.decode()
    connection_status.mark_deleted(conn_request)
    for url in (LIST, "/"):
        page = as_user("requester").get(url).content.decode()
        assert "no longer at Fivetran" in page and ">incomplete<" not in page
    assert 'data-label="Whose turn">nobody<' in as_user("requester").get(LIST).content.decode()


def test_an_empty_list_says_what_it_is_and_a_filtered_one_offers_to_clear(as_user: Callable[..., Client]) -> None:
    reader = as_user("requester")
    assert "Ask for the first one" in reader.get(LIST).content.decode()
    narrowed = reader.get(LIST, {"q": "nothing"}).content.decode()
    assert "Clear the filters" in narrowed
    assert "Ask for the first one" not in narrowed


# --- filters -------------------------------------------------------------------------------------------------------
def test_each_filter_narrows(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    one = factories.submitted(cast["requester"], service="mysql", group_id="north", config__schema="alpha")
    beta: dict[str, Any] = {"service": "github", "group_id": "south", "config__schema": "beta"}
    two = factories.request_in(Status.WITHDRAWN, cast["requester2"], **beta)
    reader = as_user("auditor")

    def found(**parameters: Any) -> list[int]:
        return ids(reader.get(LIST, parameters))

    assert found(status="pending") == [one.pk]
    assert found(status=["pending", "withdrawn"]) == [two.pk, one.pk]
    assert found(service="github") == [two.pk]
    assert found(group_id="north") == [one.pk]
    assert found(requester="requester2") == [two.pk]
    assert found(requester="nobody-of-this-name") == []
    assert found(q="alpha") == [one.pk]
    assert found(q="ALPHA mysql") == [one.pk]
    assert found(q="alpha github") == []
    assert found(status="", service="", q=" ", after="", unheard_of="x", page="7") == [two.pk, one.pk]


def test_dates_are_days_of_submission_in_the_readers_zone(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    conn_request = factories.submitted(cast["requester"])
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(submitted_at="2026-03-10T23:30:00Z")
    reader = as_user("auditor")
    assert ids(reader.get(LIST, {"after": "2026-03-10", "before": "2026-03-10"})) == [conn_request.pk]
    reader.cookies["zone"] = "Europe/Berlin"  # where it was half past midnight already
    assert ids(reader.get(LIST, {"after": "2026-03-10", "before": "2026-03-10"})) == []
    there = reader.get(LIST, {"after": "2026-03-11", "before": "2026-03-11"})
    assert ids(there) == [conn_request.pk]
    assert "11 Mar 2026, 00:30 CET" in there.content.decode()
    for nonsense in ("../etc", "Mars/Olympus", "", "x" * 300, "America"):
        reader.cookies["zone"] = nonsense
        assert ids(reader.get(LIST, {"after": "2026-03-10", "before": "2026-03-10"})) == [conn_request.pk]


def test_a_chosen_filter_is_a_chip_that_can_be_removed(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    page = as_user("auditor").get(LIST, {"status": ["pending", "draft"], "q": "a&b"}).content.decode()
    assert 'href="?status=draft&amp;q=a%26b"' in page
    assert 'href="?status=pending&amp;status=draft"' in page
    assert page.count('class="chip"') == 3


BAD: list[dict[str, Any]] = [
    {"status": "no-such"},
    {"status": ["pending", "'; DROP TABLE"]},
    {"after": "yesterday"},
    {"after": "2026-13-45"},
    {"before": "0000-00-00"},
    {"before": "99999-01-01"},
    {"before": "9999-12-31"},
    {"q": "x" * 201},
    {"q": "a\0b"},
    {"service": "\0"},
    {"group_id": "g" * 5000},
    {"requester": "\0"},
    {"cursor": "o5"},
    {"cursor": "garbage"},
    {"cursor": "o5:AAAA"},
    {"cursor": Signer(salt="another").sign("o5")},
    {"cursor": "\0"},
]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [(path, bad) for path in (LIST, *EXPORTS) for bad in BAD if path == LIST or "cursor" not in bad],
    ids=repr,
)
def test_an_unusable_value_is_a_400_page_that_offers_to_clear(
    as_user: Callable[..., Client], path: str, parameters: dict[str, Any]
) -> None:
    response = as_user("auditor").get(path, parameters)
    assert response.status_code == 400
    assert "Clear the filters" in response.content.decode()


HOSTILE = [
    *("'", '"', "%", "_", "\\", "*", "^", "(", ")", "NEAR", "a OR b", "AND", "NOT x", '"" OR ""', "a*", "{a}", "a:b"),
    *(
        "<script>alert(1)</script>",
        "{{ 7*7 }}",
        "🦀",
        "İstanbul",
        "ß",
        "\u202e",
        "\ud7ff",
        "ab",
        "a",
        "ab c",
        "%00",
        "--",
    ),
    *("search:a", "rowid:1", "x" * 200, "a " * 90, "\t\n", "é", "ﬀ", "0x41", "1e309", "-1", "NaN", "null", "[]", "{}"),
    *("../../etc/passwd", "$(id)", "`id`", ";", "|", "a\\", "\\%", "☃☃☃", "\U0010ffff" * 3, "ǅungla", "KELVIN"),
]


def test_no_text_breaks_the_search_or_the_filters(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    factories.submitted(cast["requester"])
    reader = as_user("auditor")
    assert len(HOSTILE) >= 50
    for text in HOSTILE:
        for name in ("q", "service", "group_id", "requester"):
            response = reader.get(LIST, {name: text})
            assert response.status_code == 200, (name, text)
            assert b"<script>alert" not in response.content


@pytest.mark.parametrize("text", ["100%", "a_b", 'qu"ote', "back\\slash", "*star", "straße", "日本語です"])
def test_search_takes_its_words_literally(as_user: Callable[..., Client], cast: dict[str, Any], text: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    other = factories.submitted(cast["requester"])
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(search=f"before {text}after")
    ConnectionRequest.objects.filter(pk=other.pk).update(
        search="before 100x axb quote backslash star strase 日本です after"
    )
    assert ids(as_user("auditor").get(LIST, {"q": text.upper() if text.isascii() else text})) == [conn_request.pk]


def test_search_follows_the_row(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    conn_request, reader = factories.draft(cast["requester"], config__schema="oldname"), as_user("requester")
    assert ids(reader.get(LIST, {"q": "oldname"})) == [conn_request.pk]
    workflow.save_draft(
        by=cast["requester"], filing=factories.filing(config__schema="newname"), conn_request=conn_request
    )
    assert ids(reader.get(LIST, {"q": "oldname"})) == []
    assert ids(reader.get(LIST, {"q": "newname"})) == [conn_request.pk]
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(status_since=Now())
    assert ids(reader.get(LIST, {"q": "newname"})) == [conn_request.pk]


def test_search_finds_what_lies_beyond_the_first_look(
    as_user: Callable[..., Client], ample: list[ConnectionRequest]
) -> None:
    assert search.NEWEST < BULK
    reader = as_user("auditor")
    assert ids(reader.get(LIST, {"q": "mass_000"})) == [ample[1].pk]
    listed = reader.get(LIST, {"q": "mass"})
    assert ids(listed) == [conn_request.pk for conn_request in reversed(ample[70:])]
    # SQLite's first look is the newest matches themselves: it fills the page without having seen all of them.
    count = "More than 50 requests" if connection.vendor == "sqlite" else "119 requests"
    assert count in listed.content.decode()
    older = reader.get(link(listed, "Older →"))
    assert ids(older) == [conn_request.pk for conn_request in reversed(ample[20:70])]
    assert ids(reader.get(link(older, "← Newer"))) == ids(listed)
    assert ids(reader.get(LIST, {"q": "bulk", "status": "pending"})) == []
    assert len(ids(reader.get(LIST, {"q": "bulk"}))) == 50


def test_short_words_are_looked_for_among_the_newest_and_the_page_says_so(
    as_user: Callable[..., Client], cast: dict[str, Any], ample: list[ConnectionRequest]
) -> None:
    assert search.SHORT_NEWEST == BULK  # so that none of the crowd, which has `_0` in its names, is looked at
    reader = as_user("auditor")
    response = reader.get(LIST, {"q": "_0"})
    assert "newest 20,000 requests only" in response.content.decode()
    assert ids(response) == []
    new = factories.submitted(cast["requester"], config__schema="new_0")
    assert ids(reader.get(LIST, {"q": "_0"})) == [new.pk]
    assert ids(reader.get(LIST, {"q": "_0 mass_01"})) == [
        conn_request.pk for conn_request in reversed(ample) if "mass_01" in conn_request.schema
    ]


# --- pages ---------------------------------------------------------------------------------------------------------
def test_pages_go_older_and_newer_without_loss(as_user: Callable[..., Client], crowd: list[ConnectionRequest]) -> None:
    reader = as_user("auditor")
    first = reader.get(LIST)
    second = reader.get(link(first, "Older →"))
    third = reader.get(link(second, "Older →"))
    assert ids(first) + ids(second) + ids(third) == [conn_request.pk for conn_request in reversed(crowd)]
    assert "Older →" not in third.content.decode()
    assert "← Newer" not in first.content.decode()
    assert ids(reader.get(link(third, "← Newer"))) == ids(second)
    assert "120 requests" in first.content.decode()


def test_a_page_keeps_its_place_while_new_requests_come(
    as_user: Callable[..., Client], cast: dict[str, Any], crowd: list[ConnectionRequest]
) -> None:
    reader = as_user("auditor")
    older = link(reader.get(LIST), "Older →")
    before = ids(reader.get(older))
    factories.submitted(cast["requester"])
    assert ids(reader.get(older)) == before


def test_the_filters_stay_in_the_links_of_the_pages(
    as_user: Callable[..., Client], crowd: list[ConnectionRequest]
) -> None:
    older = link(as_user("auditor").get(LIST, {"status": "pending"}), "Older →")
    assert "status=pending" in older
    assert "cursor=" in older


def test_the_count_is_capped(as_user: Callable[..., Client], ample: list[ConnectionRequest]) -> None:
    assert "1,000+ requests" in as_user("auditor").get(LIST).content.decode()
    assert "1,000+ requests" in as_user("auditor").get(LIST, {"status": "withdrawn"}).content.decode()


def test_a_cursor_beyond_the_end_shows_nothing_and_a_way_back(as_user: Callable[..., Client], crowd: Any) -> None:
    for edge in (Edge(0), Edge(filters.MAX_ID, newer=True), Edge(10**30)):
        response = as_user("auditor").get(LIST, {"cursor": filters.cursor(edge)})
        assert response.status_code == 200
        assert ids(response) == [] or edge.id > filters.MAX_ID


def test_beyond_the_end_the_way_back_keeps_the_filters(as_user: Callable[..., Client], crowd: Any) -> None:
    reader, beyond = as_user("auditor"), {"cursor": filters.cursor(Edge(0))}
    for given, back in ({"status": "pending"}, "?status=pending"), ({}, "?"):
        shown = reader.get(LIST, {**given, **beyond}).content.decode()
        assert f'href="{back}">Newest</a>' in shown and ids(reader.get(LIST + back))
        assert ("Clear the filters" in shown) is bool(given)


# --- cost ----------------------------------------------------------------------------------------------------------
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


# --- export --------------------------------------------------------------------------------------------------------
def body_of(response: Any) -> str:
    return b"".join(response.streaming_content).decode("utf-8-sig")


def test_the_csv_export_holds_the_filtered_set(as_user: Callable[..., Client], ample: list[ConnectionRequest]) -> None:
    rows = list(csv.DictReader(io.StringIO(body_of(as_user("auditor").get("/requests/export.csv")))))
    assert [int(row["id"]) for row in rows] == list(
        ConnectionRequest.objects.order_by("-id").values_list("id", flat=True)
    )
    assert rows[-1]["requester"] == "requester"
    some = list(csv.DictReader(io.StringIO(body_of(as_user("auditor").get("/requests/export.csv", {"q": "mass_00"})))))
    assert len(some) == 10
    assert body_of(as_user("requester2").get("/requests/export.csv")).count("\n") == 1


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =HYPERLINK(1)"])
def test_no_cell_of_the_csv_is_a_formula(as_user: Callable[..., Client], cast: dict[str, Any], text: str) -> None:
    conn_request = factories.draft(cast["requester"])
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(reason=text)
    (found,) = csv.DictReader(io.StringIO(body_of(as_user("requester").get("/requests/export.csv"))))
    assert found["reason"] == f"'{text}"


def test_the_json_export_is_one_array_with_bodies(
    as_user: Callable[..., Client], ample: list[ConnectionRequest]
) -> None:
    response = as_user("requester").get("/requests/export.json")
    assert response["Content-Disposition"].startswith("attachment")
    rows = json.loads(body_of(response))
    assert [conn_request["id"] for conn_request in rows] == [conn_request.pk for conn_request in reversed(ample)]
    assert rows[-1]["payload"]["service"] == "google_sheets"
    assert json.loads(body_of(as_user("requester2").get("/requests/export.json"))) == []


def test_an_export_says_since_when_a_connection_is_gone(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    kept, gone = (factories.request_in(Status.CREATED, cast["requester"], cast["approver"]) for _ in range(2))
    ConnectionRequest.objects.filter(pk=gone.pk).update(deleted_at_fivetran_at="2026-03-10T23:30:00Z")
    reader = as_user("requester")
    table = csv.reader(io.StringIO(body_of(reader.get("/requests/export.csv"))))
    headings, *rows = list(table)
    assert headings[-3:] == ["failure_message", "gone_at", "whose_turn"]
    assert [(row[0], row[-2]) for row in rows] == [
        (str(gone.pk), "2026-03-10T23:30:00+00:00"),
        (str(kept.pk), ""),
    ]
    found = json.loads(body_of(reader.get("/requests/export.json")))
    assert [row["gone_at"] for row in found] == ["2026-03-10T23:30:00+00:00", None]


def test_an_export_reads_in_chunks(as_user: Callable[..., Client], ample: list[ConnectionRequest]) -> None:
    response = as_user("auditor").get("/requests/export.csv")
    lines = iter(response.streaming_content)  # type: ignore[attr-defined]
    with CaptureQueriesContext(connection) as captured:
        next(lines)  # the headings
        assert len(captured) == 0
        next(lines)
        assert len(captured) == 1
        list(lines)
    assert len(captured) == -(-(BULK + len(ample)) // export.CHUNK) + 1
    assert all(f"LIMIT {export.CHUNK}" in query["sql"] for query in captured.captured_queries)


def test_statuses_of_all_kinds_are_listed(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    for status in Status:
        factories.request_in(status, by=cast["requester"], approver=cast["approver"])
    page = as_user("requester").get(LIST).content.decode()  # a draft is its writer's alone
    for status in Status:
        assert f'data-status="{status.value}">{status.label}<' in page
