"""The verbs of people, beyond who may: sent twice, edited meanwhile, decided by two at once, enqueued in vain."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from connections import tasks, workflow
from connections.models import ConnectionRequest, Event, EventKind, Notice, NoticeKind, StaleRow
from connections.permissions import Denied
from connections.queue import publisher
from connections.spec import payloads
from connections.states import Status
from connections.workflow import Filing, NameTaken
from tests import factories
from tests.processes import quickest, seconds

ROUNDS = 50
threaded = pytest.mark.django_db(transaction=True)


def fresh(conn_request: ConnectionRequest) -> ConnectionRequest:
    return ConnectionRequest.objects.get(pk=conn_request.pk)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run each of `acts` in a thread of its own, released together; returns what each returned or raised."""
    barrier = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        try:
            barrier.wait(10)
            results[place] = act()
        except Exception as error:  # noqa: BLE001  (the test looks at what was raised)
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results


# --- filing ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_submission_stores_the_body_its_digest_and_who_asked() -> None:
    by = factories.person()
    factories.person("approver")
    filing = factories.filing(config__schema="sales", config__table="orders", reason="Because")
    conn_request = workflow.submit(by=by, filing=filing)
    assert conn_request.status == Status.PENDING
    assert (conn_request.requester, conn_request.reason, conn_request.schema) == (by, "Because", "sales.orders")
    assert (conn_request.service_name, conn_request.group_name) == ("Google Sheets", "Warehouse")
    assert conn_request.payload == payloads.build_body(filing.values)
    assert conn_request.digest == payloads.digest(conn_request.payload)
    assert conn_request.submitted_at is not None
    event = conn_request.events.get()
    assert (event.kind, event.source, event.target, event.by, event.version) == ("moved", "", "pending", by, 1)


@pytest.mark.django_db
def test_the_same_form_sent_twice_is_one_request() -> None:
    by = factories.person()
    factories.person("approver")
    filing = factories.filing()
    first = workflow.submit(by=by, filing=filing)
    assert workflow.submit(by=by, filing=filing) == first
    assert (
        ConnectionRequest.objects.count() == Event.objects.exclude(request=None).count() == Notice.objects.count() == 1
    )


@pytest.mark.django_db
def test_the_same_form_saved_as_a_draft_and_then_submitted_is_one_request() -> None:
    by = factories.person()
    factories.person("approver")
    filing = factories.filing()
    saved = workflow.save_draft(by=by, filing=filing)
    assert workflow.save_draft(by=by, filing=filing) == saved
    sent = workflow.submit(by=by, filing=filing)
    assert (sent.pk, sent.status) == (saved.pk, Status.PENDING)
    assert workflow.submit(by=by, filing=filing) == sent
    assert [event.target for event in sent.events.order_by("id")] == ["draft", "pending"]


@threaded
def test_a_form_sent_ten_times_at_once_is_one_request() -> None:
    by = factories.person()
    factories.person("approver")
    filing = factories.filing()
    results = at_once(*[lambda: workflow.submit(by=by, filing=filing)] * 10)
    conn_request = ConnectionRequest.objects.get()
    assert results == [conn_request] * 10
    assert Event.objects.exclude(request=None).count() == Notice.objects.count() == 1


@pytest.mark.django_db
def test_a_draft_changed_in_another_window_is_not_overwritten() -> None:
    conn_request = factories.draft()
    here, there = fresh(conn_request), fresh(conn_request)
    workflow.save_draft(by=conn_request.requester, filing=factories.filing(reason="here"), conn_request=here)
    with pytest.raises(StaleRow):
        workflow.save_draft(by=conn_request.requester, filing=factories.filing(reason="there"), conn_request=there)
    assert fresh(conn_request).reason == "here"


@pytest.mark.django_db
def test_what_was_saved_a_moment_ago_keeps_nobody_from_submitting_or_deleting_the_draft() -> None:
    factories.person("approver")
    by = factories.person()
    submitted, deleted = (workflow.save_draft(by=by, filing=factories.filing()) for _ in range(2))
    for draft in (submitted, deleted):
        workflow.save_draft(by=by, filing=factories.filing(reason="typed on"), conn_request=fresh(draft))
    workflow.submit(by=by, filing=factories.filing(reason="as sent"), conn_request=submitted)
    workflow.withdraw(by=by, conn_request=deleted)
    assert (fresh(submitted).status, fresh(submitted).reason) == (Status.PENDING, "as sent")
    assert (fresh(deleted).status, fresh(deleted).reason) == (Status.WITHDRAWN, "typed on")


@pytest.mark.django_db
def test_a_draft_may_be_incomplete_and_holds_no_name() -> None:
    by = factories.person()
    conn_request = workflow.save_draft(by=by, filing=Filing(values={"reason": "later"}))
    assert (conn_request.status, conn_request.service, conn_request.payload) == (Status.DRAFT, "", None)


@pytest.mark.django_db
def test_without_an_approver_nobody_waits_in_vain() -> None:
    by = factories.person("approver")  # the only one, and nobody approves their own
    factories.person("approver", is_active=False)
    with pytest.raises(Denied, match="Nobody can approve"):
        workflow.submit(by=by, filing=factories.filing())
    assert not ConnectionRequest.objects.exists()
    assert workflow.save_draft(by=by, filing=factories.filing()).status == Status.DRAFT


@pytest.mark.django_db
def test_a_name_that_another_request_holds_is_taken() -> None:
    holder = factories.submitted(config__schema="sales", config__table="orders")
    with pytest.raises(NameTaken) as taken:
        factories.submitted(config__schema="sales", config__table="orders")
    assert taken.value.holder == holder
    assert ConnectionRequest.objects.count() == 1
    assert factories.submitted(config__schema="sales", config__table="returns").status == Status.PENDING
    assert factories.submitted(group_id="other", config__schema="sales", config__table="orders").pk


@pytest.mark.django_db
def test_an_edit_into_a_taken_name_changes_nothing() -> None:
    holder = factories.submitted()
    conn_request = factories.submitted(reason="mine")
    name = {path.replace(".", "__"): holder.values[path] for path in ("config.schema", "config.table")}
    with pytest.raises(NameTaken):
        workflow.submit(by=conn_request.requester, filing=factories.filing(**name), conn_request=conn_request)
    stored = fresh(conn_request)
    assert (stored.version, stored.reason, stored.digest) == (1, "mine", conn_request.digest)


@threaded
def test_two_people_who_ask_for_one_name_at_once_get_one_request_and_one_reason() -> None:
    factories.person("approver")
    people = [factories.person(), factories.person()]
    same = {"config__schema": "sales", "config__table": "orders"}
    first, second = at_once(*[lambda by=by: workflow.submit(by=by, filing=factories.filing(**same)) for by in people])
    held = ConnectionRequest.objects.get()
    assert sorted([type(first), type(second)], key=str) == sorted([ConnectionRequest, NameTaken], key=str)
    assert next(r.holder for r in (first, second) if isinstance(r, NameTaken)) == held


@pytest.mark.django_db
def test_what_a_draft_lacked_is_stored_when_it_is_submitted() -> None:
    factories.person("approver")
    conn_request = factories.draft(reason="", source_owner="")
    filing = factories.filing(reason="Because", source_owner="owner@example.com", sync_frequency=60)
    sent = fresh(workflow.submit(by=conn_request.requester, filing=filing, conn_request=conn_request))
    assert (sent.reason, sent.source_owner) == ("Because", "owner@example.com")
    assert sent.schema == f"{filing.values['config.schema']}.orders"
    assert sent.values == dict(filing.values)
    assert sent.payload == payloads.build_body(filing.values)
    assert sent.events.get(target=Status.PENDING).reason == ""


# --- edit and clone --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_was_edited_after_the_look_cannot_be_approved() -> None:
    conn_request, approver = factories.submitted(), factories.person("approver")
    seen = conn_request.digest
    workflow.submit(
        by=conn_request.requester, filing=factories.filing(sync_frequency=60), conn_request=fresh(conn_request)
    )
    edited = fresh(conn_request)
    assert (edited.version, edited.status) == (2, Status.PENDING)
    assert edited.digest != seen
    for row in (conn_request, edited):  # the page before the edit, and a row read after it with the digest from before
        with pytest.raises(StaleRow):
            workflow.approve(by=approver, conn_request=row, digest=seen)
    assert fresh(conn_request).status == Status.PENDING
    workflow.approve(by=approver, conn_request=edited, digest=edited.digest)
    assert fresh(conn_request).approved_digest == edited.digest


@pytest.mark.django_db
def test_an_edit_in_two_windows_keeps_the_first() -> None:
    conn_request = factories.submitted()
    here, there = fresh(conn_request), fresh(conn_request)
    workflow.submit(by=conn_request.requester, filing=factories.filing(reason="here"), conn_request=here)
    with pytest.raises(StaleRow):
        workflow.submit(by=conn_request.requester, filing=factories.filing(reason="there"), conn_request=there)
    assert fresh(conn_request).reason == "here"


@pytest.mark.django_db
def test_a_refusal_of_what_was_edited_meanwhile_does_not_count() -> None:
    conn_request, approver = factories.submitted(), factories.person("approver")
    seen = fresh(conn_request)
    workflow.submit(by=conn_request.requester, filing=factories.filing(), conn_request=conn_request)
    with pytest.raises(StaleRow):
        workflow.reject(by=approver, conn_request=seen, reason="Not like this")


@pytest.mark.django_db
def test_a_request_sent_back_is_decided_anew() -> None:
    conn_request = factories.request_in(Status.CHANGES_REQUESTED)
    assert conn_request.decision_reason == "Use the other destination"
    workflow.submit(by=conn_request.requester, filing=factories.filing(), conn_request=conn_request)
    assert (conn_request.status, conn_request.decided_by, conn_request.decision_reason) == (Status.PENDING, None, "")


@pytest.mark.django_db
@pytest.mark.parametrize("status", list(Status))
def test_a_clone_leaves_permanent_names_to_the_person_while_they_are_held(status: Status) -> None:
    conn_request = factories.request_in(status)
    copy = workflow.clone_values(by=conn_request.requester, conn_request=conn_request)
    kept = status in {Status.FAILED, Status.REJECTED, Status.WITHDRAWN, Status.EXPIRED}
    assert ("config.schema" in copy) is kept
    assert copy["service"] == "google_sheets"


@pytest.mark.django_db
def test_a_mask_is_never_cloned_as_a_value() -> None:
    conn_request = factories.draft(config__password=payloads.MASK)
    assert "config.password" not in workflow.clone_values(by=conn_request.requester, conn_request=conn_request)


# --- deciding --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_approval_says_who_when_what_and_for_which_account() -> None:
    approver = factories.person("approver")
    conn_request = factories.approved(approver=approver)
    assert (conn_request.approved_by, conn_request.approved_digest, conn_request.decided_by) == (
        approver,
        conn_request.digest,
        approver,
    )
    assert conn_request.approved_at is not None
    assert conn_request.next_try_at is not None
    assert conn_request.approved_account == "http://127.0.0.1:9"
    seen = {"digest": conn_request.digest, "version": conn_request.version - 1}
    detail = conn_request.events.first().detail  # type: ignore[union-attr]
    assert detail == {"digest": conn_request.digest, "seen": seen}
    assert list(ConnectionRequest.objects.due()) == [conn_request]


@pytest.mark.django_db
def test_a_withdrawn_request_is_never_due() -> None:
    conn_request = factories.approved()
    workflow.withdraw(by=conn_request.requester, conn_request=conn_request)
    assert not ConnectionRequest.objects.due().exists()


def decided(conn_request: ConnectionRequest) -> list[tuple[str, int | None]]:
    """(status, person) of each decision in the history."""
    moves = conn_request.events.filter(kind=EventKind.MOVED).exclude(target=Status.PENDING)
    return list(moves.values_list("target", "by"))


@threaded
def test_two_approvers_at_once_are_one_approval() -> None:
    first, second = factories.person("approver"), factories.person("approver")
    requester = factories.person()
    for _ in range(ROUNDS):
        conn_request = factories.submitted(requester)
        seen = {person: fresh(conn_request) for person in (first, second)}
        results = at_once(
            *[
                lambda by=by, row=row: workflow.approve(by=by, conn_request=row, digest=row.digest)
                for by, row in seen.items()
            ]
        )
        stored = fresh(conn_request)
        losers = [result for result in results if isinstance(result, (StaleRow, Denied))]
        assert results.count(None) == len(losers) == 1
        winner = (first, second)[results.index(None)]
        assert decided(conn_request) == [("approved", winner.pk)]
        assert (stored.approved_by_id, stored.version) == (winner.pk, 2)
        assert Notice.objects.filter(request=conn_request, kind=NoticeKind.APPROVED).count() == 1


RIVALS: dict[str, Callable[[User, User, ConnectionRequest], Any]] = {
    "rejected": lambda approver, requester, conn_request: workflow.reject(
        by=approver, conn_request=conn_request, reason="No"
    ),
    "changes_requested": lambda approver, requester, conn_request: workflow.request_changes(
        by=approver, conn_request=conn_request, reason="Other group"
    ),
    "withdrawn": lambda approver, requester, conn_request: workflow.withdraw(by=requester, conn_request=conn_request),
}


@threaded
@pytest.mark.parametrize("rival", RIVALS)
def test_an_approval_and_its_rival_at_once_are_one_decision(rival: str) -> None:
    first, second, requester = factories.person("approver"), factories.person("approver"), factories.person()
    for _ in range(10):
        conn_request = factories.submitted(requester)
        one, other = fresh(conn_request), fresh(conn_request)
        results = at_once(
            lambda row=one: workflow.approve(by=first, conn_request=row, digest=row.digest),  # type: ignore[misc]
            lambda row=other: RIVALS[rival](second, requester, row),  # type: ignore[misc]
        )
        assert results.count(None) == 1
        assert isinstance(next(result for result in results if result is not None), (StaleRow, Denied))
        stored = fresh(conn_request)
        assert stored.status == ("approved" if results[0] is None else rival)
        assert [target for target, _by in decided(conn_request)] == [stored.status]


@pytest.mark.django_db
def test_the_loser_reads_who_was_faster() -> None:
    winner = factories.person("approver", username="winnie")
    conn_request = factories.approved(approver=winner)
    with pytest.raises(Denied, match="already “Approved, in the queue” by winnie"):
        workflow.approve(by=factories.person("approver"), conn_request=fresh(conn_request), digest=conn_request.digest)


# --- notices ---------------------------------------------------------------------------------------------------------


def told(conn_request: ConnectionRequest, kind: NoticeKind) -> set[str]:
    return set(conn_request.notices.filter(kind=kind).values_list("recipient__username", flat=True))


@pytest.mark.django_db
def test_approvers_are_told_of_a_submission_but_never_the_requester() -> None:
    by = factories.person("approver", username="asks")
    factories.person("approver", username="decides")
    factories.person("superuser", username="root")
    factories.person("approver", username="left", is_active=False)
    factories.person("operator", username="operates")
    conn_request = workflow.submit(by=by, filing=factories.filing())
    assert told(conn_request, NoticeKind.SUBMITTED) == {"decides", "root"}


@pytest.mark.django_db
def test_approvers_are_told_again_of_an_edit() -> None:
    conn_request = factories.submitted()
    workflow.submit(by=conn_request.requester, filing=factories.filing(), conn_request=conn_request)
    assert list(conn_request.notices.order_by("id").values_list("version", flat=True)) == [1, 2]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.APPROVED, NoticeKind.APPROVED),
        (Status.REJECTED, NoticeKind.REJECTED),
        (Status.CHANGES_REQUESTED, NoticeKind.CHANGES_REQUESTED),
        (Status.CREATED, NoticeKind.CREATED),
        (Status.FAILED, NoticeKind.FAILED),
    ],
)
def test_the_requester_is_told_of_decision_and_result(status: Status, kind: NoticeKind) -> None:
    conn_request = factories.request_in(status)
    assert told(conn_request, kind) == {conn_request.requester.username}


# --- the setup tests again -------------------------------------------------------------------------------------------


@threaded
def test_two_clicks_on_run_the_tests_again_are_one_run() -> None:
    conn_request = factories.request_in(Status.CREATED)
    results = at_once(*[lambda: workflow.rerun_tests(by=conn_request.requester, conn_request=fresh(conn_request))] * 2)
    assert results.count(None) == 1
    assert conn_request.events.filter(kind=EventKind.TESTS_REQUESTED).count() == 1


# --- the broker away -------------------------------------------------------------------------------------------------


@pytest.fixture
def refusing() -> Iterator[int]:
    """A port where nobody listens; held by an unconnected socket, so that nobody else can take it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def hanging() -> Iterator[int]:
    """A port that takes connections and never says a word, as a stopped Redis does."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield server.getsockname()[1]


@threaded
@pytest.mark.parametrize("broker", ["refusing", "hanging"])
def test_an_approval_waits_for_no_broker(broker: str, request: pytest.FixtureRequest, settings: Any) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{request.getfixturevalue(broker)}/0"
    approver = factories.person("approver")
    rows: list[ConnectionRequest] = []

    def approve() -> float:
        conn_request = factories.submitted(config__schema=f"at_once_{len(rows)}")
        rows.append(conn_request)
        return seconds(lambda: workflow.approve(by=approver, conn_request=conn_request, digest=conn_request.digest))

    assert quickest(approve, 1.0) < 1.0
    assert {fresh(conn_request).status for conn_request in rows} == {Status.APPROVED}
    assert set(ConnectionRequest.objects.due()) == set(rows)  # the sweeper enqueues again what is due


@pytest.mark.django_db
def test_a_message_is_rung_only_for_what_was_committed(django_capture_on_commit_callbacks: Any) -> None:
    conn_request, approver = factories.submitted(), factories.person("approver")
    with django_capture_on_commit_callbacks() as messages:
        workflow.approve(by=approver, conn_request=conn_request, digest=conn_request.digest)
    [message] = messages
    assert message.func is publisher.enqueue_after_answer
    assert message.args == ([("submit", conn_request.pk)],)
    with django_capture_on_commit_callbacks() as messages, pytest.raises(Denied):
        workflow.approve(by=approver, conn_request=conn_request, digest=conn_request.digest)
    assert messages == []


def test_a_message_that_cannot_be_rung_says_so_and_raises_nothing(refusing: int, settings: Any) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{refusing}/0"
    assert tasks.enqueue("submit", 1) is False
