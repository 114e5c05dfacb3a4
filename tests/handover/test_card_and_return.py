"""From the button to Fivetran's card and back, against the stand-in; and the ways in which a return can be forged.

The forgeries are those of the reliability tests: each is refused with 403 and changes nothing.
"""

import logging
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client

from connections import worker
from connections.models import (
    Attempt,
    Connection,
    ConnectionRequest,
    EventKind,
    Handover,
    HandoverState,
    Notice,
    NoticeKind,
)
from connections.models.handover import hashed
from connections.workflow import operations
from tests import factories
from tests.handover import CARD, kinds, logged_in, mailed_code, page_of, proved
from tests.sandbox_client import Fivetran

OUTSIDE = "olga@elsewhere.example"


@pytest.fixture
def olga(transactional_db: None) -> User:
    """A source owner with an account."""
    return factories.person(username="olga")


def begun(approve: Any, source_owner: str = "olga", schema: str = "handed") -> Handover:
    """A hand-over whose connection exists at the stand-in."""
    request = approve(schema, **CARD, source_owner=source_owner)
    worker.run("submit", request.pk)
    return Handover.objects.select_related("request__requester", "request__connection", "owner").get(request=request)


def open_card(client: Client, row: Handover) -> str:
    """Press the button; the address of the card that the answer leads to."""
    answer = client.post(page_of(row, "card/"))
    assert answer.status_code == 303 and answer["Cache-Control"] == "no-store", answer.content.decode()
    assert answer.content == b""
    return str(answer["Location"])


def test_the_card_shows_what_the_request_asked_for(fivetran: Fivetran, approve: Any, olga: User) -> None:
    request = approve("all_fields", **CARD, connect_card_config__all_fields=True, source_owner="olga")
    worker.run("submit", request.pk)
    row = Handover.objects.select_related("request__requester", "request__connection", "owner").get(request=request)
    open_card(logged_in(olga), row)
    found = fivetran.call("journal")
    calls = found["requests"] if isinstance(found, dict) else found
    [minted] = [call for call in calls if call["path"].endswith("/connect-card")]
    assert minted["body"]["connect_card_config"]["all_fields"] is True


def way_back(card: str) -> str:
    """Where the card leads when it is finished, as a path of ours."""
    [address] = urllib.parse.parse_qs(urllib.parse.urlsplit(card).query)["redirect_uri"]
    parts = urllib.parse.urlsplit(address)
    return f"{parts.path}?{parts.query}"


def fill(card: str, **answers: str) -> str:
    """Enter `answers` on the card, as a browser would; where it sends the browser, or empty where it stays."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_arguments: Any) -> None:
            return None

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)
    try:
        with opener.open(card, urllib.parse.urlencode(answers).encode(), timeout=10):
            return ""
    except urllib.error.HTTPError as answer:
        parts = urllib.parse.urlsplit(str(answer.headers["Location"]))
        return f"{parts.path}?{parts.query}"


GIVEN = {"sheet_id": "s", "named_range": "r", "auth.authorized": "on"}


def unchanged(row: Handover) -> Handover:
    """The row, which nothing has brought back."""
    row.refresh_from_db()
    assert (row.state, row.returned_at) == (HandoverState.OPEN, None)
    assert Connection.objects.get(request=row.request_id).check_due_at is None
    assert EventKind.HANDOVER_RETURNED not in kinds(row)
    return row


# --- the whole way ---------------------------------------------------------------------------------------------------
def test_from_the_button_to_connected(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row = begun(approve)
    client = logged_in(olga)
    card = open_card(client, row)
    row.refresh_from_db()
    assert row.state == HandoverState.OPEN and row.card_at and row.card_expires_at
    assert timedelta(hours=23) < row.card_expires_at - row.card_at <= timedelta(days=1)
    [attempt] = row.request.attempts.filter(call=Attempt.Call.CARD)
    assert (attempt.ending, attempt.message) == ("answered", "")
    back = fill(card, **GIVEN)
    assert back == way_back(card)
    answer = client.get(back)
    assert (answer.status_code, answer["Location"]) == (302, page_of(row))
    row.refresh_from_db()
    assert row.state == HandoverState.RETURNED
    assert "The portal asks Fivetran how it went" in client.get(page_of(row)).content.decode()
    assert worker.run("check", row.request_id) == [("run_tests", row.request_id)]  # and the tests are due
    row.refresh_from_db()
    assert row.state == HandoverState.DONE and row.done_at
    assert Notice.objects.get(kind=NoticeKind.CONNECTED).recipient == row.request.requester
    assert worker.sweep()["run_tests"] == [row.request_id]
    worker.run("run_tests", row.request_id)
    connection = Connection.objects.get()
    assert (connection.setup_state, connection.tests, connection.runs.count()) == ("connected", "stored", 1)
    assert worker.sweep()["run_tests"] == []  # once
    for kind in (EventKind.HANDOVER_DONE, EventKind.HANDOVER_RETURNED, EventKind.CARD_ISSUED):
        assert kinds(row).count(kind) == 1


def test_an_owner_without_an_account_goes_the_same_way(fivetran: Fivetran, approve: Any) -> None:
    row = begun(approve, OUTSIDE)
    client = proved(row)
    assert client.get(fill(open_card(client, row), **GIVEN)).status_code == 302
    worker.run("check", row.request_id)
    assert "Connected." in client.get(page_of(row)).content.decode()
    event = row.request.events.get(kind=EventKind.HANDOVER_RETURNED)
    assert (event.by, event.detail["who"]) == (None, OUTSIDE)


@pytest.mark.parametrize("minutes", [2 * 60 + 1, -2 * 60 - 1])
def test_what_was_proved_holds_for_two_hours_by_any_clock(fivetran: Fivetran, approve: Any, minutes: int) -> None:
    """A clock that is set back by a day does not make a day of them."""
    row = begun(approve, OUTSIDE)
    client = proved(row)
    assert "o…a@" not in client.get(page_of(row)).content.decode()
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=minutes)):
        assert "o…a@" in client.get(page_of(row)).content.decode()


@pytest.mark.parametrize("owner", ["olga", OUTSIDE])
def test_who_comes_back_after_fivetran_was_heard_of_reads_that_it_is_done(
    fivetran: Fivetran, approve: Any, olga: User, owner: str
) -> None:
    row = begun(approve, owner)
    client = proved(row) if owner == OUTSIDE else logged_in(olga)
    back = fill(open_card(client, row), **GIVEN)
    Connection.objects.update(check_due_at=Now())
    worker.run("check", row.request_id)  # a webhook, the list, another tab: faster than the browser
    row.refresh_from_db()
    assert row.state == HandoverState.DONE
    if owner == "olga":
        assert logged_in(factories.person("operator")).get(back).status_code == 403  # and it is not used up
    answer = client.get(back, follow=True)
    assert answer.status_code == 200 and "Connected." in answer.content.decode()
    row.refresh_from_db()
    assert (row.state, row.return_hash) == (HandoverState.DONE, "") and row.returned_at
    assert client.get(back).status_code == 403  # used up, as any


def test_after_a_return_without_success_the_tests_say_why_and_the_link_goes_on(
    fivetran: Fivetran, group: str, olga: User
) -> None:
    stripe: dict[str, Any] = {
        "service": "stripe",
        "group_id": group,
        "config__schema": "stripe_eu",
        "config__table": "",
    }
    row = begun(lambda _schema, **changes: factories.approved(**changes, **stripe))
    client = logged_in(olga)
    client.get(way_back(open_card(client, row)))  # back without having entered anything
    assert worker.run("check", row.request_id) == [("run_tests", row.request_id)]
    row.refresh_from_db()
    assert row.state == HandoverState.OPEN
    worker.run("run_tests", row.request_id)
    text = client.get(page_of(row)).content.decode()
    assert "does not call the connection connected yet" in text and "data-test-status" in text
    assert Notice.objects.filter(kind=NoticeKind.CONNECTED).count() == 0
    assert client.get(fill(open_card(client, row), api_key="sk_x")).status_code == 302
    worker.run("check", row.request_id)
    row.refresh_from_db()
    assert row.state == HandoverState.DONE


def test_who_never_came_back_is_noticed_when_the_page_is_opened_again(
    fivetran: Fivetran, approve: Any, olga: User
) -> None:
    row = begun(approve)
    client = logged_in(olga)
    fill(open_card(client, row), **GIVEN)
    client.get(page_of(row))
    assert Connection.objects.get().check_due_at is None  # Fivetran was asked a moment ago
    Connection.objects.update(seen_at=Now() - timedelta(minutes=2))
    client.get(page_of(row))
    worker.run("check", row.request_id)
    row.refresh_from_db()
    assert row.state == HandoverState.DONE


def test_a_run_of_the_tests_that_finds_it_connected_is_the_end_too(
    fivetran: Fivetran, approve: Any, olga: User
) -> None:
    row = begun(approve)
    fill(open_card(logged_in(olga), row), **GIVEN)
    Connection.objects.update(tests="due", tests_next_try_at=Now())
    worker.run("run_tests", row.request_id)
    row.refresh_from_db()
    connection = Connection.objects.get()
    assert (row.state, connection.tests, connection.runs.count()) == (HandoverState.DONE, "stored", 1)


def test_a_second_card_is_another_and_the_first_brings_nobody_back(
    fivetran: Fivetran, approve: Any, olga: User
) -> None:
    row = begun(approve)
    client = logged_in(olga)
    first, second = open_card(client, row), open_card(client, row)
    assert first != second
    assert client.get(way_back(first)).status_code == 403
    unchanged(row)
    why = [e.detail.get("why", "") for e in row.request.events.filter(kind=EventKind.CARD_ISSUED)]
    assert len(why) == 2 and why[0].startswith("Again") and not why[1]
    assert client.get(way_back(second)).status_code == 302


# --- no card ---------------------------------------------------------------------------------------------------------
def test_without_an_answer_the_owner_is_told_and_may_try_again(
    fivetran: Fivetran, approve: Any, olga: User, settings: Any
) -> None:
    row = begun(approve)
    client, address = logged_in(olga), settings.FIVETRAN_BASE_URL
    settings.FIVETRAN_BASE_URL = "http://127.0.0.1:9"
    assert "does not answer just now" in client.post(page_of(row, "card/")).content.decode()
    assert row.request.attempts.get(call="card").ending == "not_sent"
    row.refresh_from_db()
    assert row.card_at is None
    settings.FIVETRAN_BASE_URL = address
    fivetran.call("connections", method="DELETE")
    assert "does not know this connection" in client.post(page_of(row, "card/")).content.decode()


def test_an_operators_pause_holds_for_cards_too(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row = begun(approve)
    operations.pause(by=factories.person("operator"), reason="Maintenance")
    assert "An operator paused" in logged_in(olga).post(page_of(row, "card/")).content.decode()
    assert not row.request.attempts.filter(call="card").exists()


def test_twenty_cards_an_hour_are_enough(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row = begun(approve)
    Attempt.objects.bulk_create(Attempt(request=row.request, call="card", ending="answered") for _ in range(20))
    assert "Too many Connect Cards" in logged_in(olga).post(page_of(row, "card/")).content.decode()
    Attempt.objects.update(started_at=Now() + timedelta(days=1))  # the clock was set back: that is no hour
    assert open_card(logged_in(olga), row)


def test_a_card_on_another_host_is_not_shown_and_not_logged(
    fivetran: Fivetran, approve: Any, olga: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    row = begun(approve)
    # The stand-in names itself by its number; by this name it is, for the portal, somebody else's host.
    settings.FIVETRAN_BASE_URL = settings.FIVETRAN_BASE_URL.replace("127.0.0.1", "localhost")
    with caplog.at_level(logging.DEBUG):
        text = logged_in(olga).post(page_of(row, "card/")).content.decode()
    assert "address that is not Fivetran" in text and "connect-card/setup" not in text
    assert "on a host that is not Fivetran's" in caplog.text and "connect-card/setup" not in caplog.text


# --- the forgeries ---------------------------------------------------------------------------------------------------
def test_forgery_an_expired_return_is_refused(fivetran: Fivetran, approve: Any, olga: User, time_machine: Any) -> None:
    row = begun(approve)
    client = logged_in(olga)
    back = way_back(open_card(client, row))
    Handover.objects.update(return_expires_at=Now() - timedelta(seconds=1))  # the database's clock decides
    assert client.get(back).status_code == 403
    unchanged(row)


def test_forgery_an_expired_card_is_noted_and_a_fresh_one_is_had(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row = begun(approve)
    client = logged_in(olga)
    open_card(client, row)
    Handover.objects.update(card_expires_at=Now() - timedelta(hours=1), return_expires_at=Now() - timedelta(hours=1))
    for _ in range(2):
        worker.sweep()
    assert kinds(row).count(EventKind.CARD_EXPIRED) == 1
    assert "expired unused" in client.get(page_of(row)).content.decode()
    assert fill(open_card(client, row), **GIVEN)
    row.refresh_from_db()
    assert row.card_expired_at is None


def test_a_card_that_brought_its_owner_back_did_not_expire_unused(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row = begun(approve)
    client = logged_in(olga)
    client.get(way_back(open_card(client, row)))
    Handover.objects.update(state=HandoverState.OPEN, card_expires_at=Now() - timedelta(hours=1))  # not connected
    worker.sweep()
    assert EventKind.CARD_EXPIRED not in kinds(row)
    assert "expired unused" not in client.get(page_of(row)).content.decode()
    open_card(client, row)  # another one, which is not used
    Handover.objects.update(card_expires_at=Now() - timedelta(hours=1))
    worker.sweep()
    assert kinds(row).count(EventKind.CARD_EXPIRED) == 1


def test_of_a_connection_that_is_gone_no_card_is_noted(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row = begun(approve)
    open_card(logged_in(olga), row)
    Handover.objects.update(card_expires_at=Now() - timedelta(hours=1))
    ConnectionRequest.objects.update(deleted_at_fivetran_at=Now())
    worker.sweep()
    assert EventKind.CARD_EXPIRED not in kinds(row)


def test_forgery_a_used_return_is_refused(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row = begun(approve)
    client = logged_in(olga)
    back = way_back(open_card(client, row))
    assert client.get(back).status_code == 302
    assert client.get(back).status_code == 403
    assert kinds(row).count(EventKind.HANDOVER_RETURNED) == 1


@pytest.mark.parametrize("role", ["requester", "approver", "operator", "superuser"])
def test_forgery_another_users_return_is_refused(fivetran: Fivetran, approve: Any, olga: User, role: str) -> None:
    row = begun(approve)
    back = way_back(open_card(logged_in(olga), row))
    assert logged_in(factories.person(role)).get(back).status_code == 403
    assert Client().get(back)["Location"].startswith("/accounts/login/")
    unchanged(row)
    assert logged_in(olga).get(back).status_code == 302  # and it was not used up


def test_forgery_a_return_without_the_proof_of_the_address_counts_as_nothing(fivetran: Fivetran, approve: Any) -> None:
    row = begun(approve, OUTSIDE)
    client = proved(row)
    back = way_back(open_card(client, row))
    stranger = Client()
    for _ in range(2):
        answer = stranger.get(back)
        assert answer.status_code == 200 and "open the link from your mail" in answer.content.decode()
        # Whoever got hold of the state does not learn the link, which passes the hand-over on.
        assert row.token not in answer.content.decode() + str(answer.headers) + str(answer.cookies)
    text = stranger.get(page_of(row)).content.decode()
    assert "Is it you?" in text and row.request.schema not in text
    # Fivetran is asked, though not more often than once a minute.
    assert Connection.objects.get().check_due_at > datetime.now(UTC) + timedelta(seconds=30)  # type: ignore[operator]
    Connection.objects.update(check_due_at=None)
    unchanged(row)
    assert client.get(back).status_code == 302
    assert EventKind.HANDOVER_RETURNED in kinds(row)


def come_back_late(approve: Any, time_machine: Any) -> tuple[Handover, Client, str]:
    """Everything is entered at Fivetran, and the owner without an account comes back after the proof has ended."""
    row = begun(approve, OUTSIDE)
    client = proved(row)
    back = fill(open_card(client, row), **GIVEN)
    Connection.objects.update(seen_at=Now() - timedelta(hours=3))
    Handover.objects.update(code_sent_at=None)
    time_machine.move_to(datetime.now(UTC) + timedelta(hours=3))
    answer = client.get(back)
    assert (answer.status_code, answer["Location"]) == (302, page_of(row))
    return row, client, back


def test_who_comes_back_after_the_proof_has_ended_enters_a_code_and_is_back(
    fivetran: Fivetran, approve: Any, time_machine: Any
) -> None:
    row, client, back = come_back_late(approve, time_machine)
    client.post(page_of(row, "send-code/"))
    answer = client.post(page_of(row, "code/"), {"code": mailed_code(OUTSIDE)})
    assert answer["Location"] == page_of(row)
    row.refresh_from_db()
    assert row.state == HandoverState.RETURNED
    assert "You are back from Fivetran" in client.get(page_of(row)).content.decode()
    assert client.get(back).status_code == 403  # counted, once


def test_the_return_of_who_enters_no_code_is_not_lost(fivetran: Fivetran, approve: Any, time_machine: Any) -> None:
    row, client, back = come_back_late(approve, time_machine)
    assert worker.sweep()["check"] == [row.request_id]
    worker.run("check", row.request_id)
    row.refresh_from_db()
    assert row.state == HandoverState.DONE and row.returned_at is None
    assert "There is nothing left to do for you here" in client.get(back, follow=True).content.decode()


@pytest.mark.parametrize("state", ["", "x", "1-abc.def", "{pk}-{guess}.AAAA", "{token}", "é", "\0"])
def test_forgery_a_made_up_state_is_refused(fivetran: Fivetran, approve: Any, olga: User, state: str) -> None:
    row = begun(approve)
    client = logged_in(olga)
    open_card(client, row)
    forged = state.format(pk=row.pk, guess="0" * 32, token=row.token)
    assert client.get("/handover/return/", {"state": forged}).status_code == 403
    unchanged(row)


def test_forgery_our_own_signature_over_another_nonce_is_refused(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row = begun(approve)
    client = logged_in(olga)
    open_card(client, row)
    assert client.get("/handover/return/", {"state": row.return_state("0" * 32)}).status_code == 403
    unchanged(row)


def test_forgery_the_state_of_another_request_brings_back_only_that_one(
    fivetran: Fivetran, approve: Any, olga: User
) -> None:
    one, other = begun(approve, schema="one"), begun(approve, schema="other")
    client = logged_in(olga)
    open_card(client, one)
    back = way_back(open_card(client, other))
    client.get(f"{back}&request={one.request_id}&connection_id={one.request.connection_id}")
    unchanged(one)
    other.refresh_from_db()
    assert other.state == HandoverState.RETURNED
    # Of another person's hand-over it opens nothing at all.
    factories.person(username="piet")
    third = begun(approve, "piet", "third")
    assert client.get("/handover/return/", {"state": third.return_state("0" * 32)}).status_code == 403


def test_forgery_a_state_of_the_owner_before_is_refused(fivetran: Fivetran, approve: Any, olga: User) -> None:
    factories.person(username="piet")
    row = begun(approve)
    client = logged_in(olga)
    back = way_back(open_card(client, row))
    client.post(page_of(row, "pass-on/"), {"to": "piet"})
    assert client.get(back).status_code == 403
    row.refresh_from_db()
    assert (row.state, row.return_hash) == (HandoverState.WAITING, "")


def test_forgery_a_foreign_id_in_the_address_is_never_read(fivetran: Fivetran, approve: Any, olga: User) -> None:
    stranger = begun(approve, schema="stranger")
    row = begun(approve)
    client = logged_in(olga)
    client.get(f"{way_back(open_card(client, row))}&id={stranger.request.connection_id}&connector_id=x&handover=1")
    due = Connection.objects.exclude(check_due_at=None).values_list("request_id", flat=True)
    assert list(due) == [row.request_id]
    stranger.refresh_from_db()
    assert stranger.state == HandoverState.WAITING


@pytest.mark.parametrize("name", ["next", "redirect_uri", "url", "return_to"])
def test_forgery_the_return_redirects_nowhere_else(fivetran: Fivetran, approve: Any, olga: User, name: str) -> None:
    row = begun(approve)
    client = logged_in(olga)
    evil = {name: "https://evil.example/"}
    assert client.get("/handover/return/", evil).status_code == 200
    answer = client.get(f"{way_back(open_card(client, row))}&{urllib.parse.urlencode(evil)}")
    assert answer["Location"] == page_of(row)


@pytest.mark.django_db
def test_without_a_state_the_return_says_thanks_and_does_nothing() -> None:
    answer = Client().get("/handover/return/", {"id": "x", "status": "connected"})
    assert answer.status_code == 200 and "can close this page" in answer.content.decode()


def test_the_state_is_kept_as_a_hash_alone(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row = begun(approve)
    card = open_card(logged_in(olga), row)
    row.refresh_from_db()
    [state] = urllib.parse.parse_qs(urllib.parse.urlsplit(way_back(card)).query)["state"]
    nonce = state.partition("-")[2].partition(".")[0]
    assert row.return_hash == hashed(nonce) and nonce not in row.return_hash
    assert datetime.now(UTC) < row.return_expires_at  # type: ignore[operator]
