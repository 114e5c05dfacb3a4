"""When a hand-over begins, whom it waits for, and what its owner is mailed."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail, signing
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from connections import interactive, notifications
from connections.models import Connection, EventKind, Handover, HandoverState, Notice, NoticeKind, find_owner
from connections.models.handover import CODE_DIGITS
from connections.states import Status
from connections.workflow import operations
from tests import factories
from tests.handover import CARD, handed_over, kinds, page_of

pytestmark = pytest.mark.django_db


def test_it_begins_with_the_creation_and_the_owner_is_mailed_one_stable_link() -> None:
    owner = factories.person(username="olga", email="olga@example.com")
    row = handed_over(source_owner="olga")
    assert (row.owner, row.address, row.state) == (owner, "", HandoverState.WAITING)
    assert kinds(row) == [EventKind.HANDOVER_SENT]
    assert row.request.connection.tests == "none"  # the setup tests come after the hand-over
    notifications.send_due()
    [message] = [m for m in mail.outbox if m.to == ["olga@example.com"]]
    assert message.subject == f"[Connections] Your credentials are needed: request #{row.request_id}"
    assert f"http://localhost{page_of(row)}" in str(message.body).split()
    assert "asks you to log in" in message.body and str(row.request.requester) in message.body


def test_without_a_card_in_the_body_and_where_it_is_connected_already_nobody_is_asked() -> None:
    factories.request_in(Status.CREATED)
    factories.request_in(Status.CREATED, **CARD)  # the factory's answer says "connected"
    assert not Handover.objects.exists()


@pytest.mark.parametrize("named", ["", "left"], ids=["nobody named", "an account that was closed"])
def test_the_requester_is_the_owner_where_nobody_else_can_be(named: str) -> None:
    factories.person(username="left", is_active=False)
    requester = factories.person()
    assert handed_over(requester, source_owner=named).owner == requester


def test_an_address_means_its_user_and_else_only_itself() -> None:
    user = factories.person(username="uma", email="uma@example.com")
    assert find_owner("UMA@example.com") == (user, "")
    assert find_owner("uma") == (user, "")
    assert find_owner("nobody@example.com") == (None, "nobody@example.com")
    assert find_owner("nobody") == (None, "")
    factories.person(username="second", email="uma@example.com")
    assert find_owner("uma@example.com") == (None, "uma@example.com")  # of two, nobody is meant


def test_an_operators_adoption_begins_it_too(fivetran: Any, group: str) -> None:
    conn_request = factories.request_in(
        Status.ATTENTION, **CARD, group_id=group, config__schema="found", config__table="t"
    )
    there = fivetran.seed(service="google_sheets", group_id=group, schema="found.t")
    operator = factories.person("operator")
    operations.adopt(by=operator, conn_request=conn_request, connection_id=there["id"], reason="It is ours")
    assert Connection.objects.get().tests == "none"
    assert Handover.objects.get().owner == conn_request.requester
    assert Notice.objects.filter(kind=NoticeKind.HANDOVER).count() == 1


def test_the_database_wants_exactly_one_owner() -> None:
    row = handed_over()
    for columns in ({"owner": None}, {"address": "both@example.com"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Handover.objects.filter(pk=row.pk).update(**columns)


# --- what opens it ---------------------------------------------------------------------------------------------------
def test_a_token_opens_its_own_hand_over_until_the_nonce_changes() -> None:
    one, other = handed_over(), handed_over()
    assert Handover.objects.by_token(one.token) == one
    assert Handover.objects.by_token(other.token) == other
    Handover.objects.filter(pk=one.pk).update(nonce="0" * 32)
    assert Handover.objects.by_token(one.token) is None


@pytest.mark.parametrize("token", ["", "x", "1-2", "1-2.3", "\0", "é" * 40, "9" * 5000])
def test_a_forged_token_opens_nothing(token: str) -> None:
    handed_over()
    assert Handover.objects.by_token(token) is None


@pytest.mark.parametrize("content", ["x-y", "-", "99999999999999999999999-a", "1"])
def test_a_signature_over_something_else_opens_nothing(content: str) -> None:
    handed_over()
    assert Handover.objects.by_token(signing.Signer(salt="connections.handover.link", sep=".").sign(content)) is None


def test_the_code_is_derived_and_another_issue_is_another_code() -> None:
    row = handed_over(source_owner="out@example.com")
    assert row.code == ""
    row.code_nonce = "a"
    first = row.code
    assert len(first) == CODE_DIGITS and first.isdigit() and first == row.code
    row.code_nonce = "b"
    assert row.code != first


# --- the mail is about whoever it goes to ----------------------------------------------------------------------------
def test_a_mail_that_waited_until_it_was_somebody_elses_is_not_sent() -> None:
    old, new = factories.person(username="old"), factories.person(username="new")
    row = handed_over(source_owner="old")
    Handover.objects.filter(pk=row.pk).update(owner=new)
    notifications.send_due()
    assert not [m for m in mail.outbox if m.to == [old.email]]
    assert Notice.objects.get(kind=NoticeKind.HANDOVER).error == "no longer due"


def test_a_code_that_is_no_longer_valid_is_not_mailed() -> None:
    row = handed_over(source_owner="out@example.com")
    notifications.tell_owner(row, NoticeKind.HANDOVER_CODE)
    Handover.objects.update(code_nonce="a", code_expires_at=Now() - timedelta(seconds=1))
    notifications.send_due()
    assert [m.subject.split(":")[0] for m in mail.outbox if m.to == ["out@example.com"]] == [
        "[Connections] Your credentials are needed"
    ]


# --- the address of a card (where it may lead) -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("https://fivetran.com/connect-card/setup?auth=x", True),
        ("https://app.fivetran.com/connect-card/setup?auth=x", True),
        ("http://fivetran.com/connect-card/setup", False),
        ("https://fivetran.com.evil.example/x", False),
        ("https://evilfivetran.com/x", False),
        ("https://fivetran.com@evil.example/x", False),
        ("https://evil.example/?fivetran.com", False),
        ("https://fivetran.com:8443/x", False),
        ("https://fivetran.com:port/x", False),
        ("https://fivetran.com\\@evil.example/", False),
        ("//fivetran.com/x", False),
        ("javascript:alert(1)//fivetran.com", False),
        ("https://[", False),
        ("https://fivetran.com/\u202e", False),
        ("", False),
    ],
)
def test_a_card_of_fivetrans_is_on_fivetrans_own_host(uri: str, allowed: bool, settings: Any) -> None:
    settings.FIVETRAN_BASE_URL = "https://api.fivetran.com"
    assert interactive.connect_card.is_fivetrans(uri) is allowed


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("http://127.0.0.1:9999/connect-card/setup", True),
        ("https://127.0.0.1/x", False),
        ("http://localhost/x", False),
        ("https://fivetran.com/x", False),
    ],
)
def test_another_api_root_has_its_cards_on_its_own_host(uri: str, allowed: bool, settings: Any) -> None:
    settings.FIVETRAN_BASE_URL = "http://127.0.0.1:8100"
    assert interactive.connect_card.is_fivetrans(uri) is allowed
