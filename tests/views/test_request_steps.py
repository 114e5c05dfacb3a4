"""The request's page at one look: the steps, the one primary button, what is asked for in words, what comes next."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from connections import workflow
from connections.models import Attempt, Connection, ConnectionRequest
from connections.people import display_name
from connections.states import Actor, Status
from connections.views.request_page.actions import connection_page
from connections.worker import connection_status, outcome
from tests import factories
from tests.handover import CARD, handed_over
from tests.handover.test_leading_on import broken
from tests.views.test_request_page import page_of, poll_url, visible_text
from tests.views.test_whose_turn import asked_change, asks_trust, connected, gone

pytestmark = pytest.mark.django_db
Cast = dict[str, Any]
Login = Callable[..., Client]
NAMES = ["requested", "approved", "created", "credentials", "tests", "first_data"]
WAITING = ["skipped", "waiting", "waiting"]  # nobody is asked for credentials


def steps(page: str) -> list[str]:
    """The states of the steps, which have one order."""
    [found] = re.findall(r"<ol[^>]*data-steps.*?</ol>", page, re.DOTALL)
    items = re.findall(r'data-step="(\w+)"\s+data-step-state="(\w+)"', found)
    assert [name for name, _ in items] == NAMES
    assert found.count('aria-current="step"') == [state for _, state in items].count("current") <= 1
    return [state for _, state in items]


def step(page: str, name: str) -> str:
    """What a step says."""
    [found] = re.findall(rf'<li data-step="{name}".*?</li>', page, re.DOTALL)
    return visible_text(re.sub(r'<span class="avatar.*?</span>', "", found))


STEPS: dict[Status, list[str]] = {
    Status.DRAFT: ["current", *["waiting"] * 5],
    Status.PENDING: ["done", "current", "waiting", *WAITING],
    Status.CHANGES_REQUESTED: ["current", "waiting", "waiting", *WAITING],
    Status.APPROVED: ["done", "done", "current", *WAITING],
    Status.CLAIMED: ["done", "done", "current", *WAITING],
    Status.SENDING: ["done", "done", "current", *WAITING],
    Status.UNKNOWN: ["done", "done", "current", *WAITING],
    Status.ATTENTION: ["done", "done", "current", *WAITING],
    Status.FAILED: ["done", "done", "failed", "skipped", "skipped", "skipped"],
    Status.REJECTED: ["done", "failed", "skipped", "skipped", "skipped", "skipped"],
    Status.WITHDRAWN: ["done", "skipped", "skipped", "skipped", "skipped", "skipped"],
    Status.EXPIRED: ["done", "skipped", "skipped", "skipped", "skipped", "skipped"],
    Status.CREATED: ["done", "done", "done", "skipped", "done", "current"],
}


@pytest.mark.parametrize("status", Status)
def test_the_steps_of_each_status(as_user: Login, cast: Cast, status: Status) -> None:
    conn_request = factories.request_in(status, by=cast["requester"], approver=cast["approver"])
    assert steps(page_of(as_user("requester"), conn_request)) == STEPS[status]


def test_credentials_are_a_step_to_come_where_somebody_is_asked_for_them(as_user: Login, cast: Cast) -> None:
    page = page_of(as_user("requester"), factories.submitted(cast["requester"], **CARD))
    assert steps(page) == ["done", "current", *["waiting"] * 4]
    plain = page_of(as_user("requester"), factories.submitted(cast["requester"]))
    assert step(plain, "credentials") == "Credentials not needed"


def test_the_step_of_an_approval_says_whom_it_waits_for(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    assert step(page_of(as_user("approver"), conn_request), "approved") == "Approved waits for you"
    assert step(page_of(as_user("requester"), conn_request), "approved") == "Approved waits for an approver"


def test_a_step_says_who_and_when(as_user: Login, cast: Cast) -> None:
    page = page_of(as_user("requester"), factories.approved(cast["requester"], cast["approver"]))
    assert step(page, "requested") == "Requested done you just now"
    assert step(page, "approved") == f"Approved done {display_name(cast['approver'])} just now"
    assert step(page, "created") == "Created in the queue"


def test_the_steps_of_a_connection(as_user: Login, cast: Cast) -> None:
    reader = as_user("requester")
    handover = handed_over(by=cast["requester"])
    assert steps(page_of(reader, handover.request)) == ["done", "done", "done", "current", "waiting", "waiting"]
    assert steps(page_of(reader, broken(cast["requester"])))[3:] == ["current", "failed", "waiting"]
    assert steps(page_of(reader, asks_trust(cast)))[3:] == ["waiting", "current", "waiting"]
    made = connected(cast)
    Connection.objects.filter(request=made).update(first_data_at=Now())
    assert steps(page_of(reader, made))[5] == "done"
    assert "current" not in steps(page_of(reader, gone(cast)))


def test_the_steps_follow_without_a_reload(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("requester")
    url = poll_url(page_of(reader, conn_request)) or ""
    workflow.approve(by=cast["approver"], conn_request=conn_request, digest=conn_request.digest)
    update = reader.get(url).content.decode()
    assert re.search(r'id="steps"[^>]*hx-swap-oob="true"', update)
    assert steps(update) == STEPS[Status.APPROVED]


# --- the one thing to do --------------------------------------------------------------------------------------------
def primary(page: str) -> list[str]:
    """What the primary buttons of a page say."""
    main = page[page.index("<main") : page.index("</main")]
    return [words.strip() for words in re.findall(r"<(?:button|a)[^>]*btn-primary[^>]*>([^<]*)<", main)]


PRIMARY: dict[str, tuple[str, Callable[[Cast], ConnectionRequest], list[str]]] = {
    "draft": ("requester", lambda cast: factories.draft(cast["requester"]), ["Edit"]),
    "pending": ("requester", lambda cast: factories.submitted(cast["requester"]), []),
    "decide": ("approver", lambda cast: factories.submitted(cast["requester"]), ["Approve"]),
    "back": (
        "requester",
        lambda cast: factories.request_in(Status.CHANGES_REQUESTED, cast["requester"], cast["approver"]),
        ["Edit"],
    ),
    "refused": (
        "requester",
        lambda cast: factories.request_in(Status.FAILED, cast["requester"], cast["approver"]),
        ["Clone"],
    ),
    "broken": ("requester", lambda cast: broken(cast["requester"]), ["Enter the credentials"]),
    "owner": ("requester", lambda cast: handed_over(by=cast["requester"]).request, ["Open Connect Card"]),
    "trust": ("approver", asks_trust, ["Approve certificate"]),
    "settle": (
        "operator",
        lambda cast: factories.request_in(Status.ATTENTION, cast["requester"], cast["approver"]),
        ["Settle this request"],
    ),
    "change": ("approver", asked_change, ["Review the change"]),
    "live": ("requester", connected, []),
}


@pytest.mark.parametrize("case", PRIMARY)
def test_one_primary_button_for_what_the_reader_does_next(as_user: Login, cast: Cast, case: str) -> None:
    name, come, buttons = PRIMARY[case]
    assert primary(page_of(as_user(name), come(cast))) == buttons


def test_failed_tests_lead_to_the_credentials_where_they_are_read(as_user: Login, cast: Cast) -> None:
    conn_request = broken(cast["requester"])
    page = page_of(as_user("requester"), conn_request)
    results = page.partition('id="results"')[2].partition("</section>")[0]
    assert re.search(r'<button type="submit"\s+form="lead-form"[^>]*>To the credentials<', results)
    assert page.count('id="lead-form"') == 1
    assert "To the credentials" not in page_of(as_user("auditor"), conn_request)


@pytest.mark.parametrize("name", ["operator", "admin"])
def test_operators_settle_on_the_spot(as_user: Login, cast: Cast, name: str) -> None:
    conn_request = factories.request_in(Status.ATTENTION, by=cast["requester"], approver=cast["approver"])
    page = page_of(as_user(name), conn_request)
    form = page.partition('id="for-operators"')[2].partition("</section>")[0]
    for button in ("Adopt", "Send again", "Close"):
        assert re.search(rf">\s*{button}\s*</button>", form)
    assert "For operators" not in page_of(as_user("requester"), conn_request)


def test_the_dashboard_is_fivetrans_own_or_that_of_the_api_root() -> None:
    path = "dashboard/connections/a_b/status"
    assert connection_page("https://api.fivetran.com", "a_b") == f"https://fivetran.com/{path}"
    assert connection_page("http://127.0.0.1:8100", "a_b") == f"http://127.0.0.1:8100/{path}"
    assert connection_page("https://api.fivetran.com/", "../x?y").endswith("/connections/..%2Fx%3Fy/status")


def test_a_connection_opens_in_fivetran(as_user: Login, cast: Cast, settings: Any) -> None:
    settings.FIVETRAN_BASE_URL = "https://api.fivetran.com"
    conn_request = connected(cast)
    page = page_of(as_user("auditor"), conn_request)
    link = re.search(r'<a[^>]*href="([^"]*)"\s+rel="noopener noreferrer">Open in Fivetran', page)
    assert link and link[1] == f"https://fivetran.com/dashboard/connections/{conn_request.connection_id}/status"
    connection_status.mark_deleted(conn_request)
    assert "Open in Fivetran" not in page_of(as_user("auditor"), conn_request)
    assert "Open in Fivetran" not in page_of(as_user("auditor"), factories.submitted(cast["requester"]))


# --- what is asked for, and what has happened -----------------------------------------------------------------------
def test_host_database_user_and_tunnel_are_said_in_words_in_full(as_user: Login, cast: Cast) -> None:
    host = f"{'very-long-name.' * 12}db.internal.example.com"
    conn_request = factories.submitted(
        cast["requester"],
        service="postgres_rds",
        networking_method="SshTunnel",
        config__host=host,
        config__database="orders",
        config__user="reader",
        config__tunnel_host="bastion.example.com",
        config__password="******",
    )
    page = page_of(as_user("approver"), conn_request)
    words = dict(re.findall(r"<dt>([^<]*)</dt>\s*<dd>\s*<bdi class=\"name\">([^<]*)</bdi>", page))
    assert (words["Host"], words["Database"], words["User"]) == (host, "orders", "reader")
    assert words["Tunnel host"] == "bastion.example.com"
    assert words.get("Password", "******") == "******"
    assert "by SSH tunnel" in page


def test_the_evidence_stands_above_what_is_decided(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"], sync_frequency=1)
    page = page_of(as_user("approver"), conn_request)
    assert page.index('id="evidence"') < page.index('id="asked"') < page.index('id="decision"')
    assert page.count("Syncs every minute") == 1
    decision = page.partition('<section id="decision"')[2].partition("</section>")[0]
    assert 'class="action-bar"' in decision.partition(">")[0]
    assert decision.count(f'name="digest" value="{conn_request.digest}"') == decision.count("<form") == 2


def test_steps_of_the_portal_are_told_as_one(as_user: Login, cast: Cast) -> None:
    conn_request = factories.request_in(Status.SENDING, by=cast["requester"], approver=cast["approver"])
    for call in ("look_up", "create"):
        Attempt.objects.create(request=conn_request, call=call, ending="answered", http_status=404, duration_ms=5)
    outcome.to_created(conn_request, Actor.WORKER, factories.created_data(conn_request))
    page = page_of(as_user("requester"), conn_request)
    text = visible_text(page[page.index('<ol class="timeline">') :])
    assert re.search(r"Created in [\d.]+ m?s, 2 calls", text)
    assert re.search(r"5 steps of the portal", text)


def test_many_passed_tests_are_folded_and_failed_ones_are_not(as_user: Login, cast: Cast) -> None:
    conn_request = factories.request_in(Status.SENDING, by=cast["requester"])
    told = [{"title": f"Test {number}", "status": "PASSED"} for number in range(60)]
    told.append({"title": "The last", "status": "FAILED", "message": "No"})
    data = factories.created_data(conn_request, setup_tests=told, status={"setup_state": "broken"})
    outcome.to_created(conn_request, Actor.WORKER, data)
    page = page_of(as_user("requester"), conn_request)
    results = page.partition('id="results"')[2].partition("</section>")[0]
    shown, _, folded = results.partition("60 passed</summary>")
    assert shown.count("data-test-status=") == 1 and 'data-test-status="FAILED"' in shown
    assert folded.count('data-test-status="PASSED"') == 60


def test_a_time_stands_once(as_user: Login, cast: Cast) -> None:
    page = page_of(as_user("requester"), connected(cast))
    main = page[page.index("<main") : page.index("</main")]
    assert 'class="exact"' not in main


# --- after a decision -----------------------------------------------------------------------------------------------
def decide(reader: Client, conn_request: ConnectionRequest, verb: str, **data: str) -> str:
    answer = reader.post(f"/requests/{conn_request.pk}/{verb}/", {"digest": conn_request.digest, **data}, follow=True)
    return unescape(answer.content.decode())


def test_after_a_decision_the_next_one_is_a_click_away(as_user: Login, cast: Cast) -> None:
    rows = [factories.submitted(cast["requester"]) for _ in range(3)]
    factories.submitted(cast["approver"])  # nobody decides on their own
    reader = as_user("approver")
    page = decide(reader, rows[0], "approve")
    assert re.search(rf'href="/requests/{rows[1].pk}/"[^>]*>2 left, next: #{rows[1].pk} Google Sheets<', page)
    page = decide(reader, rows[1], "reject", decision_reason="No")
    assert f"1 left, next: #{rows[2].pk}" in page
    page = decide(reader, rows[2], "request-changes", decision_reason="Rename it")
    assert re.search(r'href="/approvals/"[^>]*>Nothing is left to decide<', page)
    assert "left to decide" not in page_of(reader, rows[2]), "only once"
    assert "left, next" not in decide(as_user("requester"), rows[0], "withdraw")
