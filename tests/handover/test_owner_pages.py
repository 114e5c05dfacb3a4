"""The owner's pages: who may open them, what they say, the mailed code, and giving it to somebody else."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.test import Client

from connections import notifications
from connections.models import (
    CatalogEntry,
    Connection,
    ConnectionRequest,
    EventKind,
    Handover,
    HandoverState,
    Kind,
    Notice,
)
from connections.models.connection import store_run
from tests import factories
from tests.handover import handed_over, kinds, logged_in, mailed_code, page_of, proved

pytestmark = pytest.mark.django_db
OUTSIDE = "olga@elsewhere.example"


def fresh(row: Handover) -> Handover:
    """The row as it is now."""
    return Handover.objects.select_related("request", "owner").get(pk=row.pk)


# --- who may open it -------------------------------------------------------------------------------------------------
def test_a_get_by_anybody_counts_as_nothing_and_mints_nothing() -> None:
    for row in (handed_over(), handed_over(source_owner=OUTSIDE)):
        assert Client().get(page_of(row)).status_code in (200, 302)
        assert (fresh(row).state, fresh(row).opened_at) == (HandoverState.WAITING, None)
        assert EventKind.HANDOVER_OPENED not in kinds(row)
        assert not row.request.attempts.filter(call="card").exists()


def test_an_owner_with_an_account_logs_in_first_and_comes_back() -> None:
    row = handed_over()
    answer = Client().get(page_of(row))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=/handover/")
    for part in ("card/", "pass-on/"):
        posted = Client().post(page_of(row, part), {"to": "x@example.com"})
        assert (posted.status_code, posted["Location"]) == (302, answer["Location"])


@pytest.mark.parametrize("role", ["requester", "approver", "operator", "superuser"])
def test_nobody_but_the_named_owner_opens_it(role: str) -> None:
    factories.person(username="olga")
    row = handed_over(source_owner="olga")
    stranger = logged_in(factories.person(role))
    for answer in (
        stranger.get(page_of(row)),
        stranger.post(page_of(row, "card/")),
        stranger.get(page_of(row, "progress/")),
    ):
        assert answer.status_code == 403
        assert "only the named source owner can open it" in answer.content.decode()
    answer = logged_in(row.request.requester).get(page_of(row))
    assert answer.status_code == 403  # not even who asked for it


def test_the_owner_sees_what_is_asked_and_need_not_see_the_request() -> None:
    CatalogEntry.objects.create(
        kind=Kind.SERVICE,
        fivetran_id="google_sheets",
        name="Google Sheets",
        data={"link_to_docs": "https://fivetran.com/docs/connectors/google-sheets"},
        detail={
            "config": {"properties": {"token_x": {"type": "string", "format": "password", "title": "Sheet token"}}},
            "auth": {"properties": {"refresh_token": {"type": "string"}}},
        },
    )
    olga = factories.person(username="olga")
    row = handed_over(source_owner="olga", reason="Forecast <b>now</b>")
    client = logged_in(olga)
    answer = client.get(page_of(row))
    text = " ".join(answer.content.decode().split())
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    for words in ("Google Sheets", str(row.request.requester), "Sheet token", "signing in to the source", "never sees"):
        assert words in text
    assert re.search(r'href="https://fivetran.com/docs/connectors/google-sheets"\s+rel="noopener noreferrer"', text)
    assert "Forecast &lt;b&gt;now&lt;/b&gt;" in text
    assert text.count(">Open Connect Card</button>") == 1
    assert client.get(f"/requests/{row.request_id}/").status_code == 404
    row = fresh(row)
    assert row.state == HandoverState.OPEN and row.opened_at
    client.get(page_of(row))
    assert kinds(row).count(EventKind.HANDOVER_OPENED) == 1


def test_at_home_the_owner_finds_what_waits_for_them_and_others_do_not() -> None:
    olga = factories.person(username="olga")
    row = handed_over(source_owner="olga")
    link = f'href="{page_of(row)}"'
    home = logged_in(olga).get("/").content.decode()
    assert "Your credentials are needed" in home and link in home
    for other in (row.request.requester, factories.person("operator")):
        text = logged_in(other).get("/").content.decode()
        assert "Your credentials are needed" not in text and row.token not in text
    Handover.objects.update(state=HandoverState.DONE)
    assert "Your credentials are needed" not in logged_in(olga).get("/").content.decode()


# --- without an account ----------------------------------------------------------------------------------------------
def test_the_code_opens_this_hand_over_in_this_browser_only() -> None:
    row, other = handed_over(source_owner=OUTSIDE), handed_over(source_owner=OUTSIDE)
    before = Client().get(page_of(row)).content.decode()
    assert "o…a@elsewhere.example" in before and OUTSIDE not in before
    assert row.request.schema not in before
    client = proved(row)
    assert client.get(page_of(row)).status_code == 200
    assert "Open Connect Card" in client.get(page_of(row)).content.decode()
    event = row.request.events.get(kind=EventKind.HANDOVER_OPENED)
    assert (event.by, event.detail["who"]) == (None, OUTSIDE)
    assert "Is it you?" in client.get(page_of(other)).content.decode()
    assert "Is it you?" in Client().get(page_of(row)).content.decode()
    assert client.get("/requests/").status_code == 302  # and nothing else of the portal


def test_the_proof_ends_after_two_hours(time_machine: Any) -> None:
    row = handed_over(source_owner=OUTSIDE)
    client = proved(row)
    time_machine.move_to(datetime.now(UTC) + timedelta(hours=2, seconds=1))
    assert "Is it you?" in client.get(page_of(row)).content.decode()
    answer = client.post(page_of(row, "card/"))
    assert (answer.status_code, answer["Location"]) == (302, page_of(row))


def asked_by_the_open_page(client: Client, row: Handover) -> tuple[int, str | None, bytes]:
    """What the open page hears: the status, where to go instead, and what would be put into it."""
    answer = client.get(page_of(row, "progress/"), headers={"HX-Request": "true"})
    return answer.status_code, answer.headers.get("HX-Redirect"), answer.content


def test_an_open_page_opens_anew_instead_of_taking_in_another(time_machine: Any) -> None:
    olga, piet = factories.person(username="olga"), factories.person(username="piet")
    row = handed_over(source_owner="olga")
    client, anew = logged_in(olga), (200, page_of(row), b"")
    status, elsewhere, content = asked_by_the_open_page(client, row)
    assert (status, elsewhere) == (200, None) and b'id="progress"' in content
    assert asked_by_the_open_page(Client(), row) == anew  # the session ended
    assert asked_by_the_open_page(logged_in(piet), row) == anew
    assert client.get(page_of(row, "progress/")).status_code == 200
    assert Client().get(page_of(row, "progress/")).status_code == 302
    client.post(page_of(row, "pass-on/"), {"to": "piet"})
    assert asked_by_the_open_page(client, row) == anew  # its link is dead
    outside = handed_over(source_owner=OUTSIDE)
    owner = proved(outside)
    assert asked_by_the_open_page(owner, outside)[1] is None
    time_machine.move_to(datetime.now(UTC) + timedelta(hours=2, seconds=1))
    assert asked_by_the_open_page(owner, outside) == (200, page_of(outside), b"")


def test_a_proof_dies_with_the_owner_it_was_of() -> None:
    row = handed_over(source_owner=OUTSIDE)
    client = proved(row)
    client.post(page_of(row, "pass-on/"), {"to": "next@elsewhere.example"})
    renewed = fresh(row)
    assert client.get(page_of(row)).status_code == 403
    assert "Is it you?" in client.get(page_of(renewed)).content.decode()


def test_five_wrong_codes_are_the_end_of_a_code_even_for_the_right_one() -> None:
    row = handed_over(source_owner=OUTSIDE)
    client = Client()
    client.post(page_of(row, "send-code/"))
    right = mailed_code(OUTSIDE)
    wrong = "0" * 8 if right[0] != "0" else "1" * 8
    said = [client.post(page_of(row, "code/"), {"code": wrong}).content.decode() for _ in range(5)]
    assert "You have 4 more tries" in said[0] and "You have 1 more try." in said[3]
    assert "tried too often" in said[4]
    assert 'aria-describedby="id_code_error' in said[0]
    assert "No code is valid now" in client.post(page_of(row, "code/"), {"code": right}).content.decode()


def test_a_code_counts_once_and_for_fifteen_minutes() -> None:
    row = handed_over(source_owner=OUTSIDE)
    client = Client()
    client.post(page_of(row, "send-code/"))
    code = mailed_code(OUTSIDE)
    Handover.objects.update(code_expires_at=Now())
    assert "No code is valid now" in client.post(page_of(row, "code/"), {"code": code}).content.decode()
    row = handed_over(source_owner=OUTSIDE)
    client.post(page_of(row, "send-code/"))
    code = mailed_code(OUTSIDE)
    assert client.post(page_of(row, "code/"), {"code": code.replace(" ", "")}).status_code == 302
    assert "No code is valid now" in Client().post(page_of(row, "code/"), {"code": code}).content.decode()


@pytest.mark.parametrize("over", ["done", "gone"])
def test_a_link_to_what_is_over_says_so_and_asks_for_no_code(over: str) -> None:
    row = handed_over(source_owner=OUTSIDE)
    client = Client()
    assert "on its way" in client.post(page_of(row, "send-code/"), follow=True).content.decode()
    if over == "done":
        Handover.objects.update(state=HandoverState.DONE, code_sent_at=None, code_nonce="")
    else:
        Handover.objects.update(code_sent_at=None)
        ConnectionRequest.objects.update(deleted_at_fivetran_at=Now())
    answers = [
        client.get(page_of(row)),
        client.post(page_of(row, "send-code/"), follow=True),
        client.post(page_of(row, "code/"), {"code": "12345678"}),
    ]
    for answer in answers:
        text = answer.content.decode()
        assert answer.status_code == 200 and "There is nothing left to do for you here" in text
        assert "Send me a code" not in text and "on its way" not in text and "No new code" not in text
        for secret in (row.request.schema, OUTSIDE, "elsewhere.example", str(row.request.requester)):
            assert secret not in text
    assert Notice.objects.filter(kind="handover_code").count() == 1


@pytest.mark.parametrize("text", ["", "   ", "9" * 41, "é" * 8, "\u0661" * 8])
def test_what_is_no_code_opens_nothing(text: str) -> None:
    row = handed_over(source_owner=OUTSIDE)
    client = Client()
    client.post(page_of(row, "send-code/"))
    answer = client.post(page_of(row, "code/"), {"code": text})
    assert answer.status_code == 200 and "Error: Is it you?" in answer.content.decode()


def test_codes_are_sent_once_a_minute_and_five_times_an_hour() -> None:
    row = handed_over(source_owner=OUTSIDE)
    client = Client()

    def send() -> int:
        client.post(page_of(row, "send-code/"))
        return Notice.objects.filter(kind="handover_code").count()

    assert [send(), send()] == [1, 1]
    counts = []
    for _ in range(6):
        Handover.objects.update(code_sent_at=None)
        counts.append(send())
    assert counts == [2, 3, 4, 5, 5, 5]
    Handover.objects.update(code_sent_at=None, codes_since=None)
    assert send() == 6  # a new hour


def test_the_code_before_opens_nothing_once_another_was_sent() -> None:
    row = handed_over(source_owner=OUTSIDE)
    client = Client()
    client.post(page_of(row, "send-code/"))
    first = mailed_code(OUTSIDE)
    Handover.objects.update(code_sent_at=None)
    client.post(page_of(row, "send-code/"))
    second = mailed_code(OUTSIDE)
    assert first != second
    assert "not the code" in client.post(page_of(row, "code/"), {"code": first}).content.decode()
    assert client.post(page_of(row, "code/"), {"code": second}).status_code == 302


def test_no_code_is_mailed_where_the_owner_has_an_account() -> None:
    row = handed_over()
    Client().post(page_of(row, "send-code/"))
    assert not Notice.objects.filter(kind="handover_code").exists()
    assert "No code is valid" in Client().post(page_of(row, "code/"), {"code": "12345678"}).content.decode()


# --- somebody else has them ------------------------------------------------------------------------------------------
def test_the_owner_gives_it_to_somebody_else() -> None:
    olga, piet = factories.person(username="olga"), factories.person(username="piet", email="piet@example.com")
    row = handed_over(source_owner="olga")
    client = logged_in(olga)
    answer = client.post(page_of(row, "pass-on/"), {"to": "nobody at all"})
    assert 'id="id_to_error"' in answer.content.decode() and fresh(row).owner == olga
    answer = client.post(page_of(row, "pass-on/"), {"to": "piet@example.com"})
    assert "piet@example.com</bdi> gets a link by mail" in answer.content.decode()
    new = fresh(row)
    assert (new.owner, new.state, new.opened_at) == (piet, HandoverState.WAITING, None)
    assert client.get(page_of(row)).status_code == 403  # the old link
    assert client.get(page_of(new)).status_code == 403  # and olga has no part in the new one
    assert logged_in(piet).get(page_of(new)).status_code == 200
    event = row.request.events.get(kind=EventKind.HANDOVER_PASSED_ON)
    assert (event.by, event.actor, event.detail["why"]) == (olga, "source owner", "From olga to piet")
    notifications.send_due()
    assert [m.to for m in mail.outbox if "credentials are needed" in m.subject] == [["piet@example.com"]]


def test_an_owner_without_an_account_gives_it_on_under_the_address() -> None:
    row = handed_over(source_owner=OUTSIDE)
    proved(row).post(page_of(row, "pass-on/"), {"to": "next@elsewhere.example"})
    event = row.request.events.get(kind=EventKind.HANDOVER_PASSED_ON)
    assert (event.by, event.detail["who"]) == (None, OUTSIDE)
    assert fresh(row).address == "next@elsewhere.example"


def test_a_certificate_that_nobody_approved_is_explained_for_who_cannot_approve_it() -> None:
    olga = factories.person(username="olga")
    row = handed_over(source_owner="olga")
    failed = {"title": "Validate Certificate", "status": "FAILED", "message": "No trust anchors for this connection"}
    store_run(row.request.connection, {"setup_tests": [failed]})
    text = logged_in(olga).get(page_of(row)).content.decode()
    assert 'data-diagnosis="certificate_not_trusted"' in text and "approves it in the portal" in text
    assert "To be trusted" not in text
    approver = factories.person("approver")
    text = logged_in(approver).get(f"/requests/{row.request_id}/").content.decode()
    assert "approve it under “To be trusted” on this page" in text


def test_a_done_or_vanished_hand_over_offers_nothing_more() -> None:
    olga = factories.person(username="olga")
    row = handed_over(source_owner="olga")
    client = logged_in(olga)
    Handover.objects.update(state=HandoverState.DONE)
    Connection.objects.update(setup_state="connected")
    text = client.get(page_of(row)).content.decode()
    assert "Connected." in text and "Open Connect Card" not in text
    assert "There is nothing to hand over" in client.post(page_of(row, "card/")).content.decode()
    Handover.objects.update(state=HandoverState.OPEN)
    ConnectionRequest.objects.update(deleted_at_fivetran_at=Now())
    text = client.get(page_of(row)).content.decode()
    assert "no longer at Fivetran" in text and "Open Connect Card" not in text
