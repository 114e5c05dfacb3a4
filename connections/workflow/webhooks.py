"""Webhooks from Fivetran: a hint that a connection changed, nothing more. What it says of it is neither kept nor shown.

The signature is `X-Fivetran-Signature-256`, the hexadecimal HMAC-SHA256 of the raw body with the webhook's secret; in
upper case as seen live, without a prefix or a time stamp. Fivetran repeats a delivery for up to 24 hours.
"""

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from connections import tasks
from connections.models import Connection, WebhookDelivery
from connections.models.webhook import ACCEPTED
from connections.states import Status

log = logging.getLogger(__name__)
AHEAD = timedelta(minutes=10)  # that Fivetran's clock may be ahead of ours
_ID = re.compile(r"[A-Za-z0-9_]{1,255}")


class Forged(Exception):
    """The signature is missing or not that of the body."""


class Unusable(Exception):
    """Signed, but not a delivery of now: not a JSON object, or older than Fivetran would repeat one."""


def take_webhook(*, body: bytes, signature: str) -> None:
    """Make the connection that a signed `body` names due for a check; a body that was taken before has no effect.

    Raises Forged and Unusable, and then nothing was written.
    """
    if not _is_signed(body, signature):
        raise Forged
    event = _read(body)
    sent_at = _moment(event.get("created"))
    if sent_at is None:
        log.info("a webhook without a readable time was ignored: it could not be told from a replay")
        return
    if not -AHEAD <= timezone.now() - sent_at <= ACCEPTED:
        raise Unusable("It is not of the last two days.")
    with transaction.atomic():
        if WebhookDelivery.objects.is_new(hashlib.sha256(body).hexdigest()):
            _hint(event)


def _is_signed(body: bytes, signature: str) -> bool:
    secret = settings.FIVETRAN_WEBHOOK_SECRET
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = signature.strip().lower().encode("utf-8", "replace")
    return bool(secret) and hmac.compare_digest(expected.encode(), given)


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise Unusable("It is not a JSON object.")
    return event


def _moment(value: object) -> datetime | None:
    """When Fivetran sent it: ISO 8601, in UTC where it names no zone."""
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC) if moment else None
    except (ValueError, OverflowError):
        return None


def _hint(event: Mapping[str, Any]) -> None:
    """Make the connection due, if it is one of ours.

    Syncs begin and end thousands of times an hour, and each look is a call: they count only while the first data of the
    connection is awaited. What later ones bring, the next list tells.
    """
    connection_id = event.get("connector_id") or event.get("connection_id")
    if not isinstance(connection_id, str) or not _ID.fullmatch(connection_id):
        return
    wanted = Connection.objects.filter(
        request__connection_id=connection_id, request__status=Status.CREATED, request__gone_at=None
    )
    if str(event.get("event", "")).startswith("sync_"):
        wanted = wanted.filter(first_data_at=None)
    connection = wanted.first()
    if connection is not None:
        Connection.objects.filter(pk=connection.pk).update(check_due_at=Now())
        transaction.on_commit(partial(tasks.enqueue, tasks.check, connection.request_id), robust=True)
