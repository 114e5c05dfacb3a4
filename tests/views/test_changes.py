"""The pages of changes: asking, deciding, following, and what stands elsewhere about them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from connections import workflow
from connections.models import ChangeKind, Connection, ConnectionChange, ConnectionRequest, transition_change
from connections.states import Actor, ChangeStatus, Status
from tests import factories

Login = Callable[..., Client]
Cast = dict[str, Any]
pytestmark = pytest.mark.django_db


@pytest.fixture
def conn_request(cast: Cast) -> ConnectionRequest:
    """A created connection of the demo's requester."""
    return factories.request_in(Status.CREATED, cast["requester"], cast["approver"])


@pytest.fixture
def change(cast: Cast, conn_request: ConnectionRequest) -> ConnectionChange:
    """A change of it that waits for approval."""
    return workflow.ask_for_change(
        by=cast["requester"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month's <b>end</b>"
    )


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


# --- the request's page ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("role", "offered"), [("requester", True), ("approver", True), ("operator", True), ("auditor", False)]
)
def test_the_page_offers_what_fits(as_user: Login, conn_request: ConnectionRequest, role: str, offered: bool) -> None:
    page = text(as_user(role).get(f"/requests/{conn_request.pk}/"))
    for kind in ("pause", "schedule", "delete"):
        assert (f"/requests/{conn_request.pk}/changes/new/?kind={kind}" in page) is offered
    assert "kind=unpause" not in page


def test_a_paused_connection_can_be_unpaused(as_user: Login, conn_request: ConnectionRequest) -> None:
    Connection.objects.update(sync_state="paused")
    page = text(as_user("requester").get(f"/requests/{conn_request.pk}/"))
    assert "kind=unpause" in page and "kind=pause" not in page
    assert "nothing syncs until it is unpaused" in page


def test_while_one_is_open_the_buttons_say_why_not(as_user: Login, change: ConnectionChange) -> None:
    page = text(as_user("requester").get(f"/requests/{change.request_id}/"))
    assert page.count(f"Change #{change.pk} of this connection is open already.") == 1
    assert page.count('aria-describedby="why-delete-connection"') == 3
    assert "changes/new/" not in page
    assert f'href="/changes/{change.pk}/"' in page
    assert 'hx-trigger="every 5s"' in page
    # And the timeline has it.
    assert "Change asked for" in page and "Pause (change #" in page


def test_the_open_page_learns_of_a_change(as_user: Login, cast: Cast, conn_request: ConnectionRequest) -> None:
    reader = as_user("requester")
    Connection.objects.filter(request=conn_request).update(first_data_at=Now())
    seen = re.search(r"seen=([\w-]+)", reader.get(f"/requests/{conn_request.pk}/status/").content.decode() or "")
    assert seen is None  # a finished request is not asked about
    change = workflow.ask_for_change(by=cast["requester"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")
    first = reader.get(f"/requests/{conn_request.pk}/status/").content.decode()
    seen = re.search(r"seen=([\w-]+)", first)
    assert seen and 'id="changes"' in first
    address = f"/requests/{conn_request.pk}/status/?seen={seen[1]}"
    assert reader.get(address).status_code == 204
    workflow.approve_change(by=cast["approver"], change=change, digest=change.digest)
    answer = reader.get(address).content.decode()
    assert 'data-change-status="approved"' in answer and 'hx-trigger="every 2s"' in answer


def test_a_request_without_changes_costs_what_it_did(
    as_user: Login, conn_request: ConnectionRequest, django_assert_max_num_queries: Any
) -> None:
    reader = as_user("requester")
    reader.get(f"/requests/{conn_request.pk}/")
    with django_assert_max_num_queries(9):
        reader.get(f"/requests/{conn_request.pk}/")


# --- asking ----------------------------------------------------------------------------------------------------------
def test_asking_for_a_pause(as_user: Login, conn_request: ConnectionRequest) -> None:
    reader, url = as_user("requester"), f"/requests/{conn_request.pk}/changes/new/?kind=pause"
    assert "No further sync starts" in text(reader.get(url))
    assert "Enter the reason for this change" in text(reader.post(url, {"kind": "pause", "reason": " "}))
    answer = reader.post(url, {"kind": "pause", "reason": "Month's end"})
    change = ConnectionChange.objects.get()
    assert answer.headers["Location"] == f"/changes/{change.pk}/"
    assert change.body == {"paused": True, "run_setup_tests": False}
    # The same form sent twice leads to the same change.
    again = reader.post(url, {"kind": "pause", "reason": "Month's end"}, follow=True)
    assert ConnectionChange.objects.count() == 1 and "is open already" in text(again)


def test_the_form_begins_with_the_present_schedule(as_user: Login, conn_request: ConnectionRequest) -> None:
    page = text(as_user("requester").get(f"/requests/{conn_request.pk}/changes/new/?kind=schedule"))
    assert '<option value="360" selected>' in page and '<option value="auto" selected>' in page
    assert 'id="form-rules"' in page


@pytest.mark.parametrize(
    ("posted", "body"),
    [
        (
            {"sync_frequency": "1440", "daily_sync_time": "05:00", "schedule_type": "auto"},
            {"sync_frequency": 1440, "daily_sync_time": "05:00", "schedule_type": "auto"},
        ),
        (
            {"sync_frequency": "60", "daily_sync_time": "05:00", "schedule_type": "auto"},
            {"sync_frequency": 60, "schedule_type": "auto"},
        ),
        (
            {"sync_frequency": "1440", "daily_sync_time": "05:00", "schedule_type": "manual"},
            {"sync_frequency": 1440, "schedule_type": "manual"},
        ),
        (
            {"sync_frequency": "60", "daily_sync_time": "nonsense", "schedule_type": "auto"},
            {"sync_frequency": 60, "schedule_type": "auto"},
        ),
    ],
    ids=["daily", "hourly", "manual", "hidden nonsense"],
)
def test_a_schedule_by_the_rules_of_the_request_form(
    as_user: Login, conn_request: ConnectionRequest, posted: dict[str, str], body: dict[str, Any]
) -> None:
    as_user("requester").post(
        f"/requests/{conn_request.pk}/changes/new/?kind=schedule", {**posted, "kind": "schedule", "reason": "Less load"}
    )
    assert ConnectionChange.objects.get().body == {**body, "run_setup_tests": False}


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        ({"sync_frequency": "360", "schedule_type": "auto"}, "its schedule already"),
        ({"sync_frequency": "7", "schedule_type": "auto"}, "Choose one of: 1, 5, 15"),
        ({"sync_frequency": "1440", "schedule_type": "auto", "daily_sync_time": "05:30"}, "Choose one of: 00:00"),
        ({"sync_frequency": "60", "schedule_type": "weekly"}, "Choose one of: auto, manual"),
    ],
)
def test_a_schedule_that_cannot_be(
    as_user: Login, conn_request: ConnectionRequest, posted: dict[str, str], words: str
) -> None:
    answer = as_user("requester").post(
        f"/requests/{conn_request.pk}/changes/new/?kind=schedule", {**posted, "kind": "schedule", "reason": "Less load"}
    )
    assert words in text(answer) and "There is a problem" in text(answer)
    assert not ConnectionChange.objects.exists()


def test_a_deletion_is_confirmed_by_typing_the_name(as_user: Login, conn_request: ConnectionRequest) -> None:
    reader, url = as_user("requester"), f"/requests/{conn_request.pk}/changes/new/?kind=delete"
    page = text(reader.get(url))
    assert "The data that is in the warehouse already stays there." in page and "Ask for the deletion" in page
    for typed in ("", "another", conn_request.schema.upper()):
        answer = reader.post(url, {"kind": "delete", "reason": "Contract ended", "confirmed": typed})
        assert f"Type {conn_request.schema} to confirm" in text(answer)
    assert not ConnectionChange.objects.exists()
    reader.post(url, {"kind": "delete", "reason": "Contract ended", "confirmed": conn_request.schema})
    assert ConnectionChange.objects.get().body == {}


@pytest.mark.parametrize("kind", ["", "odd", "DELETE"])
def test_there_is_no_other_change(as_user: Login, conn_request: ConnectionRequest, kind: str) -> None:
    assert as_user("requester").get(f"/requests/{conn_request.pk}/changes/new/?kind={kind}").status_code == 404


@pytest.mark.parametrize(("role", "status"), [("requester2", 404), ("auditor", 403)])
def test_who_may_not_ask(as_user: Login, conn_request: ConnectionRequest, role: str, status: int) -> None:
    reader, url = as_user(role), f"/requests/{conn_request.pk}/changes/new/?kind=pause"
    assert reader.get(url).status_code == status
    assert reader.post(url, {"kind": "pause", "reason": "x"}).status_code == status
    assert not ConnectionChange.objects.exists()


def test_what_is_gone_leads_back(as_user: Login, conn_request: ConnectionRequest) -> None:
    ConnectionRequest.objects.update(deleted_at_fivetran_at=Now())
    answer = as_user("requester").get(f"/requests/{conn_request.pk}/changes/new/?kind=pause", follow=True)
    assert "no longer at Fivetran" in text(answer)


# --- the change's page -----------------------------------------------------------------------------------------------
def test_the_page_shows_before_after_and_the_exact_call(as_user: Login, change: ConnectionChange) -> None:
    page = text(as_user("approver").get(f"/changes/{change.pk}/"))
    assert "<td data-before>not paused</td>" in page and "<td data-after>paused</td>" in page
    assert f"PATCH /v1/connections/{change.request.connection_id}" in page
    assert "&quot;run_setup_tests&quot;: false" in page
    assert "Month&#x27;s &lt;b&gt;end&lt;/b&gt;" in page
    assert f'name="digest" value="{change.digest}"' in page


@pytest.mark.parametrize(
    ("role", "status", "approves", "withdraws"),
    [
        ("requester", 200, False, True),
        ("requester2", 404, False, False),
        ("approver", 200, True, False),
        ("operator", 200, False, False),
        ("auditor", 200, False, False),
        ("admin", 200, True, False),
    ],
)
def test_who_sees_which_buttons(
    as_user: Login, change: ConnectionChange, role: str, status: int, approves: bool, withdraws: bool
) -> None:
    reader = as_user(role)
    answer = reader.get(f"/changes/{change.pk}/")
    assert answer.status_code == reader.get(f"/changes/{change.pk}/status/").status_code == status
    assert ('id="do-approve"' in text(answer)) is approves
    assert ('id="do-withdraw"' in text(answer)) is withdraws


def test_who_asked_reads_why_they_cannot_approve(as_user: Login, cast: Cast, conn_request: ConnectionRequest) -> None:
    mine = workflow.ask_for_change(by=cast["admin"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")
    page = text(as_user("admin").get(f"/changes/{mine.pk}/"))
    assert "Nobody can decide on a change they asked for themselves." in page and "do-reject" not in page
    assert as_user("admin").post(f"/changes/{mine.pk}/approve/", {"digest": mine.digest}).status_code == 403


def test_approving_what_was_shown(as_user: Login, change: ConnectionChange) -> None:
    reader = as_user("approver")
    stale = reader.post(f"/changes/{change.pk}/approve/", {"digest": "0" * 64}, follow=True)
    assert "not as you saw it" in text(stale)
    done = reader.post(f"/changes/{change.pk}/approve/", {"digest": change.digest}, follow=True)
    assert "is approved" in text(done) and 'data-change-status="approved"' in text(done)
    again = reader.post(f"/changes/{change.pk}/approve/", {"digest": change.digest}, follow=True)
    assert "already “Approved, in the queue”" in text(again)


def test_after_a_decision_the_next_one_is_a_click_away(as_user: Login, cast: Cast, change: ConnectionChange) -> None:
    waiting = factories.submitted(cast["requester"])
    address, sent = f"/changes/{change.pk}/approve/", {"digest": change.digest}
    page = as_user("approver").post(address, sent, follow=True).content.decode()
    assert f'href="/requests/{waiting.pk}/">1 left, next: #{waiting.pk} Google Sheets</a>' in page
    assert "left, next" not in as_user("approver").get(f"/changes/{change.pk}/").content.decode(), "only once"


@pytest.mark.parametrize("kind", [ChangeKind.PAUSE, ChangeKind.DELETE])
def test_of_what_is_gone_a_change_can_only_be_rejected(
    as_user: Login, cast: Cast, conn_request: ConnectionRequest, kind: ChangeKind
) -> None:
    change = workflow.ask_for_change(by=cast["requester"], conn_request=conn_request, kind=kind, reason="Month's end")
    reader, url = as_user("approver"), f"/changes/{change.pk}/"
    seen = re.search(r"seen=([\w-]+)", reader.get(url).content.decode())
    assert seen and "no longer at Fivetran" not in text(reader.get(url)) + text(reader.get("/approvals/"))
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(deleted_at_fivetran_at=Now())
    assert "no longer at Fivetran" in text(reader.get(f"{url}status/?seen={seen[1]}"))
    assert "no longer at Fivetran" in text(reader.get("/approvals/"))
    page = text(reader.get(url))
    assert "this change can only be rejected or withdrawn" in page
    assert re.search(r'id="do-approve" disabled aria-describedby="why-decide"', page)
    why = "The connection is no longer at Fivetran, so there is nothing to approve. It can be rejected."
    assert why in page and 'id="do-reject"' in page
    refused = text(reader.post(f"{url}approve/", {"digest": change.digest}, follow=True))
    assert why in refused and 'data-change-status="pending"' in refused
    assert as_user("requester").post(f"{url}approve/", {"digest": change.digest}).status_code == 403
    done = text(reader.post(f"{url}reject/", {"decision_reason": "It is gone"}, follow=True))
    assert 'data-change-status="rejected"' in done and "can only be rejected" not in done


def test_rejecting_needs_a_reason(as_user: Login, change: ConnectionChange) -> None:
    reader, url = as_user("approver"), f"/changes/{change.pk}/reject/"
    assert "Enter the reason" in text(reader.post(url, {"decision_reason": ""}))
    assert "is rejected" in text(reader.post(url, {"decision_reason": "We need it daily"}, follow=True))
    assert "We need it daily" in text(as_user("requester").get(f"/changes/{change.pk}/"))


def test_a_reason_that_came_too_late_is_shown_again(as_user: Login, cast: Cast, change: ConnectionChange) -> None:
    reader, url = as_user("approver"), f"/changes/{change.pk}/reject/"
    workflow.approve_change(by=cast["admin"], change=change, digest=change.digest)
    late = reader.post(url, {"decision_reason": "We need it <i>daily</i>"})
    page = text(late)
    assert late.status_code == 409
    assert "the change is already “Approved, in the queue” by admin." in page
    assert "What you wrote was not sent:" in page and "We need it &lt;i&gt;daily&lt;/i&gt;" in page
    assert 'data-change-status="approved"' in page and "do-reject" not in page
    assert "What you wrote" not in text(reader.get(f"/changes/{change.pk}/"))
    assert reader.post(url, {"decision_reason": ""}).status_code == 302  # nothing that could be lost


def test_withdrawing(as_user: Login, change: ConnectionChange) -> None:
    assert as_user("approver").post(f"/changes/{change.pk}/withdraw/").status_code == 403
    assert as_user("requester2").post(f"/changes/{change.pk}/withdraw/").status_code == 404
    assert "is withdrawn" in text(as_user("requester").post(f"/changes/{change.pk}/withdraw/", follow=True))


@pytest.mark.parametrize("verb", ["approve", "reject", "withdraw"])
def test_nothing_is_done_by_a_link(as_user: Login, change: ConnectionChange, verb: str) -> None:
    assert as_user("approver").get(f"/changes/{change.pk}/{verb}/").status_code == 405
    strict = as_user("approver", enforce_csrf_checks=True)
    assert strict.post(f"/changes/{change.pk}/{verb}/", {"digest": change.digest}).status_code == 403


def test_the_page_follows_and_comes_to_rest(as_user: Login, cast: Cast, change: ConnectionChange) -> None:
    reader, url = as_user("requester"), f"/changes/{change.pk}/status/"
    first = reader.get(url).content.decode()
    seen = re.search(r"seen=([\w-]+)", first)
    assert seen and 'hx-trigger="every 5s"' in first
    assert reader.get(f"{url}?seen={seen[1]}").status_code == 204
    workflow.approve_change(by=cast["approver"], change=change, digest=change.digest)
    assert 'hx-trigger="every 2s"' in reader.get(f"{url}?seen={seen[1]}").content.decode()
    claim: dict[str, Any] = {"token": "9f0c2b4e-5d0e-4a43-9b0a-111111111111", "lease_until": Now()}
    transition_change(change, ChangeStatus.RUNNING, actor=Actor.WORKER, **claim)
    words = "The plan <script> forbids it"
    transition_change(
        change, ChangeStatus.FAILED, actor=Actor.WORKER, failure_code="InvalidInput", failure_message=words
    )
    last = reader.get(url).content.decode()
    assert "hx-trigger" not in last and "The plan &lt;script&gt; forbids it" in last


# --- elsewhere -------------------------------------------------------------------------------------------------------
def test_the_inbox_has_changes_in_a_section_of_their_own(as_user: Login, change: ConnectionChange) -> None:
    page = text(as_user("approver").get("/approvals/"))
    assert f'data-change-id="{change.pk}"' in page and "not paused → paused" in page
    assert "Nothing waits for you" not in page
    assert "1 change of a connection waits for a decision" in text(as_user("approver").get("/"))


def test_the_admin_is_a_window(as_user: Login, change: ConnectionChange) -> None:
    reader = as_user("approver")
    page = text(reader.get(f"/admin/connections/connectionchange/{change.pk}/change/"))
    assert "&quot;paused&quot;: true" in page and 'name="_save"' not in page
    assert reader.get("/admin/connections/connectionchange/add/").status_code == 403
    assert reader.post(f"/admin/connections/connectionchange/{change.pk}/delete/").status_code == 403
