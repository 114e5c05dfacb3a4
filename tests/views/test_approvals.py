"""The approver's inbox and the three decisions, by one approver and by two at once."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from connections import workflow
from connections.models import ChangeKind, ConnectionRequest
from connections.people import display_name
from connections.states import Owner, Status
from tests import factories
from tests.handover import handed_over

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
Cast = dict[str, Any]
Login = Callable[..., Client]
DECISIONS = ("approve", "reject", "request-changes")


def decide(reader: Client, conn_request: ConnectionRequest, verb: str, **data: str) -> Any:
    """Send one decision, and follow where it leads."""
    return reader.post(f"/requests/{conn_request.pk}/{verb}/", data, follow=True)


def status_of(conn_request: ConnectionRequest) -> str:
    """The status as it is stored now."""
    return ConnectionRequest.objects.get(pk=conn_request.pk).status


# --- the inbox -----------------------------------------------------------------------------------------------------
def test_the_inbox_lists_who_what_where_risks_and_age_oldest_first(as_user: Login, cast: Cast) -> None:
    first = factories.submitted(cast["requester"], trust_certificates=True, sync_frequency=1, reason="Board report")
    second = factories.submitted(cast["requester2"])
    factories.draft(cast["requester"])
    page = as_user("approver").get("/approvals/").content.decode()
    assert re.findall(r'data-request-id="(\d+)"', page) == [str(first.pk), str(second.pk)]
    for words in (
        display_name(cast["requester"]),
        "Board report",
        "Warehouse",
        first.schema,
        "just now",
        "Syncs every minute",
    ):
        assert words in page
    assert "Trusts any TLS certificate without review" in page
    assert f'href="/requests/{first.pk}/"' in page
    assert "<button" not in page[page.index("<main") : page.index("</main")]  # Approve stands by the body alone


def test_a_change_waits_in_the_inbox_while_the_turn_is_somebody_elses(as_user: Login, cast: Cast) -> None:
    owed = handed_over(cast["requester"], "requester2").request
    asked = workflow.ask_for_change(by=cast["requester"], conn_request=owed, kind=ChangeKind.PAUSE, reason="Not yet")
    assert factories.stored_turn(owed.pk) == Owner.SOURCE_OWNER
    assert f'href="/changes/{asked.pk}/"' in as_user("approver").get("/approvals/").content.decode()


def test_an_approvers_own_request_is_not_in_the_inbox(as_user: Login, cast: Cast) -> None:
    factories.submitted(cast["approver"])
    assert "Nothing waits for you" in as_user("approver").get("/approvals/").content.decode()


@pytest.mark.parametrize("name", ["requester", "operator", "auditor"])
def test_the_inbox_is_for_approvers(as_user: Login, name: str) -> None:
    answer = as_user(name).get("/approvals/")
    assert answer.status_code == 403
    assert "Only approvers see what waits for approval." in answer.content.decode()
    assert "/approvals/" not in as_user(name).get("/").content.decode()


def test_the_inbox_costs_few_queries_however_many_wait(
    as_user: Login, cast: Cast, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        factories.submitted(cast["requester"])
    reader = as_user("approver")
    reader.get("/approvals/")
    with django_assert_max_num_queries(8):  # session, reader, two for the rights, requests, batches, changes, trust
        reader.get("/approvals/")


# --- deciding ------------------------------------------------------------------------------------------------------
def test_approve_takes_one_press(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("approver")
    page = reader.get(f"/requests/{conn_request.pk}/").content.decode()
    form = page[page.index(f'action="/requests/{conn_request.pk}/approve/"') :]
    digest = re.search(r'name="digest" value="(\w+)"', form)
    assert digest
    answer = decide(reader, conn_request, "approve", digest=digest[1])
    assert answer.redirect_chain == [(f"/requests/{conn_request.pk}/", 302)]
    assert f"Request #{conn_request.pk} is approved" in answer.content.decode()
    assert status_of(conn_request) == Status.APPROVED


@pytest.mark.parametrize(
    ("verb", "status"), [("reject", Status.REJECTED), ("request-changes", Status.CHANGES_REQUESTED)]
)
def test_the_others_need_a_reason_and_keep_it(as_user: Login, cast: Cast, verb: str, status: Status) -> None:
    conn_request = factories.submitted(cast["requester"])
    answer = decide(
        as_user("approver"),
        conn_request,
        verb,
        decision_reason="  Use the other one\nplease ",
        digest=conn_request.digest,
    )
    assert answer.status_code == 200
    conn_request.refresh_from_db()
    assert (conn_request.status, conn_request.decision_reason) == (status, "Use the other one\nplease")
    assert "Use the other one<br>please" in as_user("requester").get(f"/requests/{conn_request.pk}/").content.decode()


@pytest.mark.parametrize("verb", ["reject", "request-changes"])
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Enter the reason"),
        (" \n ", "Enter the reason"),
        ("x" * 2001, "Use 2,000 char"),
        ("a\0b", "Null characters"),
    ],
)
def test_a_missing_reason_is_an_error_beside_the_field(
    as_user: Login, cast: Cast, verb: str, typed: str, words: str
) -> None:
    conn_request = factories.submitted(cast["requester"])
    answer = decide(as_user("approver"), conn_request, verb, decision_reason=typed, digest=conn_request.digest)
    page = answer.content.decode()
    assert answer.status_code == 200
    error = re.search(r'id="id_decision_reason_error">([^<]+)<', page)
    assert error
    assert words in error[1]
    assert 'aria-describedby="id_decision_reason_error' in page
    assert re.search(r'<a class="alert-link" href="#id_decision_reason">', page)
    assert "<title>Error: " in page
    assert typed.strip("\0 \n") in page
    assert status_of(conn_request) == Status.PENDING


def test_a_reason_counts_a_line_break_once_as_the_browser_does(as_user: Login, cast: Cast) -> None:
    asked = factories.submitted(cast["requester"])
    lines = "\n".join(["x" * 99] * 20) + "y"
    assert len(lines) == 2000
    shown = as_user("approver").post(f"/requests/{asked.pk}/reject/", {"decision_reason": lines + "z"})
    assert "Use 2,000 characters or fewer" in shown.content.decode()
    posted = {"decision_reason": lines.replace("\n", "\r\n")}
    assert as_user("approver").post(f"/requests/{asked.pk}/reject/", posted).status_code == 302
    asked.refresh_from_db()
    assert (asked.state, asked.decision_reason) == (Status.REJECTED, lines)


@pytest.mark.parametrize("verb", DECISIONS)
@pytest.mark.parametrize("first", ["approve", "reject", "request_changes"])
def test_of_two_approvers_one_wins_and_the_other_reads_who(as_user: Login, cast: Cast, verb: str, first: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    other = factories.person("approver", "ada")
    more = {"digest": conn_request.digest} if first == "approve" else {"reason": "No"}
    getattr(workflow, first)(by=other, conn_request=ConnectionRequest.objects.get(pk=conn_request.pk), **more)
    answer = decide(as_user("approver"), conn_request, verb, decision_reason="My own words", digest=conn_request.digest)
    page = answer.content.decode()
    words = {"approve": "approved", "reject": "rejected", "request_changes": "sent back for changes"}[first]
    assert f"Already {words} by ada." in page
    assert answer.status_code == (200 if verb == "approve" else 409)
    assert verb == "approve" or "My own words" in page
    conn_request.refresh_from_db()
    assert conn_request.decided_by == other


@pytest.mark.parametrize("verb", DECISIONS)
def test_what_was_edited_meanwhile_is_not_decided(as_user: Login, cast: Cast, verb: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    seen = conn_request.digest
    workflow.submit(by=cast["requester"], filing=factories.filing(sync_frequency=5), conn_request=conn_request)
    answer = decide(as_user("approver"), conn_request, verb, decision_reason="My own words", digest=seen)
    page = answer.content.decode()
    assert "The request changed since you looked at it" in page
    assert verb == "approve" or "My own words" in page
    assert status_of(conn_request) == Status.PENDING


@pytest.mark.parametrize("verb", DECISIONS)
def test_who_may_not_decide_is_refused_whatever_is_sent(as_user: Login, cast: Cast, verb: str) -> None:
    conn_request, approvers_own = factories.submitted(cast["requester"]), factories.submitted(cast["approver"])
    for name, target in (("requester", conn_request), ("operator", conn_request), ("approver", approvers_own)):
        assert decide(as_user(name), target, verb).status_code == 403
        assert status_of(target) == Status.PENDING


@pytest.mark.parametrize("digest", ["", "0" * 64, "x" * 10_000, "\0"])
def test_nothing_is_approved_without_the_digest_of_what_was_seen(as_user: Login, cast: Cast, digest: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    answer = decide(as_user("approver"), conn_request, "approve", digest=digest)
    assert "The request changed since you looked at it" in answer.content.decode()
    assert status_of(conn_request) == Status.PENDING


@pytest.mark.parametrize("verb", DECISIONS)
def test_nobody_decides_on_an_own_request(as_user: Login, cast: Cast, verb: str) -> None:
    for name in ("approver", "admin"):
        conn_request = factories.submitted(cast[name])
        answer = decide(as_user(name), conn_request, verb, decision_reason="r", digest=conn_request.digest)
        assert answer.status_code == 403
        assert "Nobody can decide on their own request." in answer.content.decode()
        assert status_of(conn_request) == Status.PENDING


@pytest.mark.parametrize("verb", DECISIONS)
@pytest.mark.parametrize("name", ["requester", "operator", "auditor"])
def test_only_approvers_decide(as_user: Login, cast: Cast, verb: str, name: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    answer = decide(as_user(name), conn_request, verb, decision_reason="r", digest=conn_request.digest)
    assert answer.status_code == 403
    assert "Only approvers can decide on requests." in answer.content.decode()
    assert status_of(conn_request) == Status.PENDING


@pytest.mark.parametrize("verb", [*DECISIONS, "withdraw", "run-tests"])
def test_a_decision_is_a_post(as_user: Login, cast: Cast, verb: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    assert as_user("approver").get(f"/requests/{conn_request.pk}/{verb}/").status_code == 405
    assert status_of(conn_request) == Status.PENDING


def test_a_decision_needs_the_token_of_the_page(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    answer = as_user("approver", enforce_csrf_checks=True).post(
        f"/requests/{conn_request.pk}/approve/", {"digest": conn_request.digest}
    )
    assert answer.status_code == 403
    assert "Please send it again" in answer.content.decode()
    assert status_of(conn_request) == Status.PENDING
