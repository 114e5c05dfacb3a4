"""A 429 while a Connect Card is made: it counts for the whole account, and the owner's page tries again by itself."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now

from connections.models import Attempt, BreakerReason, CircuitBreaker, Ending
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


def delay_of(page: str) -> int | None:
    """In how many seconds the page presses its button itself."""
    found = re.search(r'hx-post="[^"]+/card/"\s+hx-trigger="load delay:(\d+)s, submit"\s+hx-target="body"', page)
    return int(found[1]) if found else None


def test_a_card_that_has_to_wait(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row, client = begun(approve), logged_in(olga)
    answer_once(fivetran, 429, "TooManyRequests", **{"Retry-After": "300"})
    answer = client.post(page_of(row, "card/"))
    page = answer.content.decode()
    assert 295 <= (delay_of(page) or 0) <= 331  # what Fivetran asked for, with the jitter
    assert f"tries again by itself in {delay_of(page)} seconds" in page
    assert 'type="submit"' in page  # without script the button does the same
    breaker = CircuitBreaker.objects.get()
    assert breaker.reason == BreakerReason.RATE_LIMITED and breaker.not_before is not None
    [attempt] = Attempt.objects.filter(call=Attempt.Call.CARD)
    assert attempt.ending == Ending.RATE_LIMITED
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    again = client.post(page_of(row, "card/"), headers={"HX-Request": "true"}).content.decode()
    assert delay_of(again) and Attempt.objects.filter(call=Attempt.Call.CARD).count() == 1  # Fivetran was not asked
    CircuitBreaker.objects.update(not_before=Now())
    open_card(client, row)
    assert delay_of(client.get(page_of(row)).content.decode()) is None


def test_waiting_uses_none_of_the_cards_of_an_hour(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row, client = begun(approve), logged_in(olga)
    for _ in range(30):
        Attempt.objects.create(request=row.request, call=Attempt.Call.CARD, ending=Ending.RATE_LIMITED)
    open_card(client, row)


def test_a_refused_key_counts_for_the_gate_too(fivetran: Fivetran, approve: Any, olga: User) -> None:
    row, client = begun(approve), logged_in(olga)
    answer_once(fivetran, 401, "AuthFailed")
    assert delay_of(client.post(page_of(row, "card/")).content.decode()) is None
    assert CircuitBreaker.objects.get().reason == BreakerReason.AUTH
