"""The history: what it lists to whom, how it is narrowed, and its pages."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.signing import Signer
from django.test import Client

from connections.models import ConnectionRequest
from connections.models.search import Edge
from connections.states import Status
from connections.views.history import filters
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


def test_statuses_of_all_kinds_are_listed(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    for status in Status:
        factories.request_in(status, by=cast["requester"], approver=cast["approver"])
    page = as_user("requester").get(LIST).content.decode()  # a draft is its writer's alone
    for status in Status:
        assert f'data-status="{status.value}">{status.label}<' in page
