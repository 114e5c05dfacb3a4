"""Webhooks from Fivetran: a hint that a connection changed. What they say of it is neither kept nor shown."""

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from connections import tasks
from connections.models import Connection, WebhookDelivery
from connections.models.connection import moment_of
from connections.models.webhook import ACCEPTED
from connections.states import Status

log = logging.getLogger(__name__)
AHEAD = timedelta(minutes=10)  # that Fivetran's clock may be ahead of ours
_ID = re.compile(r"[A-Za-z0-9_]{1,255}")


class Forged(Exception):
    """The signature is missing or not that of the body."""


class Unusable(Exception):
    """Signed, but not a JSON object, or too old."""


def take_webhook(*, body: bytes, signature: str) -> None:
    """Make the connection that a signed `body` names due for a check. Raises Forged, Unusable; then wrote nothing."""
    # 1. Signed with our secret, and of now: an old delivery could be a replay whose digest is forgotten.
    # `X-Fivetran-Signature-256` is the hexadecimal HMAC-SHA256 of the raw body, in upper case as seen live.
    secret = settings.FIVETRAN_WEBHOOK_SECRET
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = signature.strip().lower().encode("utf-8", "replace")
    if not (secret and hmac.compare_digest(expected.encode(), given)):
        raise Forged
    event = read_event(body)
    sent_at = moment_of(event.get("created"))
    if sent_at is None:
        log.info("a webhook without a readable time was ignored: it could not be told from a replay")
        return
    if not -AHEAD <= timezone.now() - sent_at <= ACCEPTED:
        raise Unusable("It is not of the last two days.")
    with transaction.atomic():
        # 2. Not delivered before.
        if not WebhookDelivery.objects.is_new(hashlib.sha256(body).hexdigest()):
            return
        # 3. About a connection of ours.
        connection_id = event.get("connector_id") or event.get("connection_id")
        if not isinstance(connection_id, str) or not _ID.fullmatch(connection_id):
            return
        wanted = Connection.objects.filter(
            request__connection_id=connection_id, request__status=Status.CREATED, request__deleted_at_fivetran_at=None
        )
        # Syncs begin and end thousands of times an hour, and each check is a call: they count only while the first
        # data of the connection is awaited. Later ones are in the next list.
        if str(event.get("event", "")).startswith("sync_"):
            wanted = wanted.filter(first_data_at=None)
        connection = wanted.first()
        if connection is not None:
            Connection.objects.filter(pk=connection.pk).update(check_due_at=Now())
            tasks.enqueue_on_commit("check", connection.request_id)


def read_event(body: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise Unusable("It is not a JSON object.")
    return event
