"""A request's page: what it says in each status, what it shows of Fivetran's answers, how it follows the request."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from connections import workflow
from connections.models import (
    Attempt,
    BreakerReason,
    CircuitBreaker,
    Connection,
    ConnectionRequest,
    EventKind,
    transition,
)
from connections.models.connection import store_run
from connections.people import display_name
from connections.states import Actor, Status
from connections.templatetags import portal
from connections.views import labels
from connections.worker import outcome
from tests import factories

pytestmark = pytest.mark.django_db
Cast = dict[str, Any]
Login = Callable[..., Client]


def page_of(reader: Client, conn_request: ConnectionRequest) -> str:
    """The text of a request's page."""
    response = reader.get(f"/requests/{conn_request.pk}/")
    assert response.status_code == 200
    return response.content.decode()


def visible_text(page: str) -> str:
    """A page without its tags, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def payload(page: str) -> Any:
    """What stands in the one `<pre data-payload>`."""
    (found,) = re.findall(r"<pre[^>]*data-payload[^>]*>(.*?)</pre>", page, re.DOTALL)
    return json.loads(unescape(found))


def poll_url(page: str) -> str | None:
    """Where the page asks for news, if it does."""
    found = re.search(r'hx-get="([^"]+)"', page)
    return unescape(found[1]) if found else None


def interval(page: str) -> int:
    """How often it asks, in seconds; 0 for never."""
    found = re.search(r'hx-trigger="every (\d+)s"', page)
    return int(found[1]) if found else 0


# --- the top -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", Status)
def test_the_top_says_status_turn_and_what_happens_next(as_user: Login, cast: Cast, status: Status) -> None:
    conn_request = factories.request_in(status, by=cast["requester"], approver=cast["approver"])
    for name in ("requester", *(() if status is Status.DRAFT else ("approver", "operator", "auditor", "admin"))):
        page = page_of(as_user(name), conn_request)
        assert re.search(r'data-status="(\w+)"', page)[1] == status.value  # type: ignore[index]
        assert status.label in page
        assert payload(page)["service"] == "google_sheets"
        assert "just now" in visible_text(page)
        assert "Turn:" in page


def test_the_top_says_for_how_long_it_is_so(as_user: Login, cast: Cast) -> None:
    conn_request, now = factories.submitted(cast["requester"]), timezone.now()
    for ago, words in ((timedelta(days=2), "for 2 days"), (timedelta(days=400), "since ")):
        ConnectionRequest.objects.update(status_since=now - ago)
        found = re.search(r"<time[^>]*>((?:for|since) [^<]*)</time>", page_of(as_user("auditor"), conn_request))
        assert found and found[1].startswith(words)


TURNS = {
    Status.DRAFT: "Turn: yours",
    Status.PENDING: "Turn: an approver",
    Status.SENDING: "Turn: the portal",
    Status.ATTENTION: "Turn: an operator",
    Status.FAILED: "Turn: yours",
    Status.REJECTED: "Turn: nobody",
}


@pytest.mark.parametrize("status", TURNS)
def test_the_requester_reads_whose_turn_it_is(as_user: Login, cast: Cast, status: Status) -> None:
    conn_request = factories.request_in(status, by=cast["requester"], approver=cast["approver"])
    assert TURNS[status] in visible_text(page_of(as_user("requester"), conn_request))


def test_unknown_says_that_nothing_is_sent_twice(as_user: Login, cast: Cast) -> None:
    conn_request = factories.request_in(Status.UNKNOWN, by=cast["requester"])
    page = page_of(as_user("requester"), conn_request)
    assert "Fivetran may or may not have created this. We are checking and will not send it twice." in page


def test_a_refusal_shows_code_message_and_request_id_and_offers_a_copy(as_user: Login, cast: Cast) -> None:
    conn_request = factories.request_in(Status.FAILED, by=cast["requester"])
    call: dict[str, Any] = {"call": "create", "ending": "refused", "http_status": 400, "duration_ms": 340}
    Attempt.objects.create(request=conn_request, code="InvalidInput", message="No", x_request_id="x-77", **call)
    text = visible_text(page_of(as_user("requester"), conn_request))
    assert "InvalidInput : Invalid value for 'config.schema'" in text
    assert "X-Request-Id: x-77" in text
    assert "Correct and clone" in text
    assert "Refused · HTTP 400 · InvalidInput" in text
    assert "340 ms" in text


def set_breaker(**columns: Any) -> None:
    """The circuit breaker before Fivetran, in some state."""
    CircuitBreaker.objects.update_or_create(pk=1, defaults=columns)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"reason": BreakerReason.RATE_LIMITED, "not_before": timedelta(minutes=9)}, "Fivetran asked us to wait"),
        ({"reason": BreakerReason.AUTH}, "does not accept the portal's API key"),
        ({"reason": BreakerReason.OPEN, "not_before": timedelta(minutes=9)}, "gives no clear answers"),
        ({"paused_reason": "secret plans", "paused_at": timedelta()}, "An operator paused sending"),
    ],
)
def test_an_approved_request_says_what_it_waits_for(as_user: Login, cast: Cast, columns: Any, words: str) -> None:
    conn_request = factories.approved(cast["requester"], cast["approver"])
    assert words not in visible_text(page_of(as_user("requester"), conn_request))
    set_breaker(**{k: timezone.now() + v if isinstance(v, timedelta) else v for k, v in columns.items()})
    text = visible_text(page_of(as_user("requester"), conn_request))
    assert words in text
    assert "secret plans" not in text
    if "not_before" in columns:
        assert re.search(r"\(until \d+ \w+ \d{4}, \d\d:\d\d UTC ?\)", text)


# --- what the reader may do ----------------------------------------------------------------------------------------
def buttons(page: str) -> dict[str, bool]:
    """Name of each button and link that looks like one in the page's own part -> whether it can be used."""
    main = page[page.index("<main") :]
    found = re.findall(r"<button([^>]*type=\"(?:submit|button)\"[^>]*)>([^<]+)</button>", main)
    found += re.findall(r"<a([^>]*role=\"button\"[^>]*)>([^<]+)</a>", main)
    return {name.strip(): not re.search(r"\bdisabled\b", attributes) for attributes, name in found}


def test_a_requester_sees_own_actions_with_reasons_where_disabled(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    assert {"Edit": True, "Clone": True, "Withdraw": True}.items() <= buttons(
        page_of(as_user("requester"), conn_request)
    ).items()
    conn_request = factories.request_in(Status.SENDING, by=cast["requester"])
    page = page_of(as_user("requester"), conn_request)
    assert {"Edit": False, "Clone": True, "Withdraw": False}.items() <= buttons(page).items()
    assert "It can no longer be withdrawn: Creating at Fivetran." in page
    assert "Approve" not in buttons(page)


def test_an_approver_sees_decisions_and_on_an_own_request_why_not(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    found = buttons(page_of(as_user("approver"), conn_request))
    assert {"Approve": True, "Reject": True, "Request changes": True}.items() <= found.items()
    assert "Withdraw" not in found
    own = factories.submitted(cast["approver"])
    page = page_of(as_user("approver"), own)
    assert {"Approve": False, "Reject": False, "Request changes": False, "Withdraw": True}.items() <= buttons(
        page
    ).items()
    assert "Nobody can decide on their own request." in page


def test_no_other_button_has_clone_in_its_name(as_user: Login, cast: Cast) -> None:
    conn_request = factories.request_in(Status.CREATED, by=cast["requester"])
    found = buttons(page_of(as_user("requester"), conn_request))
    assert "Copy as it is at Fivetran" in found
    assert [name for name in found if "clone" in name.lower()] == ["Clone"]


def test_an_auditor_can_only_read(as_user: Login, cast: Cast) -> None:
    conn_request = factories.request_in(Status.CREATED, by=cast["requester"])
    found = buttons(page_of(as_user("auditor"), conn_request))
    assert not {"Approve", "Reject", "Withdraw", "Edit", "Run setup tests again", "Clone", "Test request"} & set(found)


def test_withdrawing_and_running_the_tests_again(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("requester")
    answer = reader.post(f"/requests/{conn_request.pk}/withdraw/", follow=True)
    assert f"Request #{conn_request.pk} is withdrawn" in answer.content.decode()
    made = factories.request_in(Status.CREATED, by=cast["requester"])
    answer = reader.post(f"/requests/{made.pk}/run-tests/", follow=True)
    page = answer.content.decode()
    assert "The setup tests will run again" in page
    assert buttons(page)["Run setup tests again"] is False
    assert "The setup tests are already on their way." in page
    assert interval(page) == 2
    again = reader.post(f"/requests/{made.pk}/run-tests/")
    assert again.status_code == 403
    assert "The setup tests are already on their way." in again.content.decode()


def test_what_is_not_allowed_is_a_403_with_the_reason(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    answer = as_user("approver").post(f"/requests/{conn_request.pk}/withdraw/")
    assert answer.status_code == 403
    assert "Only requester can withdraw this request." in answer.content.decode()
    conn_request.refresh_from_db()
    assert conn_request.status == Status.PENDING


# --- setup tests ---------------------------------------------------------------------------------------------------
TESTS = [
    {"title": "First", "status": "PASSED", "message": "fine"},
    {"title": "Second", "status": "FAILED", "message": "Long " * 300, "details": {"host": ["a", {"b": None}]}},
    {"title": "Third", "status": "WARNING", "message": None, "details": "text"},
    {"title": "Fourth", "status": "BRAND_NEW", "message": "<b>bold</b>", "details": [1, 2.5, True]},
    {"title": "Fifth", "status": "JOB_FAILED", "message": "", "details": 7},
    {"title": "<script>alert(1)</script>", "status": "SKIPPED", "message": "{{ 7*7 }}"},
    {},
]


def created(cast: Cast, **data: Any) -> ConnectionRequest:
    """A created request of the requester, with what Fivetran answered."""
    conn_request = factories.request_in(Status.SENDING, by=cast["requester"])
    outcome.to_created(conn_request, Actor.WORKER, factories.created_data(conn_request, **data))
    return conn_request


def test_every_setup_test_is_shown_the_failed_ones_first(as_user: Login, cast: Cast) -> None:
    conn_request = created(cast, setup_tests=TESTS, status={"setup_state": "broken"})
    page = page_of(as_user("requester"), conn_request)
    found = re.findall(r'data-test-status="([^"]+)"', page)
    assert found == ["FAILED", "JOB_FAILED", "WARNING", "BRAND_NEW", "(no status)", "PASSED", "SKIPPED"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "{{ 7*7 }}" in page
    assert "Turn: yours" in visible_text(page)  # who asked has the credentials too, where nobody else is named
    named = display_name(cast["requester"])
    assert f"Turn: {named}, the source owner" in visible_text(page_of(as_user("auditor"), conn_request))
    assert re.search(r"<details[^>]*>\s*<summary><bdi>Long ", page)
    assert '"host"' in unescape(page)


def test_the_latest_run_comes_first_and_earlier_ones_stay(as_user: Login, cast: Cast) -> None:
    conn_request = created(cast)
    store_run(conn_request.connection, {"setup_tests": [{"title": "Again", "status": "FAILED", "message": "m"}]})
    page = page_of(as_user("requester"), conn_request)
    assert page.index("Again") < page.index("Earlier run: 1 warning, 1 passed")


def test_a_connection_without_tests_says_so(as_user: Login, cast: Cast) -> None:
    owed = created(cast, setup_tests=None, status="nonsense")
    assert "The setup tests will run by themselves" in page_of(as_user("requester"), owed)
    conn_request = factories.request_in(Status.SENDING, by=cast["requester"], run_setup_tests=False)
    outcome.to_created(
        conn_request, Actor.WORKER, factories.created_data(conn_request, setup_tests=None, status="nonsense")
    )
    assert "No setup tests have run." in page_of(as_user("requester"), conn_request)


# --- hostile and look-alike text -----------------------------------------------------------------------------------
def test_look_alike_and_direction_changing_characters_are_named(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"], reason="plain \u202egnp.exe", source_owner="b\u043eb")
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(group_name="W\u0430rehouse")
    page = page_of(as_user("approver"), conn_request)
    text = visible_text(page)
    assert "“а” U+0430 CYRILLIC SMALL LETTER A" in text
    assert "“о” U+043E CYRILLIC SMALL LETTER O" in text
    assert "U+202E RIGHT-TO-LEFT OVERRIDE" in text
    assert "\u202e" not in page
    assert "plain [U+202E]gnp.exe" in text


def test_the_body_reads_as_it_is_and_hides_nothing() -> None:
    body = {"a": "Köln \u202e \u200b \x07 \U000e0041 <b>", "n": [1, None, True]}
    text = portal.as_json(body)
    assert json.loads(text) == body
    assert "Köln" in text
    assert not {"\u202e", "\u200b", "\x07", "\U000e0041"} & set(text)


def test_markup_in_any_text_stays_text(as_user: Login, cast: Cast) -> None:
    evil = "<img src=x onerror=alert(1)>"
    conn_request = factories.submitted(cast["requester"], reason=evil, source_owner=evil)
    fields = ("service_name", "group_name", "schema", "note", "failure_message")
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(**dict.fromkeys(fields, evil))
    for url in (
        f"/requests/{conn_request.pk}/",
        "/requests/",
        "/approvals/",
        "/",
        f"/requests/{conn_request.pk}/status/",
    ):
        page = as_user("admin").get(url).content.decode()
        assert "<img" not in page, url


# --- the timeline --------------------------------------------------------------------------------------------------
def test_one_timeline_newest_first(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    workflow.request_changes(by=cast["approver"], conn_request=conn_request, reason="Use north")
    workflow.submit(by=cast["requester"], filing=factories.filing(), conn_request=conn_request)
    workflow.approve(by=cast["approver"], conn_request=conn_request, digest=conn_request.digest)
    page = page_of(as_user("requester"), conn_request)
    entries = re.findall(r"<strong>([^<]+)</strong>", page[page.index('<ol class="timeline">') :])
    assert entries == ["Approved, in the queue", "Submitted again", "Changes requested", "Submitted for approval"]
    assert "Use north" in page


# --- following the request -----------------------------------------------------------------------------------------
INTERVALS = {
    **dict.fromkeys((Status.APPROVED, Status.CLAIMED, Status.SENDING, Status.UNKNOWN, Status.CREATED), 2),
    **dict.fromkeys((Status.PENDING, Status.CHANGES_REQUESTED, Status.ATTENTION), 5),
}


@pytest.mark.parametrize("status", Status)
def test_the_page_asks_as_often_as_something_can_happen(as_user: Login, cast: Cast, status: Status) -> None:
    conn_request = factories.request_in(status, by=cast["requester"], approver=cast["approver"])
    page = page_of(as_user("requester"), conn_request)
    assert interval(page) == INTERVALS.get(status, 0)
    assert bool(poll_url(page)) is bool(interval(page))


@pytest.mark.parametrize(
    ("minutes", "seconds"), [(0, 2), (0.5, 5), (2, 15), (4, 30), (9, 60), (60 * 24 * 90, 60), (-60, 2)]
)
def test_a_connection_without_data_is_asked_about_ever_more_rarely(
    as_user: Login, cast: Cast, minutes: float, seconds: int
) -> None:
    conn_request = factories.request_in(Status.CREATED, by=cast["requester"], approver=cast["approver"])
    reader = as_user("requester")
    young = poll_url(page_of(reader, conn_request)) or ""
    ConnectionRequest.objects.update(status_since=Now() - timedelta(minutes=minutes))
    page = page_of(reader, conn_request)
    assert interval(page) == seconds
    # An open page learns the longer pause by its next question, which is answered by nothing else.
    assert interval(reader.get(young).content.decode()) in ({seconds} if seconds > 2 else {0})
    ConnectionRequest.objects.update(deleted_at_fivetran_at=Now())
    assert interval(page_of(reader, conn_request)) == 0


def test_the_fragment_is_empty_until_something_changed_and_stops_at_the_end(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.approved(cast["requester"], cast["approver"]), as_user("requester")
    url = poll_url(page_of(reader, conn_request))
    assert url
    for _ in range(2):
        answer = reader.get(url)
        assert (answer.status_code, answer.content) == (204, b"")
    factories._work(conn_request, Status.SENDING)
    changed = reader.get(url).content.decode()
    assert 'data-status="sending"' in changed
    assert reader.get(poll_url(changed) or "").status_code == 204
    outcome.to_created(conn_request, Actor.WORKER, factories.created_data(conn_request))
    created = reader.get(poll_url(changed) or "").content.decode()
    assert reader.get(poll_url(created) or "").status_code == 204  # it goes on until the first data
    Connection.objects.update(first_data_at=Now())
    last = reader.get(poll_url(created) or "").content.decode()
    assert "hx-get" not in last
    assert "hx-trigger" not in last
    assert '<h3 id="body-heading" hx-swap-oob="true">The exact body that was sent</h3>' in last
    for part in ("actions", "results", "attempts", "timeline"):
        assert re.search(rf'id="{part}"[^>]*hx-swap-oob="true"', last), part
    assert 'data-test-status="PASSED"' in last
    assert 'role="status"' not in last  # the live region itself stays where it is


@pytest.mark.parametrize(
    "change",
    [
        lambda row: ConnectionRequest.objects.filter(pk=row.pk).update(note="Fivetran asked us to wait."),
        lambda row: Attempt.objects.create(request=row, call="look_up"),
        lambda row: set_breaker(paused_at=timezone.now()),
        lambda row: transition(row, Status.WITHDRAWN, actor=Actor.REQUESTER),
    ],
)
def test_whatever_shows_on_the_page_ends_the_silence(as_user: Login, cast: Cast, change: Callable[..., Any]) -> None:
    conn_request, reader = factories.approved(cast["requester"], cast["approver"]), as_user("requester")
    url = poll_url(page_of(reader, conn_request)) or ""
    assert reader.get(url).status_code == 204
    change(conn_request)
    assert reader.get(url).status_code == 200


def test_a_rerun_of_the_tests_is_followed_to_its_end(as_user: Login, cast: Cast) -> None:
    conn_request, reader = created(cast), as_user("requester")
    workflow.rerun_tests(by=cast["requester"], conn_request=conn_request)
    url = poll_url(page_of(reader, conn_request)) or ""
    Connection.objects.filter(request=conn_request).update(tests="running", tests_lease_until=Now())
    running = reader.get(url).content.decode()
    assert "The setup tests are running." in running
    store_run(conn_request.connection, {"setup_tests": [{"title": "New", "status": "PASSED"}]})
    last = reader.get(poll_url(running) or "").content.decode()
    assert "New" in last
    assert interval(last) == 2  # until the first data


def test_an_edited_body_is_not_slipped_under_the_approvers_hand(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("approver")
    page = page_of(reader, conn_request)
    workflow.submit(by=cast["requester"], filing=factories.filing(sync_frequency=5), conn_request=conn_request)
    changed = reader.get(poll_url(page) or "").content.decode()
    assert "The requester changed this request after you opened it" in visible_text(changed)
    assert 'id="actions"' not in changed
    assert conn_request.digest not in changed
    assert reader.get(poll_url(changed) or "").status_code == 204


def test_the_fragment_takes_any_parameter(as_user: Login, cast: Cast) -> None:
    conn_request = factories.submitted(cast["requester"])
    for query in ("", "?seen=", "?seen=\0", "?seen=" + "x" * 5000, "?shown=<script>&seen=1", "?seen[]=1"):
        answer = as_user("requester").get(f"/requests/{conn_request.pk}/status/{query}")
        assert answer.status_code == 200
        assert b"<script>" not in answer.content


# --- cost ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("name", ["requester", "approver", "auditor"])
def test_the_page_costs_nine_queries_at_most(
    as_user: Login, cast: Cast, django_assert_max_num_queries: Any, status: Status, name: str
) -> None:
    conn_request = factories.request_in(status, by=cast["requester"], approver=cast["approver"])
    if status is Status.CREATED:
        for _ in range(5):
            store_run(conn_request.connection, {"setup_tests": TESTS}, asked_by_id=cast["requester"].pk)
    reader = as_user(name)
    reader.get("/requests/")  # writes the session's stamp, which happens once in five minutes
    with django_assert_max_num_queries(9):
        reader.get(f"/requests/{conn_request.pk}/")


def test_an_idle_question_costs_six_queries_at_most(
    as_user: Login, cast: Cast, django_assert_max_num_queries: Any
) -> None:
    conn_request, reader = factories.approved(cast["requester"], cast["approver"]), as_user("requester")
    url = poll_url(page_of(reader, conn_request)) or ""
    with django_assert_max_num_queries(6):
        assert reader.get(url).status_code == 204


def test_the_timeline_has_words_for_every_kind_of_event() -> None:
    assert set(labels.EVENTS) == set(EventKind) - {EventKind.MOVED}
