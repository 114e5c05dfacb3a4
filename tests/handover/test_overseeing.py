"""What others see and do: the request's page, giving it to somebody else, revoking, and what the sweeper does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection as database
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from connections import limits, notifications, permissions, worker, workflow
from connections.models import (
    Connection,
    ConnectionRequest,
    EventKind,
    Handover,
    HandoverState,
    NoticeKind,
    StaleRow,
    store_turn,
)
from connections.views.request_page import polling, queries
from tests import factories
from tests.handover import handed_over, kinds, logged_in, page_of, proved

pytestmark = pytest.mark.django_db


@pytest.fixture
def row() -> Handover:
    """A hand-over that waits for olga, not for its requester."""
    factories.person(username="olga")
    return handed_over(source_owner="olga")


def text_for(user: User, row: Handover) -> str:
    """The request's page."""
    return logged_in(user).get(f"/requests/{row.request_id}/").content.decode()


# --- the request's page ----------------------------------------------------------------------------------------------
def test_the_request_says_whose_turn_it_is_and_how_far_it_got(row: Handover) -> None:
    text = text_for(row.request.requester, row)
    assert "olga, the source owner" in text and 'data-handover="waiting"' in text
    assert "Give it to somebody else" in text and "Revoke the hand-over" in text
    assert row.token not in text and "Open Connect Card" not in text
    Handover.objects.update(opened_at=Now(), card_at=Now(), card_expires_at=Now(), state=HandoverState.OPEN)
    assert "valid until" in text_for(row.request.requester, row)
    Handover.objects.update(card_expired_at=Now())
    assert "expired unused" in text_for(row.request.requester, row)


def test_the_link_is_for_the_owner_alone(row: Handover) -> None:
    for role in ("approver", "operator", "auditor", "superuser"):
        text = text_for(factories.person(role), row)
        assert row.token not in text and "Open Connect Card" not in text
    own = handed_over()
    text = text_for(own.request.requester, own)
    assert f'action="{page_of(own)}card/"' in text and ">Open Connect Card</button>" in text
    assert f'href="{page_of(own)}"' in text


def test_an_auditor_sees_it_without_buttons(row: Handover) -> None:
    text = text_for(factories.person("auditor"), row)
    assert 'data-handover="waiting"' in text
    assert "Give it to somebody else" not in text and "Revoke" not in text


def test_an_open_page_asks_every_two_seconds_and_notices_each_step(row: Handover) -> None:
    marks = set()
    for columns in (
        {},
        {"state": HandoverState.OPEN},
        {"card_expires_at": Now()},
        {"state": HandoverState.RETURNED},
        {"state": HandoverState.REVOKED},
    ):
        Handover.objects.update(**columns)
        seen = queries.find(row.request.requester, row.request_id)
        marks.add(polling.fingerprint(seen, None))
        assert polling.poll_seconds(seen) == 2  # revoked too: the connection has no data yet
    assert len(marks) == 5
    text = text_for(row.request.requester, row)
    assert "the hand-over was revoked" in text and "Turn: <strong><bdi>yours" in text
    client = logged_in(row.request.requester)
    fragment = client.get(f"/requests/{row.request_id}/status/?seen=x&shown=x").content.decode()
    assert 'id="handover"' in fragment and 'hx-swap-oob="true"' in fragment


def test_a_page_with_a_hand_over_asks_nine_queries_at_most(row: Handover) -> None:
    client = logged_in(factories.person("approver"))
    client.get("/")
    with CaptureQueriesContext(database) as asked:
        assert client.get(f"/requests/{row.request_id}/").status_code == 200
    assert len(asked) <= 9, [query["sql"] for query in asked]


# --- giving it to somebody else, and revoking ------------------------------------------------------------------------
@pytest.mark.parametrize("role", ["requester", "approver", "operator"])
def test_who_oversees_a_request_gives_its_hand_over_to_somebody_else(row: Handover, role: str) -> None:
    piet = factories.person(username="piet")
    by = row.request.requester if role == "requester" else factories.person(role)
    answer = logged_in(by).post(f"/requests/{row.request_id}/handover/pass-on/", {"to": "piet"}, follow=True)
    assert "piet gets the link by mail" in answer.content.decode()
    assert Handover.objects.get().owner == piet
    event = row.request.events.get(kind=EventKind.HANDOVER_PASSED_ON)
    assert (event.by, event.actor) == (by, role)
    assert Handover.objects.by_token(row.token) is None


def test_an_unknown_name_changes_nothing_for_who_may_know_all_names(row: Handover) -> None:
    approver = factories.person("approver")
    answer = logged_in(approver).post(f"/requests/{row.request_id}/handover/pass-on/", {"to": "nobody_known"})
    page = answer.content.decode()
    assert '<a class="alert-link" href="#id_to">Username or e-mail address: Enter a username of this portal' in page
    assert 'id="id_to_error"' in page and 'value="nobody_known"' in page
    with pytest.raises(workflow.NobodyFound):
        workflow.pass_on(by=approver, handover=row, to="nobody_known")
    assert Handover.objects.by_token(row.token) == row


def test_nobody_is_given_it_who_cannot_be_mailed(row: Handover) -> None:
    factories.person(username="unreachable", email="")
    client = logged_in(factories.person("operator"))
    page = client.post(f"/requests/{row.request_id}/handover/pass-on/", {"to": "unreachable"}).content.decode()
    assert "unreachable has no e-mail address in this portal, so no link can be mailed." in page
    assert 'value="unreachable"' in page
    assert Handover.objects.by_token(row.token) == row
    assert EventKind.HANDOVER_PASSED_ON not in kinds(row)


@pytest.mark.parametrize("part", ["pass-on", "revoke"])
def test_others_do_neither(row: Handover, part: str) -> None:
    url = f"/requests/{row.request_id}/handover/{part}/"
    assert logged_in(factories.person()).post(url, {"to": "olga"}).status_code == 404
    assert logged_in(factories.person("auditor")).post(url, {"to": "olga"}).status_code == 403
    assert logged_in(row.request.requester).get(url).status_code == 405
    assert Handover.objects.by_token(row.token) == row


def test_a_request_without_a_hand_over_has_none_to_redirect() -> None:
    conn_request = factories.submitted()
    for part in ("pass-on", "revoke"):
        answer = logged_in(conn_request.requester).post(
            f"/requests/{conn_request.pk}/handover/{part}/", {"to": "a@example.com"}
        )
        assert answer.status_code == 404


def test_a_revoked_link_is_dead_until_it_is_handed_over_again(row: Handover) -> None:
    client = logged_in(row.request.requester)
    assert "source owner" in client.get("/requests/").content.decode()
    answer = client.post(f"/requests/{row.request_id}/handover/revoke/", follow=True)
    assert "opens nothing any more" in answer.content.decode() and "Hand over again" in answer.content.decode()
    assert logged_in(User.objects.get(username="olga")).get(page_of(row)).status_code == 403
    revoked = Handover.objects.get()
    assert (revoked.state, kinds(row)[0]) == (HandoverState.REVOKED, EventKind.HANDOVER_REVOKED)
    assert "source owner" not in client.get("/requests/").content.decode(), "it is the requester's turn again"
    assert logged_in(User.objects.get(username="olga")).get(page_of(revoked)).status_code == 200  # it says: revoked
    with pytest.raises(permissions.Denied):
        workflow.revoke(by=row.request.requester, handover=revoked)
    client.post(f"/requests/{row.request_id}/handover/pass-on/", {"to": "olga"})
    again = Handover.objects.get()
    assert (again.state, again.revoked_at) == (HandoverState.WAITING, None)
    notifications.send_due()
    needed = [str(m.body) for m in mail.outbox if "credentials are needed" in m.subject]
    assert all(again.token in body and row.token not in body for body in needed) and needed


@pytest.mark.parametrize("setup_state", ["broken", "incomplete"])
def test_what_breaks_after_it_was_done_is_the_requesters_to_hand_over_again(row: Handover, setup_state: str) -> None:
    Connection.objects.update(setup_state="connected")
    Handover.objects.update(state=HandoverState.DONE, done_at=Now(), opened_at=Now(), returned_at=Now())
    requester, owner = logged_in(row.request.requester), logged_in(User.objects.get(username="olga"))
    assert "Connected." in owner.get(page_of(row)).content.decode()
    Connection.objects.update(setup_state=setup_state)
    store_turn(row.request_id)
    text = text_for(row.request.requester, row)
    assert "Turn: <strong><bdi>yours" in text and "It can be handed over again." in text and "Hand over again" in text
    assert text.index('id="handover-heading"') < text.index("Setup tests</h2>")
    other = text_for(factories.person("approver"), row)
    assert f"Turn: <strong><bdi>{row.request.requester}, the requester" in other
    assert "source owner</" not in requester.get("/requests/").content.decode(), "the list says the same"
    assert "Nothing waits for you." not in requester.get("/").content.decode()
    text = " ".join(owner.get(page_of(row)).content.decode().split())
    assert "Connected." not in text and "can hand it over again" in text and "open a Connect Card again" not in text
    requester.post(f"/requests/{row.request_id}/handover/pass-on/", {"to": "olga"})
    again = Handover.objects.get()
    assert "Open Connect Card" in owner.get(page_of(again)).content.decode()
    assert "source owner</" in requester.get("/requests/").content.decode()


def test_once_connected_there_is_nothing_to_hand_over(row: Handover) -> None:
    Connection.objects.update(setup_state="connected")
    Handover.objects.update(state=HandoverState.DONE)
    row = Handover.objects.select_related("request__connection").get()
    with pytest.raises(permissions.Denied, match="Nobody's credentials are needed"):
        workflow.pass_on(by=row.request.requester, handover=row, to="olga")


def test_addresses_are_not_mailed_without_end(row: Handover) -> None:
    by = row.request.requester
    for number in range(5):
        workflow.pass_on(by=by, handover=row, to=f"owner{number}@example.com")
    with pytest.raises(limits.TooMany, match="too often within the hour"):
        workflow.pass_on(by=by, handover=row, to="owner5@example.com")
    assert row.owner_name == "owner4@example.com"


def test_of_two_at_once_one_wins(row: Handover) -> None:
    other = Handover.objects.select_related("request__connection", "request__requester").get()
    workflow.pass_on(by=row.request.requester, handover=row, to="a@example.com")
    with pytest.raises(StaleRow):
        workflow.pass_on(by=row.request.requester, handover=other, to="b@example.com")
    stale = logged_in(row.request.requester)
    assert Handover.objects.get().address == "a@example.com"
    assert stale.post(f"/requests/{row.request_id}/handover/revoke/").status_code == 302


def test_what_was_typed_stays_where_it_was_given_away_too_often(row: Handover) -> None:
    client = logged_in(row.request.requester)
    for number in range(6):
        last = client.post(f"/requests/{row.request_id}/handover/pass-on/", {"to": f"owner{number}@example.com"})
    page = last.content.decode()
    assert last.status_code == 429 and "too often within the hour" in page and 'value="owner5@example.com"' in page
    assert Handover.objects.get().address == "owner4@example.com"
    row = Handover.objects.select_related("request").get()
    answer = proved(row).post(page_of(row, "pass-on/"), {"to": "owner6@example.com"})
    page = answer.content.decode()
    assert answer.status_code == 429 and "too often within the hour" in page and 'value="owner6@example.com"' in page


@pytest.mark.parametrize("role", ["requester", "approver", "operator"])
def test_who_comes_second_reads_what_happened(row: Handover, role: str) -> None:
    by = row.request.requester if role == "requester" else factories.person(role)
    client, url = logged_in(by), f"/requests/{row.request_id}/handover/"
    client.post(f"{url}revoke/")
    answer = client.post(f"{url}revoke/", follow=True)
    assert answer.status_code == 200 and "There is nothing to revoke: it is “Revoked”." in answer.content.decode()
    Connection.objects.update(setup_state="connected")
    Handover.objects.update(state=HandoverState.DONE)
    answer = client.post(f"{url}pass-on/", {"to": "late@example.com"}, follow=True)
    assert answer.status_code == 200
    assert "Nobody&#x27;s credentials are needed: the connection is connected." in answer.content.decode()


def test_an_owner_who_gives_it_away_too_late_reads_that_it_is_done(row: Handover) -> None:
    client = logged_in(User.objects.get(username="olga"))
    Handover.objects.update(state=HandoverState.DONE)
    answer = client.post(page_of(row, "pass-on/"), {"to": "late@example.com"})
    assert answer.status_code == 200 and "There is nothing to hand over: it is “Done”." in answer.content.decode()
    Connection.objects.update(setup_state="connected")
    page = client.post(page_of(row, "pass-on/"), {"to": "late@example.com"}).content.decode()
    assert "Connected.</strong>" in page and "the connection is connected." in page
    assert Handover.objects.get().token == row.token


# --- the sweeper -----------------------------------------------------------------------------------------------------
def later(days: int) -> None:
    """As if so many days had passed since the owner was told."""
    Handover.objects.update(last_notified_at=Now() - timedelta(days=days, seconds=1))


def test_the_owner_is_reminded_three_times_and_each_stands_on_the_timeline(row: Handover) -> None:
    worker.sweep()
    assert EventKind.HANDOVER_REMINDED not in kinds(row)
    counts = []
    for _ in range(5):
        later(3)
        worker.sweep()
        worker.sweep()
        counts.append(kinds(row).count(EventKind.HANDOVER_REMINDED))
    assert counts == [1, 2, 3, 3, 3]
    notifications.send_due()
    reminders = [m for m in mail.outbox if "still needed" in m.subject]
    assert len(reminders) == 3 and f"http://localhost{page_of(row)}" in str(reminders[0].body).split()
    why = row.request.events.filter(kind=EventKind.HANDOVER_REMINDED).first().detail["why"]  # type: ignore[union-attr]
    assert why == "Reminder 3 of 3 to olga"


def test_the_days_between_reminders_are_a_setting(row: Handover, settings: Any) -> None:
    settings.HANDOVER_REMIND_DAYS = 10
    later(9)
    worker.sweep()
    assert EventKind.HANDOVER_REMINDED not in kinds(row)


def _done(row: Handover) -> None:
    Handover.objects.update(state=HandoverState.DONE)


def _revoked(row: Handover) -> None:
    Handover.objects.update(state=HandoverState.REVOKED)


def _gone(row: Handover) -> None:
    ConnectionRequest.objects.update(deleted_at_fivetran_at=Now())


@pytest.mark.parametrize("over", [_done, _revoked, _gone])
def test_nobody_is_reminded_of_what_is_over(row: Handover, over: Callable[[Handover], None]) -> None:
    over(row)
    later(30)
    worker.sweep()
    assert EventKind.HANDOVER_REMINDED not in kinds(row)


@pytest.mark.parametrize("columns", [{"is_active": False}, {"email": ""}], ids=["deactivated", "no address"])
def test_nobody_is_reminded_who_cannot_be_mailed(row: Handover, columns: dict[str, Any]) -> None:
    User.objects.filter(username="olga").update(**columns)
    later(30)
    worker.sweep()
    assert EventKind.HANDOVER_REMINDED not in kinds(row)
    assert Handover.objects.get().reminders == 0
    User.objects.filter(username="olga").update(is_active=True, email="olga@example.com")
    worker.sweep()
    assert kinds(row).count(EventKind.HANDOVER_REMINDED) == 1


def test_the_requester_is_told_when_it_is_connected(row: Handover) -> None:
    from connections.worker import connection_status

    connection = Connection.objects.select_related("request__requester").get()
    connection_status.record_status(connection, {"status": {"setup_state": "connected"}})
    notifications.send_due()
    [message] = [m for m in mail.outbox if NoticeKind.CONNECTED.label + ":" in m.subject]
    assert message.to == [row.request.requester.email] and "handed over the credentials" in message.body
    assert row.token not in message.body


def test_it_waits_for_the_owner_and_not_for_the_requester_until_it_is_revoked(row: Handover) -> None:
    Connection.objects.filter(request=row.request_id).update(setup_state="incomplete")
    reader = logged_in(row.request.requester)
    assert "Nothing waits for you." in reader.get("/").content.decode()
    Handover.objects.update(state=HandoverState.REVOKED)
    store_turn(row.request_id)
    assert "Nothing waits for you." not in reader.get("/").content.decode()
