"""Runs of the setup tests side by side, and the button that asks for another one."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client

from connections import permissions, worker, workflow
from connections.models import Connection, ConnectionRequest, EventKind, StaleRow, store_run
from connections.states import Status
from connections.views.request_page.compare_runs import Comparison, compare
from tests import factories

AsUser = Callable[..., Client]
PASSED, FAILED, WARNING, SKIPPED, JOB = "PASSED", "FAILED", "WARNING", "SKIPPED", "JOB_FAILED"


def test_the_first_run_has_nothing_to_be_compared_with() -> None:
    assert compare([("Host", FAILED)], None) == Comparison()


def test_the_same_again_is_said() -> None:
    run = [("Host", PASSED), ("Login", FAILED)]
    assert compare(run, run) == Comparison({}, ["The same as in the run before."])
    assert compare([], []).sentences == ["The same as in the run before."]


@pytest.mark.parametrize(
    ("before", "now", "mark", "sentence"),
    [
        (PASSED, FAILED, "newly failing", "Newly failing: Host."),
        (SKIPPED, JOB, "newly failing", "Newly failing: Host."),
        (FAILED, PASSED, "newly passing", "Newly passing: Host."),
        (JOB, PASSED, "newly passing", "Newly passing: Host."),
        (SKIPPED, PASSED, "newly passing", "Newly passing: Host."),
        (WARNING, PASSED, "newly passing", "Newly passing: Host."),
        (FAILED, JOB, "was FAILED", "Changed otherwise: Host."),
        (FAILED, SKIPPED, "was FAILED", "Changed otherwise: Host."),
        (PASSED, "BRAND_NEW", "was PASSED", "Changed otherwise: Host."),
        (None, PASSED, "new", "New: Host."),
        (None, FAILED, "new", "New: Host."),
    ],
)
def test_each_change_has_its_word(before: str | None, now: str, mark: str, sentence: str) -> None:
    older = [("Host", before)] if before else []
    assert compare([("Host", now)], older) == Comparison({("Host", 0): mark}, [sentence])


def test_a_test_that_is_gone_is_named() -> None:
    assert compare([], [("Host", FAILED)]) == Comparison({}, ["No longer there: Host."])


def test_tests_of_one_title_are_told_apart_by_their_order() -> None:
    found = compare([("Host", PASSED), ("Host", FAILED)], [("Host", PASSED), ("Host", PASSED), ("Host", PASSED)])
    assert found == Comparison({("Host", 1): "newly failing"}, ["Newly failing: Host.", "No longer there: Host."])


def test_a_sentence_names_ten_titles_at_most() -> None:
    [sentence] = compare([(f"T{n}", PASSED) for n in range(12)], []).sentences
    assert sentence.endswith("T9 and 2 more.")


# --- on the page -----------------------------------------------------------------------------------------------------


def runs(conn_request: ConnectionRequest, *told: dict[str, str]) -> None:
    for tests in told:
        found = [{"title": title, "status": status} for title, status in tests.items()]
        store_run(Connection.objects.get(request=conn_request), {"setup_tests": found})


@pytest.fixture
def conn_request(cast: dict[str, Any]) -> ConnectionRequest:
    """A request of `requester` whose connection exists, without any run of the tests."""
    values = {"run_setup_tests": False}
    return factories.request_in(Status.CREATED, by=cast["requester"], approver=cast["approver"], **values)


@pytest.mark.django_db
def test_the_newest_run_says_what_changed_and_earlier_ones_can_be_opened(
    as_user: AsUser, conn_request: ConnectionRequest
) -> None:
    runs(conn_request, {"Host": FAILED, "<b>Login": SKIPPED}, {"Host": PASSED, "<b>Login": FAILED}, {"Host": PASSED})
    text = as_user("requester").get(f"/requests/{conn_request.pk}/").content.decode()
    newest, middle, oldest = text.split('id="results"')[1].split("</section>")[0].split('<ul class="tests">')[:3]
    section = text.split('id="results"')[1].split("</section>")[0]
    assert "No longer there: &lt;b&gt;Login." in newest
    assert "Newly failing: &lt;b&gt;Login." in middle
    assert "Newly passing: Host." in middle
    assert section.count('<details class="earlier"') == 2
    assert [part.split("<")[0] for part in section.split("data-mark>")[1:]] == ["newly failing", "newly passing"]
    assert "data-change" not in oldest.split("</details>")[-1]


# --- the button ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("who", "status"), [("requester", 302), ("approver", 302), ("operator", 302), ("auditor", 403), ("requester2", 404)]
)
def test_who_may_run_the_tests_again(as_user: AsUser, conn_request: ConnectionRequest, who: str, status: int) -> None:
    assert as_user(who).post(f"/requests/{conn_request.pk}/run-tests/").status_code == status
    assert (Connection.objects.get().tests == "due") is (status == 302)


@pytest.mark.django_db
def test_a_double_click_makes_one_run(as_user: AsUser, conn_request: ConnectionRequest) -> None:
    client = as_user("requester")
    answers = [client.post(f"/requests/{conn_request.pk}/run-tests/").status_code for _ in range(3)]
    assert answers == [302, 403, 403]
    assert conn_request.events.filter(kind=EventKind.TESTS_REQUESTED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_clicks_at_the_same_time_make_one_run(groups: None) -> None:
    conn_request = factories.request_in(Status.CREATED)
    together, told = threading.Barrier(6), list[str]()

    def click() -> None:
        mine = ConnectionRequest.objects.select_related("connection", "requester").get(pk=conn_request.pk)
        together.wait()
        try:
            workflow.rerun_tests(by=mine.requester, conn_request=mine)
            told.append("asked")
        except (StaleRow, permissions.Denied):
            told.append("too late")
        finally:
            database.close()

    threads = [threading.Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["asked", *["too late"] * 5]
    assert conn_request.events.filter(kind=EventKind.TESTS_REQUESTED).count() == 1
    assert worker.sweep()["run_tests"] == [conn_request.pk]
