"""What one person may ask for: how much, behind every door, in words, with what was typed, and by two at once."""

import html
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from connections import limits, workflow
from connections.forms import batch as tables
from connections.limits import STORED_BYTES, TooLarge, TooMany
from connections.models import (
    Attempt,
    ChangeKind,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Event,
    EventKind,
    Notice,
    SetupTestsState,
)
from connections.spec.payloads import canonical
from connections.states import Actor, Status
from connections.views.errors import RefusalsInWords
from connections.workflow import batches
from tests import catalogs, factories
from tests.forms.test_batch import filed
from tests.forms.test_batch import line as row_of_a_table
from tests.forms.test_batch import text as table_of
from tests.forms.test_request_form import COMPLETE, NEW
from tests.handover import handed_over, page_of, proved
from tests.views.test_batches import checked
from tests.workflow.test_requests import at_once

pytestmark = pytest.mark.django_db
SAVE = "/requests/new/draft/"


@pytest.fixture
def few(settings: Any) -> None:
    """Limits that a test reaches soon."""
    settings.OPEN_REQUESTS, settings.SUBMISSIONS_PER_MINUTE = 3, 4


@pytest.fixture
def production(settings: Any) -> None:
    """The limits where nobody sets any."""
    settings.OPEN_REQUESTS, settings.SUBMISSIONS_PER_MINUTE = 20, 10


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, in front of a form that knows what Fivetran offers."""
    catalogs.offered()
    return as_user("requester")


def said(answer: Any) -> str:
    """What stands on the page."""
    return html.unescape(answer.content.decode())


def refused(act: Callable[[], Any]) -> TooMany:
    """The refusal of `act`."""
    with pytest.raises(TooMany) as caught:
        act()
    return caught.value


def typed(number: int) -> dict[str, str]:
    """A complete form under a name of its own."""
    return {**COMPLETE, "config__schema": f"sales_{number}", "action": "submit", "form_token": str(uuid.uuid4())}


# --- submissions -----------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("production")
def test_of_fifty_submissions_in_a_row_ten_count() -> None:
    by, approver = factories.person(), factories.person("approver")
    done = 0
    for _ in range(50):
        try:
            workflow.submit(by=by, filing=factories.filing())
            done += 1
        except TooMany as reached:
            assert "submitted something 10 times within a minute" in str(reached)
            assert 0 < reached.retry_seconds <= 60 and "possible again in" in str(reached)
    assert done == ConnectionRequest.objects.count() == Notice.objects.filter(recipient=approver).count() == 10


def test_nobody_has_more_open_requests_than_allowed(few: None, settings: Any) -> None:
    settings.SUBMISSIONS_PER_MINUTE = 0
    by = factories.person()
    rows = [factories.submitted(by) for _ in range(3)]
    draft = workflow.save_draft(by=by, filing=factories.filing())
    reached = refused(lambda: workflow.submit(by=by, filing=factories.filing()))
    assert "You have 3 open requests" in str(reached) and reached.retry_at is None
    refused(lambda: workflow.submit(by=by, filing=factories.filing(), conn_request=draft))
    workflow.submit(by=by, filing=factories.filing(), conn_request=rows[0])  # an edit opens nothing
    workflow.withdraw(by=by, conn_request=rows[1])
    workflow.submit(by=by, filing=factories.filing(), conn_request=draft)
    factories.submitted()  # somebody else


def test_edits_of_what_waits_count_as_submissions(few: None) -> None:
    conn_request = factories.submitted()
    for _ in range(3):
        workflow.submit(by=conn_request.requester, filing=factories.filing(), conn_request=conn_request)
    version = conn_request.version
    refused(lambda: workflow.submit(by=conn_request.requester, filing=factories.filing(), conn_request=conn_request))
    conn_request.refresh_from_db()
    assert conn_request.version == version


def test_the_same_form_once_more_is_no_submission(few: None, settings: Any) -> None:
    settings.OPEN_REQUESTS = 0
    by, filing = factories.person(), factories.filing()
    factories.person("approver")
    rows = [workflow.submit(by=by, filing=filing) for _ in range(6)]
    assert len({conn_request.pk for conn_request in rows}) == 1


def test_0_is_no_limit(settings: Any) -> None:
    settings.OPEN_REQUESTS = settings.SUBMISSIONS_PER_MINUTE = 0
    by = factories.person()
    for _ in range(25):
        conn_request = factories.submitted(by)
    for _ in range(25):
        workflow.submit(by=by, filing=factories.filing(), conn_request=conn_request)
    assert ConnectionRequest.objects.filter(requester=by).count() == 25


def test_a_batch_is_one_submission_and_outside_the_open_requests(few: None) -> None:
    by = factories.person()
    for _ in range(3):
        filed(by, 9)
    workflow.submit(by=by, filing=factories.filing())  # the fourth submission; 27 rows of batches are no open requests
    refused(lambda: filed(by, 1))
    refused(lambda: workflow.submit(by=by, filing=factories.filing()))
    assert by.batches.count() == 3


def test_an_edited_row_of_a_batch_counts(few: None) -> None:
    by = factories.person()
    conn_request = ConnectionRequest.objects.get(batch_row__batch=filed(by, 1))
    for _ in range(3):
        workflow.submit(by=by, filing=factories.filing(), conn_request=conn_request)
    refused(lambda: workflow.submit(by=by, filing=factories.filing(), conn_request=conn_request))


def test_a_submission_asks_one_query_more_than_without_limits(production: None) -> None:
    """With savepoints it asked 11 before there were limits; two of them read the approvers, who are read once now."""
    by = factories.person()
    factories.person("approver")
    workflow.submit(by=by, filing=factories.filing())
    with CaptureQueriesContext(connection) as queries:
        workflow.submit(by=by, filing=factories.filing())
    assert len(queries) == 12


# --- on the page -----------------------------------------------------------------------------------------------------
def test_a_submission_too_many_keeps_what_was_typed(few: None, client: Client) -> None:
    for number in range(3):
        assert client.post(NEW, typed(number)).status_code == 302
    answer = client.post(NEW, {**typed(4), "reason": "Typed for an hour"})
    assert answer.status_code == 429
    assert "You have 3 open requests, and one person may have 3 at once" in said(answer)
    assert "Typed for an hour" in said(answer) and 'value="sales_4"' in said(answer)
    assert ConnectionRequest.objects.count() == 3


def test_an_edit_and_a_copy_too_many_keep_what_was_typed(few: None, client: Client, settings: Any) -> None:
    settings.OPEN_REQUESTS = 0
    for number in range(4):
        client.post(NEW, typed(number))
    conn_request = ConnectionRequest.objects.latest("pk")
    for place in (f"/requests/{conn_request.pk}/edit/", f"/requests/{conn_request.pk}/clone/"):
        answer = client.post(place, {**typed(5), "reason": "Typed for an hour", "version": str(conn_request.version)})
        assert answer.status_code == 429 and 0 < int(answer["Retry-After"]) <= 3600
        assert "You submitted something 4 times within a minute" in said(answer)
        assert "Typed for an hour" in said(answer)
    assert ConnectionRequest.objects.count() == 4


def test_the_empty_form_says_it_before_anything_is_typed(few: None, client: Client, cast: dict[str, User]) -> None:
    assert "open requests, and one person" not in said(client.get(NEW))
    for _ in range(3):
        factories.submitted(cast["requester"])
    assert "You have 3 open requests, and one person may have 3 at once" in said(client.get(NEW))


def test_a_table_too_many_keeps_what_was_typed(few: None, client: Client, cast: dict[str, User]) -> None:
    for _ in range(4):
        filed(cast["requester"], 1)
    _shown, form = checked(client, table_of(row_of_a_table(1)))
    answer = client.post("/requests/batch/", {**form, "action": "submit"})
    assert answer.status_code == 429, said(answer)
    assert "4 times within a minute" in said(answer) and "sheet_1" in said(answer)
    assert cast["requester"].batches.count() == 4


# --- sizes -----------------------------------------------------------------------------------------------------------
def filling(size: int) -> dict[str, Any]:
    """Values whose JSON has `size` bytes."""
    values = factories.values(reason="")
    return {**values, "reason": "x" * (size - len(canonical(values)))}


@pytest.mark.parametrize(("over", "stored"), [(-1, 1), (0, 1), (1, 0)])
def test_64_kib_are_kept_of_a_draft(over: int, stored: int) -> None:
    values = filling(STORED_BYTES + over)
    assert len(canonical(values)) == 65_536 + over
    filing = workflow.Filing(values=values, idempotency_key=uuid.uuid4())
    if stored:
        conn_request = workflow.save_draft(by=factories.person(), filing=filing)
        assert conn_request.values == values
        too_long = workflow.Filing(values=filling(STORED_BYTES + 1), idempotency_key=filing.idempotency_key)
        with pytest.raises(TooLarge):
            workflow.save_draft(by=conn_request.requester, filing=too_long, conn_request=conn_request)
        conn_request.refresh_from_db()
        assert conn_request.values == values
    else:
        with pytest.raises(TooLarge, match="65,537 bytes, and 65,536 at most"):
            workflow.save_draft(by=factories.person(), filing=filing)
    assert ConnectionRequest.objects.count() == stored


def test_64_kib_are_the_end_of_a_body_too() -> None:
    by = factories.person()
    factories.person("approver")
    values = factories.values(**{"config.sheet_id": "x" * (STORED_BYTES - 300)})
    with pytest.raises(TooLarge):  # with its defaults written out
        workflow.submit(by=by, filing=workflow.Filing(values=values, idempotency_key=uuid.uuid4()))
    assert not ConnectionRequest.objects.exists()


def test_a_draft_too_large_is_shown_again_with_its_text(client: Client, cast: dict[str, User]) -> None:
    text = "y" * (STORED_BYTES + 1)
    answer = client.post(NEW, {**typed(1), "action": "draft", "reason": text})
    assert answer.status_code == 422 and "This is too much for one request" in said(answer) and text in said(answer)
    user = str(cast["requester"].pk)
    answer = client.post(SAVE, {"form_token": str(uuid.uuid4()), "reason": text, "user": user})
    assert (
        answer.status_code == 422 and "The draft is not saved. This is too much" in json.loads(answer.content)["words"]
    )


@pytest.mark.parametrize(("over", "status"), [(-1, 200), (0, 200), (1, 422)])
def test_512_kib_are_taken_of_a_table(client: Client, over: int, status: int) -> None:
    head = table_of(row_of_a_table(1))
    given = head + "\n" * (512 * 1024 + over - len(head))
    answer = client.post("/requests/batch/", {"table": given, "action": "check", "form_token": str(uuid.uuid4())})
    assert answer.status_code == status
    assert ("The table has 524,289 bytes" in said(answer)) == (status == 422)
    assert "sheet_1" in said(answer)


def test_a_row_too_large_says_so_and_stays(client: Client) -> None:
    given = table_of(row_of_a_table(1), row_of_a_table(2, config__sheet_id="x" * (STORED_BYTES + 1)))
    answer = client.post("/requests/batch/", {"table": given, "action": "check", "form_token": str(uuid.uuid4())})
    if "has no such field" not in said(answer):
        assert answer.status_code == 422 and "This is too much for one request" in said(answer)
    with pytest.raises(TooLarge, match="Row 2: This is too much"):
        large = factories.filing(**{"config.sheet_id": "x" * (STORED_BYTES + 1)})
        batches.file_batch(by=factories.person(), filings=[factories.filing(), large], token=uuid.uuid4())
    assert not ConnectionRequest.objects.exists()
    assert tables.MAX_BYTES == 524_288


# --- drafts ----------------------------------------------------------------------------------------------------------
def with_drafts(by: User, count: int) -> None:
    """`count` drafts of this person, from before."""
    columns = {"requester": by, "status": Status.DRAFT, "turn": "requester"}
    rows = (ConnectionRequest(**columns, idempotency_key=uuid.uuid4()) for _ in range(count))
    ConnectionRequest.objects.bulk_create(rows)


def test_nobody_has_more_than_a_hundred_drafts(client: Client, cast: dict[str, User]) -> None:
    by = cast["requester"]
    with_drafts(by, 99)
    kept = {"form_token": str(uuid.uuid4()), "reason": "The last one", "user": str(by.pk)}
    last = client.post(SAVE, kept)
    assert last.status_code == 200
    answer = client.post(SAVE, {**kept, "form_token": str(uuid.uuid4())})
    assert answer.status_code == 429 and "You have 100 drafts, as many as one person may have" in answer.json()["words"]
    answer = client.post(NEW, {**typed(1), "action": "draft", "reason": "Typed for an hour"})
    assert answer.status_code == 429 and "Typed for an hour" in said(answer) and "You have 100 drafts" in said(answer)
    assert client.post(SAVE, {**kept, "reason": "goes on", "version": str(last.json()["version"])}).status_code == 200
    assert client.post(NEW, typed(2)).status_code == 302  # submitting is no draft


@pytest.mark.parametrize(
    ("count", "words"), [(89, ""), (90, "You have 90 of the 100 drafts"), (100, "You have 100 drafts")]
)
@pytest.mark.parametrize("place", [NEW, "/"])
def test_the_bound_of_drafts_is_said_before_anything_is_lost(
    client: Client, cast: dict[str, User], place: str, count: int, words: str
) -> None:
    with_drafts(cast["requester"], count)
    text = said(client.get(place))
    assert (words in text) if words else ("drafts that one" not in text and "drafts, as many" not in text)


def test_drafts_are_not_begun_without_end(few: None) -> None:
    by = factories.person()
    for _ in range(4):
        workflow.withdraw(by=by, conn_request=factories.draft(by))
    refused(lambda: factories.draft(by))


# --- changes, tests, hand-overs, trust -------------------------------------------------------------------------------
@pytest.mark.usefixtures("production")
def test_of_61_changes_asked_for_and_withdrawn_ten_count() -> None:
    conn_request = factories.request_in(Status.CREATED)
    done = 0
    for _ in range(61):
        try:
            change = workflow.ask_for_change(
                by=conn_request.requester, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month's end"
            )
        except TooMany as reached:
            assert "asked for a change of a connection 10 times" in str(reached)
        else:
            workflow.withdraw_change(by=conn_request.requester, change=change)
            done += 1
    assert done == ConnectionChange.objects.count() == 10


def test_a_change_too_many_keeps_its_reason(few: None, client: Client, cast: dict[str, User]) -> None:
    by = cast["requester"]
    conn_request = factories.request_in(Status.CREATED, by)
    for _ in range(4):
        change = workflow.ask_for_change(by=by, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month's end")
        workflow.withdraw_change(by=by, change=change)
    answer = client.post(f"/requests/{conn_request.pk}/changes/new/", {"kind": "pause", "reason": "Typed for an hour"})
    assert answer.status_code == 429 and int(answer["Retry-After"]) > 0
    assert "4 times within a minute" in said(answer) and "Typed for an hour" in said(answer)


def test_of_15_runs_of_setup_tests_five_count_and_the_page_says_when(client: Client, cast: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.CREATED, cast["requester"])
    answers = []
    for _ in range(15):
        Connection.objects.update(tests=SetupTestsState.STORED)  # as if the worker had been quick
        answers.append(client.post(f"/requests/{conn_request.pk}/run-tests/"))
    assert [answer.status_code for answer in answers] == [302] * 5 + [429] * 10
    assert "asked for setup tests 5 times within a minute" in said(answers[-1])
    assert "possible again in" in said(answers[-1]) and 0 < int(answers[-1]["Retry-After"]) <= 60
    assert conn_request.events.filter(kind=EventKind.TESTS_REQUESTED).count() == 5


def test_what_is_older_than_a_minute_no_longer_counts() -> None:
    def with_runs(seconds: float) -> ConnectionRequest:
        """A created request whose requester had its tests run five times so long ago."""
        conn_request = factories.request_in(Status.CREATED)
        runs = {"kind": EventKind.TESTS_REQUESTED, "actor": Actor.REQUESTER, "by": conn_request.requester}
        for _ in range(5):
            Event.objects.create(
                request=conn_request, version=conn_request.version, at=Now() - timedelta(seconds=seconds), **runs
            )
        return conn_request

    recent = with_runs(30)
    reached = refused(lambda: workflow.rerun_tests(by=recent.requester, conn_request=recent))
    assert 0 < reached.retry_seconds <= 30
    older = with_runs(30 + reached.retry_seconds)  # so much later
    Connection.objects.update(tests=SetupTestsState.STORED)
    workflow.rerun_tests(by=older.requester, conn_request=older)


def test_a_person_gives_twenty_hand_overs_an_hour_to_somebody(settings: Any) -> None:
    by = factories.person()
    rows = [handed_over(by) for _ in range(5)]
    for row in rows[:4]:
        for number in range(5):
            workflow.pass_on(by=by, handover=row, to=f"owner{number}@example.com")
    reached = refused(lambda: workflow.pass_on(by=by, handover=rows[4], to="owner@example.com"))
    assert "gave a hand-over to somebody 20 times within an hour" in str(reached) and "60 minutes" in str(reached)


def test_a_hand_over_given_on_too_often_says_until_when_and_keeps_the_name() -> None:
    row = handed_over(source_owner="owner@elsewhere.example")
    client = Client()
    client.force_login(row.request.requester)
    for number in range(6):
        answer = client.post(f"/requests/{row.request_id}/handover/pass-on/", {"to": f"owner{number}@example.com"})
    assert answer.status_code == 429 and "possible again in" in said(answer)
    assert 'value="owner5@example.com"' in said(answer)


def test_a_mailed_code_too_many_says_until_when() -> None:
    row = handed_over(source_owner="owner@elsewhere.example")
    client = Client()
    assert client.post(page_of(row, "send-code/")).status_code == 302
    answer = client.post(page_of(row, "send-code/"))
    assert answer.status_code == 429 and "No new code was sent" in said(answer)
    assert 0 < int(answer["Retry-After"]) <= 60 and Notice.objects.filter(kind="handover_code").count() == 1


def test_a_card_too_many_says_until_when() -> None:
    row = handed_over(source_owner="owner@elsewhere.example")
    client = proved(row)
    Attempt.objects.bulk_create(Attempt(request=row.request, call="card", ending="answered") for _ in range(20))
    answer = client.post(page_of(row, "card/"))
    assert answer.status_code == 429 and "Too many Connect Cards" in said(answer)


def test_what_no_view_shows_is_a_page_in_words(rf: RequestFactory) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    request, guard = rf.get("/"), RefusalsInWords(view)
    request.user = AnonymousUser()
    answer = guard.process_exception(request, TooMany("You did this too often."))
    assert answer is not None and answer.status_code == 429 and "You did this too often." in said(answer)
    assert guard.process_exception(request, ValueError()) is None
    assert "connections.views.errors.RefusalsInWords" in settings.MIDDLEWARE


# --- two at once -----------------------------------------------------------------------------------------------------
def counted(results: list[Any]) -> tuple[int, int]:
    """How many of `results` are refusals of a limit, and how many are none."""
    reached = sum(isinstance(result, TooMany) for result in results)
    assert all(isinstance(result, TooMany) or not isinstance(result, Exception) for result in results), results
    return reached, len(results) - reached


@pytest.mark.django_db(transaction=True)
def test_of_six_submissions_at_once_at_the_limit_one_is_stored(few: None, groups: None, settings: Any) -> None:
    for open_requests, per_minute in ((3, 0), (0, 3)):
        settings.OPEN_REQUESTS, settings.SUBMISSIONS_PER_MINUTE = open_requests, per_minute
        by = factories.person()
        for _ in range(2):
            factories.submitted(by)
        acts = [partial(workflow.submit, by=by, filing=factories.filing()) for _ in range(6)]
        assert counted(at_once(*acts)) == (5, 1)
        assert ConnectionRequest.objects.filter(requester=by).count() == 3


@pytest.mark.django_db(transaction=True)
def test_one_form_sent_six_times_at_once_at_the_limit_is_one_request(few: None, groups: None) -> None:
    by, filing = factories.person(), factories.filing()
    for _ in range(2):
        factories.submitted(by)
    results = at_once(*[lambda: workflow.submit(by=by, filing=filing)] * 6)
    assert len({row.pk for row in results}) == 1 and ConnectionRequest.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_drafts_batches_changes_and_tests_at_once_keep_the_limit(few: None, groups: None, settings: Any) -> None:
    by = factories.person()
    with_drafts(by, limits.DRAFTS - 1)
    acts = [partial(workflow.save_draft, by=by, filing=factories.filing()) for _ in range(4)]
    assert counted(at_once(*acts)) == (3, 1)
    factories.person("approver")
    for _ in range(3):
        filed(by, 1)
    assert counted(at_once(*[lambda: filed(by, 2)] * 4)) == (3, 1)
    other, settings.OPEN_REQUESTS, settings.SUBMISSIONS_PER_MINUTE = factories.person(), 0, 0
    rows = [factories.request_in(Status.CREATED, other) for _ in range(6)]
    Connection.objects.update(tests=SetupTestsState.STORED)

    settings.SUBMISSIONS_PER_MINUTE = 4

    def ask(conn_request: ConnectionRequest) -> Any:
        return workflow.ask_for_change(by=other, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month's end")

    assert counted(at_once(*[lambda row=row: ask(row) for row in rows])) == (2, 4)
    runs = [lambda row=row: workflow.rerun_tests(by=other, conn_request=row) for row in rows]
    assert counted(at_once(*runs)) == (1, 5)
