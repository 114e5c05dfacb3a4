"""The request's page says what Fivetran says: syncs, first data, tasks and warnings, drift, and that it is gone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connections.models import Connection, ConnectionRequest, Observation
from connections.states import Status
from connections.views.request_page import connection_facts
from tests import factories

pytestmark = pytest.mark.django_db
AsUser = Callable[..., Client]


@pytest.fixture
def conn_request(cast: dict[str, Any]) -> ConnectionRequest:
    """A request of `requester` whose connection exists."""
    return factories.request_in(Status.CREATED, by=cast["requester"], approver=cast["approver"])


def page(as_user: AsUser, conn_request: ConnectionRequest, **columns: Any) -> str:
    """The page, once the connection has these columns."""
    Connection.objects.filter(request=conn_request).update(**columns)
    answer = as_user("requester").get(f"/requests/{conn_request.pk}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_first_data_and_last_syncs_are_told(as_user: AsUser, conn_request: ConnectionRequest) -> None:
    before = page(as_user, conn_request, sync_state="syncing")
    assert "Syncs at this moment" in before
    assert 'data-first-data="no"' in before
    after = page(as_user, conn_request, first_data_at=Now(), succeeded_at=Now(), failed_at=Now() - timedelta(days=3))
    assert 'data-first-data="yes"' in after
    assert "First data arrived" in after
    assert "Last failed sync" in after
    assert "3 days ago" in after


def test_as_of_counts_the_last_list_too(as_user: AsUser, conn_request: ConnectionRequest) -> None:
    day = timezone.now() - timedelta(days=5)
    assert "5 days ago" in _as_of(page(as_user, conn_request, seen_at=day))
    Observation.objects.create(pk=1, finished_at=timezone.now() - timedelta(hours=2))
    assert "2 hours ago" in _as_of(page(as_user, conn_request))


def _as_of(text: str) -> str:
    return text.split("<dt>As of</dt>")[1].split("</dd>")[0]


def test_tasks_and_warnings_are_shown_as_text(as_user: AsUser, conn_request: ConnectionRequest) -> None:
    status = {
        "sync_state": "rescheduled",
        "rescheduled_for": "<b>soon",
        "update_state": "delayed",
        "tasks": [{"code": "reconnect", "message": "<script>alert(1)</script>", "details": {"a": ["b"]}}],
        "warnings": ["plain \u202etext", None, 7],
    }
    text = page(as_user, conn_request, fivetran_status=status, sync_state="rescheduled")
    assert "Fivetran moved its next sync to &lt;b&gt;soon, late" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert "plain [U+202E]text" in text
    assert "{&quot;a&quot;: [&quot;b&quot;]}" in text
    assert text.count("data-fivetran-note") == 4


@pytest.mark.parametrize(
    "status", ["text", [], 7, None, {"tasks": "x"}, {"tasks": {"a": 1}}, {"tasks": [[[]]], "warnings": [{"code": {}}]}]
)
def test_any_shape_of_status_makes_a_page(as_user: AsUser, conn_request: ConnectionRequest, status: Any) -> None:
    assert "At Fivetran" in page(
        as_user, conn_request, fivetran_status=status if status is not None else {"tasks": None}
    )


def test_notes_and_their_texts_have_a_stated_length() -> None:
    status = {"warnings": [{"message": "x" * 9_000}] * 90}
    told = connection_facts.facts_of(Connection(fivetran_status=status))
    assert told
    assert len(told.notes) == connection_facts.MOST_NOTES
    assert max(len(note.message) for note in told.notes) <= 2_000


def test_drift_is_shown_approved_beside_live(as_user: AsUser, conn_request: ConnectionRequest) -> None:
    assert "Different at Fivetran" not in page(as_user, conn_request)
    drift: list[dict[str, Any]] = [
        {"field": "sync_frequency", "approved": 360, "live": 60},
        {"field": "paused", "approved": False, "live": True},
        {"field": "networking_method", "approved": "Directly", "live": "<i>Unmanaged"},
        {"field": "config.host"},
    ]
    text = page(as_user, conn_request, drift=drift)
    assert "set up, but not as it was approved" in text
    section = text.split('id="drift"')[1].split("</section>")[0]
    assert section.count("data-drift") == 4
    for words in (
        "Every 6 hours",
        "Every hour",
        "<bdi>No</bdi>",
        "<bdi>Yes</bdi>",
        "&lt;i&gt;Unmanaged",
        "config.host",
    ):
        assert words in section


def test_gone_is_said_with_what_remains_possible(as_user: AsUser, conn_request: ConnectionRequest) -> None:
    ConnectionRequest.objects.update(deleted_at_fivetran_at=Now())
    text = page(
        as_user, conn_request, setup_state="incomplete", drift=[{"field": "paused", "approved": False, "live": True}]
    )
    assert "data-gone" in text
    assert f'href="/requests/{conn_request.pk}/clone/"' in text
    assert "Different at Fivetran" not in text
    assert "the source owner" not in text.split('id="live"')[1].split("</div>")[0]
    assert "disabled" in text.split("Run setup tests again")[0].rsplit("<button", 1)[1]


def test_the_open_page_follows_what_changes(as_user: AsUser, conn_request: ConnectionRequest) -> None:
    Connection.objects.update(tests="due", tests_next_try_at=Now() + timedelta(hours=1))
    client = as_user("requester")
    text = client.get(f"/requests/{conn_request.pk}/").content.decode()
    address = text.split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
    assert client.get(address).status_code == 204
    Connection.objects.update(first_data_at=Now(), succeeded_at=Now())
    live = client.get(address).content.decode()
    assert 'id="at-fivetran"' in live
    assert live.split('id="at-fivetran"')[1].split(">")[0].count("hx-swap-oob") == 1
    assert "First data arrived" in live


def test_the_section_costs_no_query(as_user: AsUser, conn_request: ConnectionRequest) -> None:
    client = as_user("requester")
    client.get(f"/requests/{conn_request.pk}/")
    with CaptureQueriesContext(database) as captured:
        client.get(f"/requests/{conn_request.pk}/")
    assert not [sql for sql in (q["sql"] for q in captured) if sql.startswith('SELECT "connections_observation"')]
    assert len(captured) <= 9


def test_a_request_without_a_connection_says_nothing(as_user: AsUser, cast: dict[str, Any]) -> None:
    conn_request = factories.submitted(by=cast["requester"])
    text = as_user("requester").get(f"/requests/{conn_request.pk}/").content.decode()
    assert "data-first-data" not in text and 'data-step="first_data"\n        data-step-state="waiting"' in text
    assert "As of" not in text
