"""What happens to a connection after its creation, with a secret at every turn; for the journey of `test_canaries`.

Whatever Fivetran is said to answer here was put there by somebody else's tool, or by Fivetran's mistake.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from connections import catalog, notifications, worker
from connections.models import ChangeKind, Connection, ConnectionChange, ConnectionRequest, Handover, Observation
from connections.states import ChangeStatus, Status
from tests import factories, processes, secret_canaries
from tests.handover import CARD
from tests.handover.test_card_and_return import open_card, way_back
from tests.sandbox_client import Fivetran
from tests.secret_canaries import CANARIES, OUTSIDE, Journey

UNMASKED = CANARIES["a config that Fivetran does not mask"]
TOKEN = CANARIES["the Connect Card's token"]
FOREIGN_CARD = f"https://fivetran.com/connect-card/setup?auth={TOKEN}"
REASON = f"For the board. {CANARIES['typed into the reason']}"
As = Callable[..., Client]


def described(request: Any, **more: Any) -> dict[str, Any]:
    """What Fivetran says of a connection, with everything in it that it should have kept to itself."""
    config = {"password": UNMASKED, "schema": request.schema, "accounts": [{"api_key": UNMASKED, "name": "a"}]}
    said: dict[str, Any] = {
        "config": config | {"table": UNMASKED},
        "connect_card": {"token": TOKEN, "uri": FOREIGN_CARD},
        "connect_card_config": {"redirect_uri": FOREIGN_CARD, "hide_setup_guide": False},
        "auth": {"refresh_token": UNMASKED},
        "status": {"setup_state": "incomplete", "sync_state": "scheduled", "warnings": [{"message": echo()}]},
    }
    return factories.created_data(request, **said | more)


def echo() -> str:
    """A text in which somebody quotes the call that failed."""
    pair = f"{secret_canaries.API_KEY} and {secret_canaries.API_SECRET}"
    return f"{pair} ({CANARIES['the Basic token made of both']}) were refused"


def answer(path: str, data: Any, status: int = 200, method: str = "GET", **body: Any) -> dict[str, Any]:
    """An answer that the sandbox gives once."""
    whole = {"code": "Success", "message": "", "data": data} | body
    return {"path": path, "method": method, "status": status, "body": whole}


def waited(what: str, ready: Callable[[], object]) -> None:
    """Until the worker has done it."""
    rows = ConnectionRequest.objects.values("pk", "status", "note", "failure_message", "connection__setup_state")
    processes.until(ready, 40, story=lambda: f"{what}: {list(rows)}")


# --- the hand-over ---------------------------------------------------------------------------------------------------
def handed_over(journey: Journey, fivetran: Fivetran, cast: dict[str, User], as_user: As, group: str) -> Handover:
    """Created, handed to a user and by that one to somebody outside, who opens the card and comes back."""
    conn_request = factories.approved(
        cast["requester"],
        cast["approver"],
        group_id=group,
        config__schema="journey_card",
        config__table="t",
        source_owner="requester2",
        reason=REASON,
        **CARD,
    )
    waited("a connection with a hand-over", lambda: Handover.objects.filter(request=conn_request).exists())
    row = Handover.objects.select_related("request__connection", "owner").get(request=conn_request)
    journey.later["the link of the first owner"] = row.token
    notifications.send_due()
    _opened(journey, as_user("requester2"), row, "first")
    page = f"/handover/{row.token}/pass-on/"
    assert as_user("requester2").post(page, {"to": OUTSIDE}).status_code == 200
    row.refresh_from_db()
    journey.later["the link of the second owner"] = row.token
    client = Client()
    client.post(f"/handover/{row.token}/send-code/")
    code = _code(journey)
    journey.later["the mailed code"] = code
    assert client.post(f"/handover/{row.token}/code/", {"code": code}).status_code == 302
    back = _opened(journey, client, row, "second")
    told = described(conn_request, id=ConnectionRequest.objects.get(pk=conn_request.pk).connection_id)
    fivetran.next(answer(f"/v1/connections/{told['id']}", told), *_failing(told))
    other = Client().get(back)  # somebody else, with the state alone, learns no link
    assert other.status_code == 200 and row.token not in other.content.decode()
    runs = Connection.objects.get(request=conn_request).runs
    before = runs.count()
    assert client.get(back).status_code == 302
    waited("the setup tests after the return", lambda: runs.count() > before)
    return row


def _opened(journey: Journey, client: Client, row: Handover, which: str) -> str:
    """Mint a card: its token, and the state that it brings back, are canaries from now on. The way back."""
    card = open_card(client, row)
    token = re.search(r"auth=([^&]+)", card)
    back = way_back(card)
    assert token
    journey.later[f"the token of the {which} minted card"] = token[1]
    journey.later[f"the beginning of the {which} card's token"] = f"{token[1].partition('.')[0]}."
    journey.later[f"the state of the {which} card"] = back.partition("state=")[2]
    return back


def _code(journey: Journey) -> str:
    """The code, from whichever process mailed it."""
    notifications.send_due()
    where = f"mail to {OUTSIDE}: [Connections] Your code"

    def codes() -> list[str]:
        texts = (text for place, text in secret_canaries.mails(journey) if place.startswith(where))
        return [code for text in texts for code in re.findall(r"^\s*(\d{4} \d{4})\s*$", text, re.M)]

    waited("a mailed code", codes)
    return codes()[-1]


def _failing(told: dict[str, Any]) -> list[dict[str, Any]]:
    """A run of the setup tests that quotes the call, in words that have a diagnosis too."""
    tests = [
        {"title": "Validating login", "status": "FAILED", "message": f"Access denied: {echo()}", "details": None},
        {"title": "Connecting to host", "status": "FAILED", "message": echo(), "details": {"said": [echo()]}},
    ]
    return [answer(f"/v1/connections/{told['id']}/test", told | {"setup_tests": tests}, method="POST")]


# --- hints, lists, changes, adoption ---------------------------------------------------------------------------------
def hinted(journey: Journey, fivetran: Fivetran, conn_request: ConnectionRequest, settings: Any) -> None:
    """The webhook is registered, a delivery taken, a forged one refused; the list and the answer tell too much."""
    secret = settings.FIVETRAN_WEBHOOK_SECRET = CANARIES["the webhook's secret"]
    out = StringIO()
    with pytest.raises(Exception, match="could not be registered") as refused:
        fivetran.next(answer("/v1/webhooks/account", None, 400, "POST", code="InvalidInput", message=f"{secret}?"))
        call_command("register_webhook", stdout=out, stderr=out)
    journey.printed += [out.getvalue(), str(refused.value)]
    said = CANARIES["what a webhook says"]
    event: dict[str, Any] = {
        "event": "connection_failure",
        "created": timezone.now().isoformat(),
        "connector_name": said,
    }
    event |= {"connector_id": conn_request.connection_id, "data": {"reason": f"{said} {UNMASKED}"}}
    body = json.dumps(event).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().upper()
    journey.later["a webhook's signature"] = signature
    told = described(conn_request, id=conn_request.connection_id)
    fivetran.next(answer(f"/v1/connections/{conn_request.connection_id}", told))
    for sign, status in ((signature, 200), (signature[::-1], 403), (signature, 200)):
        given = Client().post(
            "/webhooks/fivetran/", body, content_type="application/json", headers={"X-Fivetran-Signature-256": sign}
        )
        assert given.status_code == status
    due = Connection.objects.filter(request=conn_request).exclude(check_due_at=None)
    waited("the check after a webhook", lambda: not due.exists())
    listed = [told | {"paused": True, "networking_method": "SshTunnel"}]
    fivetran.next(answer("/v1/connections", {"items": listed, "next_cursor": None}))
    Observation.objects.all().delete()
    worker.run("observe")
    row = Connection.objects.get(request=conn_request)
    assert row.live.get("networking_method") == "SshTunnel", row.live
    assert "config.table" in [one["field"] for one in row.drift], row.drift


def changed(fivetran: Fivetran, cast: dict[str, User], as_user: As, conn_request: ConnectionRequest) -> None:
    """One change is made and one refused, each with more in its form and its answer than there should be."""
    path = f"/v1/connections/{conn_request.connection_id}"
    told = described(conn_request, id=conn_request.connection_id)
    answers = {
        ChangeKind.UNPAUSE: answer(path, told | {"paused": False}, method="PATCH"),
        ChangeKind.PAUSE: answer(path, None, 400, "PATCH", code="InvalidInput", message=echo()),
    }
    for (kind, given), ending in zip(answers.items(), (ChangeStatus.DONE, ChangeStatus.FAILED), strict=True):
        form = {"kind": kind.value, "reason": REASON, "config__password": CANARIES["typed into a form"]}
        asked = as_user("requester").post(f"/requests/{conn_request.pk}/changes/new/", form)
        change = ConnectionChange.objects.get(status=ChangeStatus.PENDING)
        assert (asked.status_code, change.kind) == (302, kind)
        fivetran.next(given)
        as_user("approver").post(f"/changes/{change.pk}/approve/", {"digest": change.digest})
        ended = ConnectionChange.objects.filter(pk=change.pk, status__in=["done", "failed"])
        waited("a change", ended.exists)
        change.refresh_from_db()
        assert change.status == ending, (change.status, change.failure_message)


def adopted(fivetran: Fivetran, as_user: As, group: str) -> ConnectionRequest:
    """A stranger's connection, whose configuration holds secrets, masks, and the address of somebody's card."""
    made = fivetran.seed(group_id=group, service="google_sheets", schema="foreign.t", config={"schema": "foreign"})
    catalog.refresh_all()
    config = {
        "schema": "foreign",
        "table": "t",
        "password": UNMASKED,
        "api_key": "******",
        "accounts": [{"name": "a", "api_key": UNMASKED}, {"name": "b", "api_key": "******"}],
        "deep": {"er": {"rows": [[{"client_secret": UNMASKED}]], "private_key": UNMASKED}},
    }
    coming = ConnectionRequest(pk=9_900, service="google_sheets", group_id=group, schema="foreign.t")
    told = described(coming, id=made["id"], config=config)
    fivetran.next(answer(f"/v1/connections/{made['id']}", told))
    form = {"owner": "requester", "reason": REASON, "config__password": CANARIES["typed into a form"]}
    given = as_user("operator").post(f"/operations/adopt/{made['id']}/", form)
    assert given.status_code == 302, unescape(given.content.decode())
    conn_request = ConnectionRequest.objects.get(connection_id=made["id"])
    assert (
        conn_request.state is Status.CREATED and conn_request.payload and conn_request.payload["config"]["table"] == "t"
    )
    return conn_request
