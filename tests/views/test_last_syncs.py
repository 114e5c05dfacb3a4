"""The request's page draws the last syncs, says them in a sentence and lists them, once some were read."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from connections.models import Connection, ConnectionRequest
from connections.states import Status
from connections.views.bars import TALLEST
from connections.views.request_page.last_syncs import last_syncs
from tests import factories

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 20, 8, tzinfo=UTC)


def syncs(*ends: str, seconds: int = 240) -> list[dict[str, str]]:
    """One an hour, each of `seconds`."""
    starts = [START + timedelta(hours=number) for number in range(len(ends))]
    length = timedelta(seconds=seconds)
    return [
        {"start": at.isoformat(), "end": (at + length).isoformat(), "status": end}
        for at, end in zip(starts, ends, strict=True)
    ]


@pytest.fixture
def conn_request(cast: dict[str, Any]) -> ConnectionRequest:
    """A request of `requester` whose connection exists."""
    return factories.request_in(Status.CREATED, by=cast["requester"], approver=cast["approver"])


def page(as_user: Callable[..., Client], conn_request: ConnectionRequest) -> str:
    return as_user("requester").get(f"/requests/{conn_request.pk}/").content.decode()


def test_nothing_is_shown_until_something_was_read(
    as_user: Callable[..., Client], conn_request: ConnectionRequest
) -> None:
    assert "last-syncs" not in page(as_user, conn_request).split("<body")[1]


def test_a_bar_a_sentence_and_a_row_for_each(as_user: Callable[..., Client], conn_request: ConnectionRequest) -> None:
    Connection.objects.update(syncs=syncs("COMPLETED", "COMPLETED", "FAILURE"))
    figure = page(as_user, conn_request).split('<figure class="last-syncs">')[1].split("</figure>")[0]
    assert "Last 3 syncs: 2 succeeded, 1 failed, usually 4 min 0 s" in figure
    assert re.findall(r'class="bar-(\w+)"', figure) == ["success", "success", "danger"]
    assert "<title>20 Nov 2026, 10:00 UTC: failed, 4 min 0 s</title>" in figure
    assert re.findall(r"<td>(.*?)</td>", figure)[:2] == ["failed", "4 min 0 s"]  # the newest stands first
    assert figure.count("<time") == 3 and "style=" not in figure


def test_the_open_page_follows_them(as_user: Callable[..., Client], conn_request: ConnectionRequest) -> None:
    Connection.objects.update(tests="due")
    client = as_user("requester")
    text = client.get(f"/requests/{conn_request.pk}/").content.decode()
    address = text.split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
    assert client.get(address).status_code == 204
    Connection.objects.update(syncs=syncs("COMPLETED"))
    assert "Last sync: succeeded, 4 min 0 s" in client.get(address).content.decode()


def test_what_fivetran_calls_an_end_is_no_text_of_the_page() -> None:
    found = last_syncs(Connection(syncs=syncs("<script>", "", "CANCELED", seconds=0)))
    assert found
    assert [sync.ended for sync in found.syncs] == ["ended otherwise", "ended otherwise", "canceled"]
    assert [(bar.tone, bar.height) for bar in found.bars] == [("secondary", TALLEST)] * 3  # what took no time is seen
    assert found.said == "Last 3 syncs: 2 ended otherwise, 1 canceled, usually 0 ms"


def test_a_sync_of_years_leaves_the_others_in_sight() -> None:
    long = {"start": "1970-01-01T00:00:00+00:00", "end": START.isoformat(), "status": "COMPLETED"}
    found = last_syncs(Connection(syncs=[long, *syncs("COMPLETED")]))
    assert found and [bar.height for bar in found.bars] == [TALLEST, 2]
