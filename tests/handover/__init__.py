"""Hand-overs that wait for their owners, and what the owner's browser does with them."""

from typing import Any

from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from connections import notifications
from connections.models import Handover
from connections.states import Actor, Status
from connections.worker import outcome
from tests import factories

RETURN = "http://localhost/handover/return/"
CARD: dict[str, Any] = {"use_connect_card": True, "connect_card_config__redirect_uri": RETURN}


def handed_over(by: User | None = None, source_owner: str = "", **changes: Any) -> Handover:
    """A request that has just been created, and waits for its source owner's credentials."""
    conn_request = factories.request_in(Status.SENDING, by, **CARD, source_owner=source_owner, **changes)
    incomplete = {"setup_state": "incomplete"}
    outcome.to_created(conn_request, Actor.WORKER, factories.created_data(conn_request, status=incomplete))
    return Handover.objects.select_related("request__requester", "request__connection", "owner").get(
        request=conn_request
    )


def page_of(handover: Handover, part: str = "") -> str:
    """The address of the owner's page, or of one of its parts."""
    return f"/handover/{handover.token}/{part}"


def logged_in(user: User) -> Client:
    """A browser of this person."""
    client = Client()
    client.force_login(user)
    return client


def mailed_code(address: str) -> str:
    """The code in the newest mail to `address`, with the space that people see."""
    notifications.send_due()
    body = next(str(m.body) for m in reversed(mail.outbox) if m.to == [address] and "code" in m.subject)
    return next(line.strip() for line in body.splitlines() if line.strip().replace(" ", "").isdigit())


def proved(handover: Handover) -> Client:
    """A browser in which the owner without an account has entered the mailed code."""
    client = Client()
    client.post(page_of(handover, "send-code/"))
    answer = client.post(page_of(handover, "code/"), {"code": mailed_code(handover.address)})
    assert answer.status_code == 302, answer.content.decode()
    return client


def kinds(handover: Handover) -> list[str]:
    """The kinds of the request's events but its moves, newest first."""
    return [kind for kind in handover.request.events.values_list("kind", flat=True) if kind != "moved"]
