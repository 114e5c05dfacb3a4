"""The history's tabs, orders and pickers, what is exported of it, and its columns."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from connections.models import CatalogEntry, Connection, ConnectionRequest, Kind
from connections.states import LIVE, Status
from connections.views.history import frame, pickers
from connections.worker import connection_status
from tests import catalogs, factories
from tests.handover import handed_over
from tests.views.test_history import LIST, ids, link
from tests.views.test_history_export import body_of

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def sizes(response: Any) -> dict[str, str]:
    """The size that each tab tells."""
    found = re.findall(
        r'aria-current="(?:page|false)">(\w[\w ]*?)\s*<span class="tab-count">([^<]*)<', response.content.decode()
    )
    return dict(found)


def test_each_tab_lists_as_many_as_it_tells(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    rows = {s: factories.request_in(s, by=cast["requester"], approver=cast["approver"]) for s in Status}
    gone = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    connection_status.mark_deleted(gone)
    wanted: dict[str, dict[str, Any]] = {
        "requester": {
            "needs-me": {Status.CHANGES_REQUESTED, Status.FAILED},
            "waiting": LIVE,
            "live": {Status.CREATED},
            "failed": {Status.FAILED},
            "drafts": {Status.DRAFT},
        },
        "approver": {"needs-me": {Status.PENDING}, "live": {Status.CREATED}, "drafts": set()},
        "operator": {"needs-me": {Status.ATTENTION}},
    }
    for name, tabs in wanted.items():
        reader = as_user(name)
        told = sizes(reader.get(LIST))
        for tab, statuses in tabs.items():
            page = reader.get(LIST, {"tab": tab})
            assert sorted(ids(page)) == sorted(rows[s].pk for s in statuses), (name, tab)
            assert told[tab.replace("-", " ").capitalize()] == str(len(statuses)), (name, tab)
    assert sizes(as_user("requester").get(LIST))["All"] == str(len(rows) + 1)
    assert sizes(as_user("requester").get(LIST, {"q": "x"}))["Live"] == "", "sizes are those of whole tabs"


def test_what_needs_one_person_twice_counts_once(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    # A certificate to approve, and credentials to enter, of one connection.
    handover = handed_over(by=cast["requester"], source_owner=cast["approver"].username)
    Connection.objects.filter(request=handover.request).update(trust_waiting=1, trust_since=Now())
    assert sizes(as_user("approver").get(LIST))["Needs me"] == "1"
    assert ids(as_user("approver").get(LIST, {"tab": "needs-me"})) == [handover.request_id]


def test_what_waits_is_in_the_navigation_for_approvers(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    factories.submitted(cast["requester"]), factories.submitted(cast["requester2"])
    for path in (LIST, "/", "/approvals/", f"{LIST}?status=failed"):
        assert '<span class="nav-count">2</span>' in as_user("approver").get(path).content.decode(), path
    assert "Approvals" not in as_user("requester").get(LIST).content.decode()


@pytest.mark.parametrize("sort", ["service", "destination", "name", "submitted"])
def test_pages_in_any_order_lose_and_repeat_nothing(
    as_user: Callable[..., Client],
    crowd: list[ConnectionRequest],  # noqa: F811
    sort: str,
) -> None:
    start = timezone.now()
    for number, conn_request in enumerate(crowd):
        conn_request.service_name, conn_request.group_name = f"Service {number % 3}", f"group {number % 7}"
        conn_request.submitted_at = start + timedelta(minutes=number % 50)
    ConnectionRequest.objects.bulk_update(crowd, ["service_name", "group_name", "submitted_at"])
    column = {"service": "service_name", "destination": "group_name", "name": "schema", "submitted": "submitted_at"}[
        sort
    ]
    reader = as_user("auditor")
    up = [r.pk for r in sorted(crowd, key=lambda r: (getattr(r, column), -r.pk))]
    for words, order in ((sort, up), (f"-{sort}", up[::-1])):
        first = reader.get(LIST, {"sort": words})
        second = reader.get(link(first, "Older →"))
        third = reader.get(link(second, "Older →"))
        assert ids(first) + ids(second) + ids(third) == order
        assert ids(reader.get(link(third, "← Newer"))) == ids(second)
        assert ids(reader.get(link(second, "← Newer"))) == ids(first)
        assert f'aria-sort="{"ascending" if words == sort else "descending"}"' in first.content.decode()
    assert ids(reader.get(LIST, {"sort": "payload"})) == ids(reader.get(LIST)), "what is not offered is the usual order"
    assert len(ids(reader.get(LIST, {"sort": sort, "q": "mass_00"}))) == 10


def test_a_link_of_another_order_is_refused(as_user: Callable[..., Client], crowd: Any) -> None:  # noqa: F811
    older = link(as_user("auditor").get(LIST, {"sort": "name"}), "Older →")
    assert as_user("auditor").get(older.replace("sort=name", "sort=service")).status_code == 400


def test_the_form_of_the_filters_leads_to_a_clean_address(as_user: Callable[..., Client]) -> None:
    given = {"q": " a&b ", "service": "", "status": "", "after": "", "tab": "live", "evil": "https://example.com"}
    answer = as_user("auditor").get("/requests/filter/", given)
    assert answer.status_code == 302
    assert answer["Location"] == "/requests/?q=a%26b&tab=live"
    assert as_user("auditor").get("/requests/filter/")["Location"] == LIST


@pytest.mark.parametrize("role", ["auditor", "operator", "approver", "requester"])
def test_no_filter_names_what_is_in_drafts_alone(as_user: Callable[..., Client], role: str) -> None:
    pickers.names_in_use.cache_clear()
    frame._frame.cache_clear()
    client = as_user(role)
    CatalogEntry.objects.create(kind=Kind.GROUP, fivetran_id="secret_warehouse", name="The secret warehouse")
    secret = factories.person(username="secretdraft")
    factories.draft(secret, group_id="secret_warehouse")
    if role != "auditor":  # who writes none
        factories.draft(User.objects.get(username=role), group_id="secret_warehouse")
    page = client.get(LIST).content.decode()
    assert "secretdraft" not in page and "The secret warehouse" not in page


def test_services_destinations_and_people_are_chosen_by_name(
    as_user: Callable[..., Client], cast: dict[str, Any]
) -> None:
    pickers.names_in_use.cache_clear()
    frame._frame.cache_clear()
    catalogs.offered()
    cast["requester"].first_name, cast["requester"].last_name = "Lena", "Brandt"
    cast["requester"].save()
    factories.submitted(cast["requester"])
    page = as_user("auditor").get(LIST, {"requester": "requester", "service": "unheard_of"}).content.decode()
    assert '<option value="google_sheets">Google Sheets</option>' in page
    assert '<option value="requester" selected>Lena Brandt (requester)</option>' in page
    assert '<option value="unheard_of" selected>unheard_of</option>' in page
    assert 'name="requester"' not in as_user("requester").get(LIST).content.decode()


def test_ticked_rows_are_exported_alone(as_user: Callable[..., Client], crowd: Any) -> None:  # noqa: F811
    some = [str(crowd[3].pk), str(crowd[7].pk), "x", "9" * 30]
    rows = json.loads(body_of(as_user("auditor").get("/requests/export.json", {"id": some, "tab": "waiting"})))
    assert [row["id"] for row in rows] == [crowd[7].pk, crowd[3].pk]
    theirs = as_user("requester2").get("/requests/export.json", {"id": some})
    assert json.loads(body_of(theirs)) == [], "nobody ticks what is not theirs to see"


def test_health_tests_and_last_sync_are_columns(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    conn_request = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    rows = Connection.objects.filter(request=conn_request)
    rows.update(setup_state="broken", tests_count=5, tests_open=2, failed_at=Now(), succeeded_at=None)
    page = as_user("auditor").get(LIST).content.decode()
    assert '<td data-label="Health"><span class="tag tag-danger">broken</span></td>' in page
    assert "2 of 5 failing" in page and "failed just now" in page
    rows.update(setup_state="connected", tests_open=0, succeeded_at=Now(), failed_at=None)
    page = as_user("auditor").get(LIST).content.decode()
    assert "5 passed" in page and re.search(r'data-label="Last sync">just now<', page)
    rows.update(drift=[{"field": "paused"}])
    assert ">differs<" in as_user("auditor").get(LIST).content.decode()
