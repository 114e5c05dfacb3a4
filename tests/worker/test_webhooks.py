"""Fivetran's webhooks: signed, once, and never more than a hint."""

import hashlib
import hmac
import json
import logging
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import requests
import time_machine
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from connections import worker
from connections.models import Connection, ConnectionRequest, EventKind, WebhookDelivery
from connections.states import Status
from tests import factories
from tests.processes import until
from tests.sandbox_client import Fivetran

SECRET = "shared-with-fivetran"
URL = "/webhooks/fivetran/"


@pytest.fixture(autouse=True)
def secret(settings: Any) -> None:
    settings.FIVETRAN_WEBHOOK_SECRET = SECRET


@pytest.fixture
def request_row(db: None) -> ConnectionRequest:
    """A request with a connection that Fivetran's webhooks may speak of."""
    return factories.request_in(Status.CREATED)


def body_of(conn_request: ConnectionRequest | None, **changes: Any) -> bytes:
    event = {
        "event": "connection_failure",
        "created": timezone.now().isoformat(),
        "connector_type": "google_sheets",
        "connector_id": conn_request.connection_id if conn_request else "somebody_else",
        "connector_name": "canary.name",
        "destination_group_id": "projected_sickle",
        "data": {"status": "canary-status"},
    }
    return json.dumps({key: value for key, value in (event | changes).items() if value is not None}).encode()


def signature(body: bytes, key: str = SECRET) -> str:
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def deliver(body: bytes, sign: str | None = None, **headers: str) -> int:
    """Deliver as Fivetran does: without a session, a cookie or a CSRF token; the status."""
    if sign is not None:
        headers["X-Fivetran-Signature-256"] = sign
    client = Client(enforce_csrf_checks=True)
    return client.post(URL, body, content_type="application/json", headers=headers).status_code


def is_due() -> bool:
    return Connection.objects.filter(check_due_at__lte=Now()).exists()


@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_a_signed_delivery_is_a_hint_in_either_case(request_row: ConnectionRequest, case: Any) -> None:
    body = body_of(request_row)
    assert deliver(body, case(signature(body))) == 200
    assert is_due()
    assert worker.sweep()["check"] == [request_row.pk]


def test_nothing_of_a_delivery_is_kept(request_row: ConnectionRequest, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    body = body_of(request_row)
    before = list(Connection.objects.values("fivetran_status", "setup_state"))
    assert deliver(body, signature(body)) == 200
    assert list(Connection.objects.values("fivetran_status", "setup_state")) == before
    assert WebhookDelivery.objects.get().digest == hashlib.sha256(body).hexdigest()
    stored = str(list(WebhookDelivery.objects.values())) + str(list(Connection.objects.values())) + caplog.text
    assert "canary" not in stored
    assert SECRET not in stored
    assert not request_row.events.exclude(kind=EventKind.MOVED).exists()


@pytest.mark.parametrize(
    "sign",
    [None, "", "0" * 64, signature(b"another body"), "sha256=" + "0" * 64, "ä" * 64, signature(b"", "")],
)
def test_a_forged_delivery_is_refused_without_a_word(request_row: ConnectionRequest, sign: str | None) -> None:
    client = Client()
    headers = {} if sign is None else {"X-Fivetran-Signature-256": sign}
    answer = client.post(URL, body_of(request_row), content_type="application/json", headers=headers)
    assert (answer.status_code, answer.content) == (403, b"")
    assert not is_due()
    assert not WebhookDelivery.objects.exists()


def test_another_secret_and_a_changed_body_are_forgeries(request_row: ConnectionRequest) -> None:
    body = body_of(request_row)
    assert deliver(body, signature(body, "another-secret")) == 403
    assert deliver(body + b" ", signature(body)) == 403
    assert not is_due()


def test_a_replayed_delivery_has_no_effect(request_row: ConnectionRequest) -> None:
    body = body_of(request_row)
    assert deliver(body, signature(body)) == 200
    Connection.objects.update(check_due_at=None)
    assert deliver(body, signature(body).upper()) == 200
    assert not is_due()
    assert WebhookDelivery.objects.count() == 1


@pytest.mark.parametrize(("age", "status"), [(timedelta(hours=47), 200), (timedelta(hours=49), 400)])
def test_an_old_delivery_is_refused(request_row: ConnectionRequest, age: timedelta, status: int) -> None:
    body = body_of(request_row, created=(timezone.now() - age).isoformat())
    assert deliver(body, signature(body)) == status
    assert is_due() is (status == 200)


def test_a_replay_is_known_or_refused_at_every_age(request_row: ConnectionRequest) -> None:
    start = timezone.now()
    body = body_of(request_row)
    assert deliver(body, signature(body)) == 200
    for hours in (1, 30, 47, 49, 71, 73, 200):
        Connection.objects.update(check_due_at=None)
        WebhookDelivery.objects.update(at=Now() - timedelta(hours=hours))
        worker.sweep()
        with time_machine.travel(start + timedelta(hours=hours)):
            assert deliver(body, signature(body)) == (200 if hours < 48 else 400)
        assert Connection.objects.get().check_due_at is None
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize("created", [None, "yesterday", 7, "9999-12-31T23:59:59-23:59"])
def test_without_a_readable_time_it_is_taken_and_ignored(request_row: ConnectionRequest, created: Any) -> None:
    body = body_of(request_row, created=created)
    assert deliver(body, signature(body)) == 200
    assert not is_due()


def test_one_from_the_future_is_refused(request_row: ConnectionRequest) -> None:
    body = body_of(request_row, created=(timezone.now() + timedelta(hours=1)).isoformat())
    assert deliver(body, signature(body)) == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 50_000, b'"text"'])
def test_what_is_no_object_is_refused(db: None, body: bytes) -> None:
    assert deliver(body, signature(body)) == 400


@pytest.mark.parametrize(
    "connector_id", [None, 7, "", "x" * 300, "a\x00b", "\ud800", ["x"], {"a": 1}, "' OR 1=1 --", "somebody_else"]
)
def test_an_unknown_connection_is_no_hint(request_row: ConnectionRequest, connector_id: Any) -> None:
    body = body_of(request_row, connector_id=connector_id)
    assert deliver(body, signature(body)) == 200
    assert not is_due()


def test_a_gone_connection_is_not_asked_for(request_row: ConnectionRequest) -> None:
    ConnectionRequest.objects.update(deleted_at_fivetran_at=Now())
    body = body_of(request_row)
    assert deliver(body, signature(body)) == 200
    assert not is_due()


def test_syncs_are_hints_only_until_the_first_data(request_row: ConnectionRequest) -> None:
    for first, hinted in ((None, True), (timezone.now(), False)):
        Connection.objects.update(first_data_at=first, check_due_at=None)
        body = body_of(request_row, event="sync_end", sync_id=str(first))
        assert deliver(body, signature(body)) == 200
        assert is_due() is hinted


def test_a_large_body_is_refused_unread(request_row: ConnectionRequest) -> None:
    fits = body_of(request_row, data={"x": ""})
    fits = body_of(request_row, data={"x": "y" * (64 * 1024 - len(fits))}, created=json.loads(fits)["created"])
    assert len(fits) == 64 * 1024
    assert deliver(fits, signature(fits)) == 200
    too_large = fits + b" "
    assert deliver(too_large, signature(too_large)) == 413


def test_without_a_secret_the_address_does_not_exist(request_row: ConnectionRequest, settings: Any) -> None:
    settings.FIVETRAN_WEBHOOK_SECRET = ""
    body = body_of(request_row)
    assert deliver(body, signature(body, "")) == 404
    assert Client().get(URL).status_code == 404


def test_only_post_is_answered(db: None) -> None:
    assert Client().get(URL).status_code == 405


# --- with the stand-in, over real sockets ----------------------------------------------------------------------------


def register(**options: Any) -> str:
    out = StringIO()
    call_command("register_webhook", stdout=out, **options)
    return out.getvalue()


def test_a_change_at_fivetran_comes_in_by_itself(
    fivetran: Fivetran, approve: Any, live_server: Any, settings: Any
) -> None:
    settings.PUBLIC_URL = live_server.url
    assert "is registered." in register()
    assert "already, and active" in register()
    assert WebhookDelivery.objects.count() == 1, "Fivetran's trial was signed as we check it"
    request = approve("told")
    worker.run("submit", request.pk)
    request.refresh_from_db()
    until(lambda: WebhookDelivery.objects.count() >= 2)
    Connection.objects.update(check_due_at=None)
    api = f"{fivetran.url}/v1/connections/{request.connection_id}"
    auth = ("sandbox-key", "sandbox-secret")
    requests.patch(api, json={"paused": True, "run_setup_tests": False}, auth=auth, timeout=10)
    until(is_due)
    worker.run("check", request.pk)
    assert Connection.objects.get().drift == [{"field": "paused", "approved": False, "live": True}]
    until(lambda: WebhookDelivery.objects.count() >= 4)
    Connection.objects.update(check_due_at=None)
    requests.delete(api, auth=auth, timeout=10)
    until(is_due)
    worker.run("check", request.pk)
    request.refresh_from_db()
    assert request.deleted_at_fivetran_at


def test_a_webhook_that_is_switched_off_is_said(fivetran: Fivetran, live_server: Any, settings: Any) -> None:
    settings.PUBLIC_URL = live_server.url
    register()
    auth = ("sandbox-key", "sandbox-secret")
    [hook] = requests.get(f"{fivetran.url}/v1/webhooks", auth=auth, timeout=10).json()["data"]["items"]
    requests.patch(f"{fivetran.url}/v1/webhooks/{hook['id']}", json={"active": False}, auth=auth, timeout=10)
    with pytest.raises(CommandError, match="not active"):
        register()
    assert SECRET not in json.dumps(fivetran.call("journal"))


@pytest.mark.parametrize("address", ["http://portal.example.com", "https://portal.example.com"])
def test_addresses_that_fivetran_cannot_reach_are_not_registered(
    fivetran: Fivetran, settings: Any, address: str
) -> None:
    settings.PUBLIC_URL = address
    with pytest.raises(CommandError, match="https only"):
        register()


def test_without_a_secret_nothing_is_registered(settings: Any) -> None:
    settings.FIVETRAN_WEBHOOK_SECRET, settings.PUBLIC_URL, settings.FIVETRAN_IS_LOCAL = "", "http://127.0.0.1", True
    with pytest.raises(CommandError, match="FIVETRAN_WEBHOOK_SECRET"):
        register()
