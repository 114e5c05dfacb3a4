"""No Connect Card just now: the page says so, counts down, and asks Fivetran again by itself, with no script needed."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db.models.functions import Now

from connections import notifications
from connections.models import Attempt, BreakerReason, CircuitBreaker, Ending, Handover
from connections.views.handover.connect_card import PAUSES
from tests import factories
from tests.handover import logged_in, page_of
from tests.handover.test_card_and_return import begun, open_card
from tests.sandbox_client import Fivetran


@pytest.fixture
def olga(transactional_db: None) -> User:
    """A source owner with an account."""
    return factories.person(username="olga")


def answer_once(fivetran: Fivetran, status: int, code: str, **headers: str) -> None:
    """What the next request for a card is answered."""
    answer = {"status": status, "headers": headers, "body": {"code": code, "message": "No"}}
    fivetran.next({"method": "POST", "path": "/v1/connections/*", **answer})


def pause_of(answer: Any, row: Handover) -> int | None:
    """After how many seconds the browser asks again by itself; the page says the same."""
    if "Refresh" not in answer:
        return None
    found = re.fullmatch(r"(\d+); url=(.*)", answer["Refresh"])
    assert found and found[2] == page_of(row, "card/again/")
    assert f'data-countdown="{found[1]}"' in answer.content.decode()
    return int(found[1])


def test_a_card_that_has_to_wait(fivetran: Fivetran, approve: Any, olga: User, time_machine: Any) -> None:
    row, client = begun(approve), logged_in(olga)
    answer_once(fivetran, 429, "TooManyRequests", **{"Retry-After": "300"})
    answer = client.post(page_of(row, "card/"))
    page = " ".join(answer.content.decode().split())
    assert answer.status_code == 200 and 295 <= (pause_of(answer, row) or 0) <= 331  # as asked for, with the jitter
    assert "Fivetran asked the portal to wait a moment." in page and "(try 2 of 5)" in page
    assert re.search(r"tries again by itself in <strong[^>]*>[56] minutes</strong>", page)
    assert 'type="submit"' in page and "Stop trying" in page
    breaker = CircuitBreaker.objects.get()
    assert breaker.reason == BreakerReason.RATE_LIMITED and breaker.not_before is not None
    [attempt] = Attempt.objects.filter(call=Attempt.Call.CARD)
    assert attempt.ending == Ending.RATE_LIMITED
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    again = client.get(page_of(row, "card/again/"))  # too early
    assert pause_of(again, row) and "(try 3 of 5)" in again.content.decode()
    assert Attempt.objects.filter(call=Attempt.Call.CARD).count() == 1  # Fivetran was not asked
    CircuitBreaker.objects.update(not_before=Now())
    led = client.get(page_of(row, "card/again/"))
    assert led.status_code == 303 and "/connect-card/setup" in led["Location"]
    assert client.get(page_of(row, "card/again/"))["Location"] == page_of(row)  # once: nobody waits any more
    assert pause_of(client.get(page_of(row)), row) is None


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_answer_that_is_none_is_waited_for_a_few_times(
    fivetran: Fivetran, approve: Any, olga: User, status: int
) -> None:
    row, client = begun(approve), logged_in(olga)
    pauses = []
    for tries in range(len(PAUSES) + 1):
        answer_once(fivetran, status, "Oops")
        answer = client.get(page_of(row, "card/again/")) if tries else client.post(page_of(row, "card/"))
        assert answer.status_code == 200 and "Fivetran does not answer just now." in answer.content.decode()
        pauses.append(pause_of(answer, row))
    assert pauses == [*PAUSES, None]
    assert client.get(page_of(row, "card/again/"))["Location"] == page_of(row)
    assert Attempt.objects.filter(call=Attempt.Call.CARD).count() == len(PAUSES) + 1  # each counts for the hour
    assert open_card(client, row)


def test_nobody_listens_and_then_somebody_does(fivetran: Fivetran, approve: Any, olga: User, settings: Any) -> None:
    row, client = begun(approve), logged_in(olga)
    address, settings.FIVETRAN_BASE_URL = settings.FIVETRAN_BASE_URL, "http://127.0.0.1:9"
    assert pause_of(client.post(page_of(row, "card/")), row) == PAUSES[0]
    settings.FIVETRAN_BASE_URL = address
    assert client.get(page_of(row, "card/again/")).status_code == 303


def test_a_get_makes_no_card_for_who_did_not_press_the_button(
    fivetran: Fivetran, approve: Any, olga: User, time_machine: Any
) -> None:
    row, client = begun(approve), logged_in(olga)
    assert client.get(page_of(row, "card/again/"))["Location"] == page_of(row)
    answer_once(fivetran, 503, "Oops")
    client.post(page_of(row, "card/"))
    assert logged_in(olga).get(page_of(row, "card/again/"))["Location"] == page_of(row)  # another browser
    time_machine.move_to(datetime.now(UTC) + timedelta(minutes=11))  # the tab slept
    assert client.get(page_of(row, "card/again/"))["Location"] == page_of(row)
    assert Attempt.objects.filter(call=Attempt.Call.CARD).count() == 1


def test_waiting_uses_none_of_the_cards_of_an_hour(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row, client = begun(approve), logged_in(olga)
    for _ in range(30):
        Attempt.objects.create(request=row.request, call=Attempt.Call.CARD, ending=Ending.RATE_LIMITED)
    open_card(client, row)


def test_a_refusal_that_operators_mend_tells_them_once(
    fivetran: Fivetran, approve: Any, olga: User, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    operator, row, client = factories.person("operator"), begun(approve), logged_in(olga)
    for _ in range(2):
        answer_once(fivetran, 403, "Forbidden")
        page = html.unescape(client.post(page_of(row, "card/")).content.decode())
        assert "The portal's operators were told and look at it." in page
    notifications.send_due()
    [told] = [str(message.body) for message in mail.outbox if message.to == [operator.email]]
    assert "may not test this connection, make a Connect Card" in " ".join(told.split())


def test_a_refused_key_counts_for_the_gate_too(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row, client = begun(approve), logged_in(olga)
    answer_once(fivetran, 401, "AuthFailed")
    assert pause_of(client.post(page_of(row, "card/")), row) is None
    assert CircuitBreaker.objects.get().reason == BreakerReason.AUTH


def test_the_policy_of_each_page_with_the_button_names_the_cards_site(
    fivetran: Fivetran, approve: Any, olga: User, settings: Any
) -> None:
    row, client = begun(approve), logged_in(olga)
    root = settings.FIVETRAN_BASE_URL.removesuffix("/")
    assert open_card(client, row).startswith(f"{root}/")
    for page in (page_of(row), f"/requests/{row.request_id}/"):
        reader = client if page == page_of(row) else logged_in(row.request.requester)
        policy = reader.get(page)["Content-Security-Policy"]
        assert re.search(rf"form-action 'self' {re.escape(root)} [^;]*(;|$)", policy), policy
    settings.FIVETRAN_BASE_URL = "https://api.fivetran.com"
    assert (
        "form-action 'self' https://fivetran.com https://*.fivetran.com"
        in client.get(page_of(row))["Content-Security-Policy"]
    )
    assert "fivetran.com" not in client.get("/")["Content-Security-Policy"]
